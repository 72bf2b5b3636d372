"""`curate queue`: which images should a person look at next, and why?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import (
    CsvOption,
    JsonOption,
    LibraryOption,
    MinCount,
    ParquetOption,
    SheetOption,
)

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.queues import Following

SHOWN = 12
"""Rows that are shown; all of them are in the files."""

HEADER = ("file", "predicted", "score", "reason")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(queue)


def queue(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="low-count, look-alike or low-score.")
    ],
    class_: Annotated[
        str,
        typer.Option(
            "--class", metavar="NAME", help="Only images predicted as this.", show_default=False
        ),
    ] = "",
    min_score: Annotated[
        float | None, typer.Option(help="Only scores from this on.", show_default=False)
    ] = None,
    max_score: Annotated[
        float | None, typer.Option(help="Only scores up to this.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many images.", min=1)] = 500,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT",
            exists=True,
            dir_okay=False,
            help="Predictions of this checkpoint; the last one when not given.",
            show_default=False,
        ),
    ] = None,
    min_count: MinCount = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Show it again as it grows, until no bulk-id runs any more."),
    ] = False,
    sheet: SheetOption = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the images to look at next, each with its reason.

    Fill in the column `label` of the CSV and give it to `curate label import`.
    """
    from curate import queues
    from curate.cli.output import Printer, counted, records
    from curate.cli.split import standing_policy
    from curate.core import config
    from curate.core.files import write_asked
    from curate.core.identity import file_id
    from curate.store.library import opened

    printer = Printer(as_json)
    filters = queues.Filters(class_=class_, min_score=min_score, max_score=max_score, limit=limit)
    with opened(library) as place:
        settings = standing_policy(place, config.load(place.root))
        asked: dict[str, Any] = {
            "min_count": settings.min_count if min_count is None else min_count,
            "count": settings.count,
            "model": file_id(model) if model else None,
        }
        if follow:
            _follow(printer, queues.follow(place, recipe, filters, **asked))
        table = queues.queue(place, recipe, filters, **asked)
        printer.facts(images=len(table), rows=records(table), model=table.attrs["model"])
        found = f"{counted(len(table), 'image')} to look at" if len(table) else "Nothing to look at"
        printer.say(f"{found}, by the predictions of {table.attrs['checkpoint']}")
        if table.attrs["other_models"]:
            others = counted(table.attrs["other_models"], "other model")
            printer.say(f"({others} made predictions too: --model CKPT)")
        printer.table(HEADER, _rows(table))
        if len(table) > SHOWN:
            printer.say(f"… and {len(table) - SHOWN:,} more")
        printer.write(table, csv, parquet)
        if sheet is not None and len(table):
            write_asked(sheet, queues.sheet(place, table, recipe))
            printer.say(f"Drew a contact sheet: {sheet}")
    if len(table):
        name = csv or "queue.csv"
        printer.next(f"curate label import {name}", f"after filling in the column label of {name}")
    else:
        printer.next("curate status", "what the library lacks")
    printer.finish()


def _rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    from curate.cli.output import records, tail

    return [
        (tail(row["path"], 24), row["predicted"], row["score"], row["reason"])
        for row in records(table.head(SHOWN))
    ]


def _follow(printer: Printer, moments: Iterator[Following]) -> None:
    """Show a queue as it grows: in place on a terminal, a line for every change elsewhere."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from curate.cli.output import drawn

    if printer.as_json or not printer.console.is_terminal:
        for moment in moments:
            printer.say(_told(moment))
        return
    with Live(console=printer.console, auto_refresh=False, transient=True) as live:
        for moment in moments:
            rows = [] if moment.table is None else _rows(moment.table)
            live.update(Group(Text(_told(moment)), drawn(HEADER, rows)), refresh=True)


def _told(moment: Following) -> str:
    from datetime import datetime

    from curate.cli.output import counted

    images = 0 if moment.table is None else len(moment.table)
    found = f"{counted(images, 'image')} to look at"
    if moment.since is None:
        return f"{found}; no bulk-id runs"
    return f"{found}; a bulk-id runs since {datetime.fromisoformat(moment.since).astimezone():%X}"
