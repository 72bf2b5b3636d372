"""`curate jobs`: what runs at night, what came of it, and when it runs again."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli import schedule
from curate.cli.options import JsonOption, LibraryOption, in_a_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.cli.nightly import Night
    from curate.core.config import Jobs
    from curate.schedules.commands import Row
    from curate.store.library import Library
    from curate.store.runs import Run

STAGE = "job"
"""The stage of runs of jobs, and their lock."""

SHOWN = 10
"""Runs that are shown; all of them are in --json."""

KEPT_LOGS = 100
"""Logs of runs that are kept, the newest; what came of a run stays in the library."""

PROGRAM = (sys.executable, "-P", "-m", "curate")
"""How commands are called on this machine. -P: no file of the folder takes a module's place."""


class _Unwell(Exception):
    """A job whose rows say what went wrong; the text says it in a line."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Run jobs, schedule them, and show past and next runs.")
    group.callback(invoke_without_command=True)(jobs)
    group.command()(run)
    group.command("schedule")(schedule.schedule)
    app.add_typer(group, name="jobs")


def jobs(
    context: typer.Context,
    limit: Annotated[
        int | None, typer.Option(help="At most so many runs, the newest.", min=1)
    ] = SHOWN,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show past runs of jobs, and when this machine runs the next."""
    if context.invoked_subcommand is not None:
        if library or as_json:
            raise typer.BadParameter(f"Options of `{context.invoked_subcommand}` stand behind it.")
        return
    from curate.cli import jobs_output as output
    from curate.cli.output import Printer
    from curate.store import run_rows
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        with place.reading() as connection:
            rows = run_rows.recorded(connection, stage=STAGE, limit=limit)
        output.say_past(printer, rows)
        known = output.say_next(printer, place)
    if not known:
        printer.next('curate cleanup schedule --at "03:00" --as cron', "or systemd, k8s …")
    elif rows and output.how(rows[0]) != "done":
        printer.next(f"curate jobs run {rows[0].parameters['job']}", "the same once more")
    printer.finish()


def run(
    job: schedule.JobName,
    time_out: Annotated[
        str,
        typer.Option(
            metavar="6h",
            help="End it after so long; the same command goes on from there.",
            show_default=False,
        ),
    ] = "",
    prometheus: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write figures of the run as a text file for Prometheus.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a job now, asking nobody: cleanup by the approved policy, or the whole nightly loop.

    The exit status is the worst of its commands'; 4: a limit stopped cleanup, and a person should
    look. Who is told of that stands in curate.toml under [jobs].
    """
    from curate.cli import jobs_output as output
    from curate.cli.output import Printer
    from curate.core import config
    from curate.core.errors import CurateError
    from curate.schedules.commands import worst
    from curate.store.library import opened

    schedule.check_job(job)
    seconds = schedule.length(time_out).total_seconds() if time_out else None
    printer = Printer(as_json)
    with opened(library) as place:
        settings = config.load(place.root).jobs
        try:
            night, told = _followed(place, settings, job, seconds)
        except Exception as error:  # whatever it is: somebody is told, and it goes its way
            status = 1 if isinstance(error, CurateError) else 3
            _say_told(_tell(settings, place, job, status, str(error), []))
            raise
        rows = night.commands.rows
        status = worst(rows)
        if prometheus is not None:
            _write_figures(place, job, status, night, prometheus)
    output.say_rows(printer, rows)
    printer.facts(job=job, run_id=night.run.run_id, exit=status, told=told)
    printer.facts(log=str(night.commands.log), steps=[output.as_facts(row) for row in rows])
    _say_told(told)
    printer.say(f"\nWhat they said: {night.commands.log}")
    printer.next(*_after(status))
    printer.finish()
    if status:
        raise typer.Exit(status)


def _followed(
    place: Library, settings: Jobs, job: str, seconds: float | None
) -> tuple[Night, dict[str, str]]:
    """Run the steps of a job, and write down what came of each."""
    from curate.cli import jobs_output as output
    from curate.cli.nightly import Night, follow, steps_of
    from curate.schedules.commands import Commands, worst
    from curate.store import runs

    steps = steps_of(job, settings)
    folder = place.folder / "jobs"
    told: dict[str, str] = {}
    try:
        with runs.running(place, STAGE, {"job": job, "steps": list(steps)}) as run:
            folder.mkdir(exist_ok=True)
            _prune(folder)
            log = folder / f"{run.run_id}.log"
            night = Night(place, settings, Commands(PROGRAM, place.root, log, seconds), run)
            rows = night.commands.rows
            run.summary["log"] = f"{place.folder.name}/jobs/{log.name}"
            try:
                for _ in follow(night, steps):
                    _note(run, rows)
                    runs.note(place, run)
            finally:
                # Also of one that is interrupted: what was done so far.
                _note(run, rows)
            if status := worst(rows):
                said = output.said(rows)
                told = run.summary["told"] = _tell(settings, place, job, status, said, rows)
                raise _Unwell(said)
    except _Unwell:
        pass
    return night, told


def _prune(folder: Path) -> None:
    """Take away all logs but the last: they are named by their runs, whatever the clock says."""
    logs = [file for file in folder.glob("*.log") if file.stem.isdecimal()]
    for file in sorted(logs, key=lambda log: int(log.stem))[: 1 - KEPT_LOGS]:
        file.unlink(missing_ok=True)


def _note(run: Run, rows: Sequence[Row]) -> None:
    from curate.cli import jobs_output as output
    from curate.schedules.commands import worst

    run.summary.update(exit=worst(rows), steps=[output.as_facts(row) for row in rows])


def _tell(
    settings: Jobs, place: Library, job: str, status: int, said: str, rows: Sequence[Row]
) -> dict[str, str]:
    """Tell whoever wants to know that a job did not end well."""
    import socket

    from curate.cli import jobs_output as output
    from curate.core import paths
    from curate.schedules.commands import STOPPED
    from curate.schedules.notify import notify

    host, where = socket.gethostname(), paths.to_text(os.fsencode(place.root))
    how = "was stopped by its limits" if status == STOPPED else "failed"
    facts = {"job": job, "exit": status, "library": where, "host": host}
    steps = [output.as_facts(row) for row in rows]
    lines = [said, "", *(f"{row.step}: {row.how}  {row.reason}".rstrip() for row in rows)]
    subject = f"curate: {job} of {where} on {host} {how}"
    return notify(settings, subject, "\n".join(lines), {**facts, "steps": steps})


def _say_told(told: Mapping[str, str]) -> None:
    for name, result in told.items():
        typer.echo(f"curate: {name}: {result}", err=True)


def _after(status: int) -> tuple[str, str]:
    from curate.schedules.commands import STOPPED

    if status == STOPPED:
        return "curate cleanup plan --sheet plan.jpg", "look at what stopped it"
    return "curate jobs", "past runs, and the next"


def _write_figures(place: Library, job: str, status: int, night: Night, file: Path) -> None:
    from collections import Counter

    from curate.cli import jobs_output as output
    from curate.core.files import write_asked
    from curate.schedules.metrics import figures, text_of
    from curate.store import journal, run_rows

    with place.reading() as connection:
        rows = run_rows.recorded(connection, stage=STAGE)
        held = journal.counts(connection).get(journal.QUARANTINED, (0, 0))
    ours = [row for row in rows if row.parameters["job"] == job]
    good = [row.ended for row in ours if row.ended is not None and output.how(row) == "done"]
    succeeded = datetime.fromisoformat(good[0]).timestamp() if good else None
    seconds = time.monotonic() - night.commands.begun
    found = figures(
        job,
        status,
        time.time() - seconds,
        seconds,
        night.commands.rows,
        Counter(map(output.how, ours)),
        succeeded,
        held,
    )
    write_asked(file, text_of(found).encode())
