"""`curate cleanup schedule`, `curate jobs schedule`: have a job run again and again."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.nightly import NAMES
from curate.cli.options import JsonOption, LibraryOption, in_a_folder

if TYPE_CHECKING:
    from curate.schedules import Job
    from curate.store.library import Library

JobName = Annotated[str, typer.Argument(metavar="JOB", help=f"{' or '.join(NAMES)}.")]

HINTS = {
    "cron": "The same with --install puts it into your crontab.",
    "systemd": "The same with --install writes both, and starts the timer.",
    "k8s": "Its times are UTC. Apply it with: kubectl apply -f FILE",
    "airflow": "Its times are UTC. Put it into the folder of the DAGs.",
    "github": "Its times are UTC. Put it into .github/workflows/.",
}
"""What to do with a unit that was printed."""


def schedule(
    job: JobName = "cleanup",
    at: Annotated[
        str,
        typer.Option(metavar="TIME", help="03:00 (every day), or 'every 6h'.", show_default=False),
    ] = "",
    kind: Annotated[
        str, typer.Option("--as", metavar="KIND", help="cron, systemd, k8s, airflow or github.")
    ] = "cron",
    install: Annotated[
        bool, typer.Option("--install", help="cron, systemd: put it to work on this machine.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="cron, systemd: take it from this machine.")
    ] = False,
    time_out: Annotated[
        str, typer.Option(metavar="TIME", help="It ends itself after so long.")
    ] = "6h",
    nice: Annotated[
        int, typer.Option(help="How far it steps back behind other programs.", min=0, max=19)
    ] = 10,
    prometheus: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Each run writes its figures there, for Prometheus.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        str,
        typer.Option(
            metavar="IMAGE", help="k8s: the container image that has curate.", show_default=False
        ),
    ] = "",
    claim: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="k8s: claim of the volume that is mounted as the library's folder.",
            show_default=False,
        ),
    ] = "",
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the unit that runs a job again and again, or install it.

    The unit alone goes to the standard output, for a file. No secret is ever written into it.
    """
    from curate.cli.output import Printer
    from curate.core.errors import InputError
    from curate.schedules import KINDS, Job, when
    from curate.schedules.installing import INSTALL, REMOVE
    from curate.store.library import opened

    check_job(job)
    if kind not in KINDS:
        raise InputError(f"--as {kind}", "is not known", f"Known: {', '.join(KINDS)}.")
    if (install or remove) and kind not in INSTALL:
        known = " and ".join(INSTALL)
        raise InputError(f"--as {kind}", f"only {known} are on this machine", HINTS[kind])
    if remove == bool(at) or (install and remove):
        raise InputError("--at", "says when", "Give --at 03:00, or --remove without it.")
    from curate.cli.jobs import PROGRAM

    printer = Printer(as_json)
    with opened(library) as place:
        options = (f"--prometheus={os.path.abspath(prometheus)}",) if prometheus else ()
        made = Job(
            job, str(place.root), PROGRAM, when(at or "00:00"), options, length(time_out), nice,
            image, claim,
        )  # fmt: skip
        unapproved = _unapproved(place, job)
    if remove:
        REMOVE[kind](made.unit)
        printer.facts(removed=made.unit)
        printer.say(f"Removed {made.unit}")
    else:
        units = KINDS[kind](made)
        where = INSTALL[kind](made) if install else ""
        printer.facts(
            unit=made.unit, kind=kind, files=units, installed=where, approved=not unapproved
        )
        if where:
            printer.say(f"Installed {made.unit} in {where}")
        elif not as_json:
            _print(made, units)
        for line in [*([] if where else [HINTS[kind]]), *_lingering(where), unapproved]:
            if line:
                typer.echo(line, err=True)
    if as_json or remove or install:
        printer.next("curate jobs", "past runs, and the next")
    printer.finish()


def check_job(name: str) -> None:
    """Refuse a job that there is not."""
    from curate.core.errors import InputError
    from curate.core.names import nearest

    if name not in NAMES:
        meant = nearest(name, NAMES)
        hint = f"Did you mean {meant}? " if meant else ""
        raise InputError(f"job {name!r}", "there is none", f"{hint}Known: {', '.join(NAMES)}.")


def length(text: str) -> timedelta:
    """Read --time-out: a minute at least."""
    from curate.core.durations import duration
    from curate.core.errors import InputError

    try:
        found = duration(text)
    except ValueError as error:
        raise InputError(f"--time-out {text}", str(error), "Give one such as 6h.") from error
    if not found:
        raise InputError(f"--time-out {text}", "leaves no time at all", "Give one such as 6h.")
    return found


def _print(job: Job, units: dict[str, str]) -> None:
    """Print the files of a unit as their bytes are; several with their names as comments."""
    for number, (name, text) in enumerate(units.items()):
        if len(units) > 1:
            typer.echo(f"{'' if number == 0 else chr(10)}# {name}")
        typer.echo(os.fsencode(text), nl=False)


def _unapproved(place: Library, job: str) -> str:
    """Say that nothing will be moved yet, where nobody approved the policy."""
    from curate.cli.nightly import approved_policy, steps_of
    from curate.core import config
    from curate.core.errors import PolicyError

    try:
        if "cleanup" in steps_of(job, config.load(place.root).jobs):
            approved_policy(place)
    except PolicyError as error:
        return f"Nothing will be moved yet: {error}"
    return ""


def _lingering(where: str) -> list[str]:
    """Say what the timers of a user need to go off while nobody is logged in."""
    if os.geteuid() and where.endswith("user"):
        return [
            "Timers of users go off while they are logged in; always with: loginctl enable-linger"
        ]
    return []
