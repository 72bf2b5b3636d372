"""What `curate queue` shows: queues, recipes, saved queues and what their looks came to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.cli.output import Printer, counted, drawn, records, tail
from curate.core.files import write_asked

if TYPE_CHECKING:
    import pandas as pd

    from curate.queues import Following
    from curate.store.library import Library

SHOWN = 12
"""Rows that are shown; all of them are in the files."""

HEADER = ("file", "predicted", "score", "expected", "reason")


def say_queue(printer: Printer, table: pd.DataFrame, recipe: str, name: str) -> None:
    """Show the first images of a queue, and what is expected of all."""
    about = table.attrs
    facts = {key: about[key] for key in ("model",) if key in about}
    printer.facts(images=len(table), rows=records(table), **facts)
    found = f"{counted(len(table), 'image')} to look at" if len(table) else "Nothing to look at"
    source = f", by the predictions of {about['checkpoint']}" if "checkpoint" in about else ""
    printer.say(f"{found}{source}")
    if about.get("other_models"):
        others = counted(about["other_models"], "other model")
        printer.say(f"({others} made predictions too: --model CKPT)")
    _say_expected(printer, table, recipe)
    if "recipe" in table and table["recipe"].nunique() > 1:
        _say_shares(printer, table)
    printer.table(HEADER, _rows(table))
    if len(table) > SHOWN:
        printer.say(f"… and {len(table) - SHOWN:,} more")
    if about.get("losses"):
        _say_losses(printer, about["losses"])
    if name:
        printer.say(f"Saved: curate queue --saved {name} shows what is left of it")


def _say_expected(printer: Printer, table: pd.DataFrame, recipe: str) -> None:
    from curate.queues import RECIPES

    known = table["expected"].dropna()
    if known.empty:
        return
    printer.facts(expected=round(float(known.sum()), 3))
    promise = RECIPES[recipe].promise if recipe in RECIPES else ""
    meaning = f" (right: {promise})" if promise else ""
    printer.say(f"About {known.sum():,.0f} expected right of {len(known):,}{meaning}")


def _say_shares(printer: Printer, table: pd.DataFrame) -> None:
    """Show how a plan shares out its looks."""
    groups = table.groupby("recipe", sort=False)["expected"]
    shares = groups.agg(looks="size", expected=lambda values: values.sum(min_count=1))
    printer.facts(recipes=records(shares.reset_index()))
    printer.table(("recipe", "looks", "expected"), shares.reset_index().to_numpy().tolist())
    printer.say()


def _say_losses(printer: Printer, losses: list[dict[str, Any]]) -> None:
    """Show what would be lost if all images up to a score were removed."""
    from math import isnan

    printer.facts(losses=losses)
    shown = [row for row in losses if row["pool_images"]]
    if not shown:
        return
    printer.say("\nIf all up to a score were removed (by the answers so far):")
    rows = [
        (
            f"{row['threshold']:g}",
            row["pool_images"],
            row["looked"],
            "nobody knows"
            if isnan(row["wanted_lost"])
            else f"{row['wanted_lost']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f})",
        )
        for row in shown
    ]
    printer.table(("score up to", "images", "looked at", "wanted ones lost"), rows)


def _rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [
        (tail(row["path"], 24), row["predicted"], row["score"], row["expected"], row["reason"])
        for row in records(table.head(SHOWN))
    ]


def say_recipes(printer: Printer) -> None:
    """Explain every recipe."""
    from curate.queues import RECIPES

    rows = [(name, recipe.help, recipe.promise) for name, recipe in RECIPES.items()]
    printer.facts(recipes=[{"name": n, "help": h, "promise": p} for n, h, p in rows])
    width = max(len(name) for name, _, _ in rows)
    for name, said, promise in rows:
        printer.say(f"{name:{width}}  {said}")
        printer.say(f"{'':{width}}    looked for: {promise}")
    printer.next(f"curate queue {rows[0][0]}", "every option: curate queue --help")


def say_saved(printer: Printer, table: pd.DataFrame) -> None:
    """List the saved queues."""
    printer.facts(saved=records(table))
    if len(table):
        printer.say("\nSaved queues (curate queue --saved NAME):")
        printer.table(tuple(table.columns), table.to_numpy().tolist())


def say_yields(
    printer: Printer, table: pd.DataFrame, csv: Path | None, parquet: Path | None
) -> None:
    """Show what the looks of earlier queues came to, by recipe."""
    printer.facts(yields=records(table))
    if len(table):
        printer.table(tuple(table.columns), table.to_numpy().tolist())
    else:
        printer.say("No queue has offered anything yet")
    printer.write(table, csv, parquet)
    printer.next("curate queue --plan budget=500", "share out the next looks by these")


def draw(printer: Printer, place: Library, table: pd.DataFrame, title: str, sheet: Path) -> None:
    """Draw a queue as a page; of the lowest scores also a page for each bucket."""
    from curate import queues

    if sheet.suffix.lower() in (".html", ".htm"):
        write_asked(sheet, queues.html_sheet(place, table, title))
        printer.say(f"Wrote a contact sheet: {sheet}")
        return
    write_asked(sheet, queues.sheet(place, table, title))
    printer.say(f"Drew a contact sheet: {sheet}")
    if title == "low-score":
        files = []
        for bucket, content in queues.bucket_sheets(place, table):
            files.append(sheet.with_name(f"{sheet.stem}-{bucket}{sheet.suffix}"))
            write_asked(files[-1], content)
        printer.facts(sheets=[str(file) for file in files])
        printer.say(f"And one for each bucket of scores: {', '.join(map(str, files))}")


def follow(printer: Printer, moments: Iterator[Following]) -> None:
    """Show a queue as it grows: in place on a terminal, a line for every change elsewhere."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    if printer.as_json or not printer.console.is_terminal:
        for moment in moments:
            printer.say(_told(moment))
        return
    with Live(console=printer.console, auto_refresh=False, transient=True) as live:
        for moment in moments:
            rows = [] if moment.table is None else _rows(moment.table)
            live.update(Group(Text(_told(moment)), drawn(HEADER, rows)), refresh=True)


def _told(moment: Following) -> str:
    images = 0 if moment.table is None else len(moment.table)
    found = f"{counted(images, 'image')} to look at"
    if moment.since is None:
        return f"{found}; no bulk-id runs"
    return f"{found}; a bulk-id runs since {datetime.fromisoformat(moment.since).astimezone():%X}"
