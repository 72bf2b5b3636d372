"""`curate cleanup`: which files may go, and why; and the approval of the policy that says so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli import cleanup_forget, cleanup_moves, schedule
from curate.cli.options import JsonOption, LibraryOption, Seed, in_a_folder

if TYPE_CHECKING:
    from curate.cleanup.limits import Stop
    from curate.cleanup.verb import Agree
    from curate.cli.output import Printer

STOPPED = 4
"""Exit status of a plan that its limits stopped."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file, and those that move files."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Move what is worth nothing to quarantine: plan, look, apply; restore puts back.",
    )
    group.command()(plan)
    group.command()(approve)
    cleanup_moves.add_to(group)
    group.command()(cleanup_forget.forget)
    group.command()(schedule.schedule)
    app.add_typer(group, name="cleanup")


def plan(
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this rule of the policy; may be given again.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write the plan (.json, .csv or .parquet); the library keeps it too.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw a random sample (JPEG), and beside it, as …-riskiest, the likeliest "
            "mistakes.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Keep this plan though it is over a limit.")
    ] = False,
    seed: Seed = 0,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which files would go, why, and what it would cost. Nothing is moved.

    The policy stands in curate.toml under [cleanup]. Exit status 4: a limit stopped the plan, and
    nothing was kept of it.
    """
    from curate.cleanup import plans
    from curate.cli import cleanup_output as output
    from curate.cli.cleanup_rules import plan_cleanup
    from curate.cli.output import Printer
    from curate.store.library import opened

    printer = Printer(as_json)
    if out is not None:
        plans.check_suffix(out)
    with opened(library) as place:
        made = plan_cleanup(place, rules=rule or (), agree=_agree(printer, yes))
        output.say_plan(printer, made)
        if sheet is not None and len(made.table):
            output.draw(printer, place, made, sheet, seed)
        if made.plan is not None and out is not None:
            plans.write(made.plan, out)
            printer.say(f"Wrote {len(made.plan.table):,} rows to {out}")
        output.say_next(printer, place, made, out)
    printer.finish()
    if made.plan is None:
        raise typer.Exit(STOPPED)


def approve(
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who approves it.  [default: you]", show_default=False),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the policy, and write down that it may be followed when nobody watches.

    A policy that is changed, in curate.toml or by another version of curate, is approved anew.
    """
    from curate.cleanup import policy as policies
    from curate.cli.cleanup_rules import ask_of, policy_of
    from curate.cli.label import user
    from curate.cli.output import Printer
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        policy, actor = policy_of(place), by or user()
        for rule in policy.rules:
            ask_of(place).check(rule)
        new = policies.approve(place, policy, actor)
    said = policies.said(policy)
    printer.facts(policy=policies.digest(policy), said=said, by=actor, new=new)
    for line in said:
        printer.say(line)
    name = policies.digest(policy)[:12]
    printer.say(f"\nApproved by {actor} as {name}" if new else f"\nApproved before, as {name}")
    printer.next("curate cleanup plan", "what it would move now")
    printer.finish()


def _agree(printer: Printer, yes: bool) -> Agree:
    """Let a plan over its limits pass where --yes was given, or whoever sits there says so."""

    def agree(found: Sequence[Stop]) -> bool:
        if yes or printer.as_json or not sys.stdin.isatty():
            return yes
        for stop in found:
            printer.say(f"Stopped: {stop.reason}")
        return typer.confirm("Keep this plan all the same?")

    return agree
