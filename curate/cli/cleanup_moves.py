"""`curate cleanup apply|restore|purge|log`: what moves files, and what was moved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import CsvOption, JsonOption, LibraryOption, ParquetOption

if TYPE_CHECKING:
    from datetime import timedelta

    from curate.cleanup.batches import Told
    from curate.cleanup.purging import Purged
    from curate.cli.output import Printer

SHOWN = 20
"""Rows that are shown; the others are in --csv."""


def add_to(group: typer.Typer) -> None:
    """Add the commands of this file to `curate cleanup`."""
    group.command()(apply)
    group.command()(restore)
    group.command()(purge)
    group.command()(log)


def apply(
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN",
            help="Of `curate cleanup plan`; the last one when not given.",
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the files of a plan to quarantine. Nothing is deleted; `restore` puts them back.

    Each file is looked at again first: what changed since the plan, or is wanted by now, stays.
    Where nobody sits at a terminal, the plan must be of the policy that was approved.
    """
    from curate.cleanup import plans, policy
    from curate.cleanup.applying import apply as applied
    from curate.cli.output import Printer
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        asked = plans.read(place, plan)
        if not watched():
            with place.reading() as connection:
                policy.require_approved(connection, asked)
        told = applied(place, asked)
    _say(printer, told, "moved", "moved to quarantine", csv, parquet)
    if told.counts["done"]:
        printer.say(f"{told.counts['done']:,} were there already, by this plan")
    printer.next(f"curate cleanup restore --run {told.run_id}", "puts them back")
    printer.finish()


def watched() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty()


def restore(
    run: Annotated[
        int | None,
        typer.Option(metavar="R", help="What this run moved.", show_default=False),
    ] = None,
    where: Annotated[
        str,
        typer.Option(
            metavar="CONDITION",
            help="SQL over image_id, path, rule, reason, class, bytes, run: \"rule = 'blank'\".",
            show_default=False,
        ),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="All that is in quarantine.")] = False,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put files back to where they lay. Nothing is overwritten, and decisions stay as they are."""
    from curate.cleanup.restoring import restore as restored
    from curate.cli.output import Printer
    from curate.core.errors import InputError
    from curate.store.library import opened

    if everything == (run is not None or bool(where)):
        raise InputError(
            "restore", "needs to know what to put back", "Give --run R, --where CONDITION or --all."
        )
    printer = Printer(as_json)
    with opened(library) as place:
        told = restored(place, run_id=run, where=where)
    _say(printer, told, "restored", "put back", csv, parquet)
    printer.next("curate cleanup log", "what was moved, and when")
    printer.finish()


def purge(
    grace: Annotated[
        str,
        typer.Option(
            metavar="30d",
            help="How long files stay at least; of curate.toml when not given.",
            show_default=False,
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Delete; otherwise only say what.")] = False,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what has been in quarantine for long enough. Nothing else deletes files.

    Age counts by the clock and by completed runs, at most a week, or a third of the grace,
    between two of them. Without --yes it says what would go and, on a terminal, asks.
    """
    from curate.cleanup.purging import purge as purged
    from curate.cli.output import Printer, counted
    from curate.store.library import opened

    printer = Printer(as_json)
    length = _length(grace)
    with opened(library) as place:
        found = purged(place, grace=length) if not yes else None
        if found is not None:
            _say_due(printer, found)
            asked = f"Delete {counted(found.files, 'file')} for good?"
            yes = bool(found.files and not as_json and watched()) and typer.confirm(asked)
        if yes:
            agreed = found.items if found is not None else None
            found = purged(place, grace=length, really=True, only=agreed)
    if found is not None and found.told is not None:
        _say(printer, found.told, "purged", "deleted", csv, parquet)
        printer.facts(staying=dict(found.staying))
    if found is not None and found.files and not yes:
        printer.next(" ".join(["curate cleanup purge --yes", *(["--grace", grace] * bool(grace))]))
    else:
        printer.next("curate cleanup log", "what was moved, and when")
    printer.finish()


def log(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="FILE|IMAGE_ID",
            help="Tell its story; the last runs when not given.",
            show_default=False,
        ),
    ] = "",
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the story of a file, or of the last runs."""
    from curate.cleanup import story
    from curate.cli.cleanup_output import written
    from curate.cli.output import Printer, local, records
    from curate.store import journal
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        if asked:
            table = story.story(place, asked)
            printer.facts(story=records(table))
            several = table["path"][table["path"] != ""].nunique() > 1
            shown = table[["made_at", "run_id", "what", "by", "said", *["path"] * several]]
        else:
            table = story.last_runs(place)
            shown = table.assign(ended_at=table["ended_at"].map(local, na_action="ignore"))
            with place.reading() as connection:
                held = journal.counts(connection).get(journal.QUARANTINED, (0, 0))
            printer.facts(runs=records(table), files=held[0], bytes=held[1])
    printer.table(list(shown.columns), shown.itertuples(index=False))
    if not len(table):
        printer.say("Cleanup has done nothing to it." if asked else "No cleanup has run yet.")
    elif not asked:
        printer.say(f"{held[0]:,} files in quarantine, {written(held[1])}")
    printer.write(table, csv, parquet)
    printer.next("curate cleanup plan" if not asked else "curate cleanup log", "the next step")
    printer.finish()


def _say(
    printer: Printer, told: Told, event: str, words: str, csv: Path | None, parquet: Path | None
) -> None:
    from curate.cli.cleanup_output import written
    from curate.cli.output import counted, records

    stayed = told.exceptions
    printer.facts(
        run_id=told.run_id,
        counts=dict(told.counts),
        reasons=dict(told.reasons),
        stayed=records(stayed.head(SHOWN)),
    )
    if told.counts["settled"]:
        done = counted(told.counts["settled"], "file")
        printer.say(f"{done} of an interrupted run settled")
    done = counted(told.counts[event], "file")
    printer.say(f"{done} {words}, {written(told.counts['bytes'])} (run {told.run_id})")
    _say_staying(printer, told.reasons.most_common(SHOWN))
    printer.write(stayed, csv, parquet)


def _say_due(printer: Printer, found: Purged) -> None:
    from curate.cli.cleanup_output import written
    from curate.cli.output import counted

    printer.facts(files=found.files, bytes=found.bytes, staying=dict(found.staying))
    due = counted(found.files, "file")
    printer.say(f"{due} in quarantine may be deleted, {written(found.bytes)}")
    _say_staying(printer, found.staying.most_common())


def _say_staying(printer: Printer, reasons: list[tuple[str, int]]) -> None:
    printer.table(["files that stay", "reason"], [(number, why) for why, number in reasons])


def _length(text: str) -> timedelta | None:
    from curate.core.durations import duration
    from curate.core.errors import InputError

    try:
        return duration(text) if text else None
    except ValueError as error:
        raise InputError(f"--grace {text}", str(error), "Give one such as 30d.") from error
