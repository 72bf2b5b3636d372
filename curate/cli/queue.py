"""`curate queue`: which images should a person look at next, and why?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import (
    CsvOption,
    JsonOption,
    LibraryOption,
    MinCount,
    ParquetOption,
    Seed,
    in_a_folder,
)
from curate.cli.queue_options import with_filters

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.queues import Filters
    from curate.store.library import Library


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(queue)


@with_filters
def queue(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="What to look for; --list explains each.", show_default=False
        ),
    ] = "",
    listed: Annotated[
        bool, typer.Option("--list", help="Explain every recipe, and name the saved queues.")
    ] = False,
    of: Annotated[
        str,
        typer.Option(
            metavar="CLASS",
            help="The class that the question is about (look-alike, unknown).",
            show_default=False,
        ),
    ] = "",
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
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT",
            exists=True,
            dir_okay=False,
            help="For disagree: the other checkpoint.",
            show_default=False,
        ),
    ] = None,
    min_count: MinCount = None,
    seed: Seed = 0,
    plan: Annotated[
        str,
        typer.Option(
            metavar="budget=N",
            help="Share out so many looks over the recipes, by what each is expected to gain.",
            show_default=False,
        ),
    ] = "",
    yields: Annotated[
        bool, typer.Option("--yields", help="What the looks of earlier queues came to.")
    ] = False,
    save: Annotated[
        str,
        typer.Option(metavar="NAME", help="Keep the queue under this name.", show_default=False),
    ] = "",
    saved: Annotated[
        str,
        typer.Option(metavar="NAME", help="What is left of a saved queue.", show_default=False),
    ] = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="With --saved: ask its question anew.")
    ] = False,
    *,
    filters: Filters,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Show it again as it grows, until no bulk-id runs any more."),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw a contact sheet (.jpg or .html); of low-score also one for each bucket.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    cleanup: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of low-score: write a cleanup plan (.csv or .parquet); nothing is removed.",
            callback=in_a_folder,
            show_default=False,
        ),
    ] = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the images to look at next, each with its reason.

    Fill in the column `label` of the CSV and give it to `curate label import`.
    """
    from curate import queues
    from curate.cli import queue_output as output
    from curate.cli.output import Printer
    from curate.store.library import find, opened

    printer = Printer(as_json)
    budget = _budget(plan)
    _refuse_contradictions(
        {"--list": listed, "--saved": saved, "--plan": plan, "--yields": yields, "RECIPE": recipe},
        {"--refresh": (refresh, "--saved"), "--follow": (follow, "RECIPE")},
    )
    if cleanup is not None and recipe != "low-score":
        _refuse("--cleanup", "only the lowest scores are removed in one go", "Ask for low-score.")
    if listed and library is None and find(Path.cwd()) is None:
        output.say_recipes(printer)
        printer.finish()
        return
    with opened(library) as place:
        if listed:
            output.say_recipes(printer)
            output.say_saved(printer, queues.saved_queues(place))
        elif yields:
            output.say_yields(printer, queues.yields(place), csv, parquet)
        else:
            asked = _asked(place, min_count, model, seed)
            more = {"against": _digest(against), "of": of}
            of_recipe = {**asked, **{name: value for name, value in more.items() if value}}
            kept: dict[str, Any] = {"save": save} if save else {}
            if follow:
                output.follow(printer, queues.follow(place, recipe, filters, **of_recipe))
            if saved:
                given = {"--of": of, "--model": model, "--against": against, "--save": save}
                _refuse_filters(filters, {**given, "--min-count": min_count, "--seed": seed})
                table = (queues.refresh if refresh else queues.saved)(place, saved)
            elif budget:
                if of:
                    _refuse(f"--of {of}", "a plan is about all classes", "Leave --of out.")
                compared: dict[str, Any] = {"against": _digest(against)} if against else {}
                table = queues.plan(place, budget, filters, **asked, **compared, **kept)
            else:
                table = queues.queue(place, recipe, filters, **of_recipe, **kept)
            output.say_queue(printer, table, recipe, saved or save)
            printer.write(table, csv, parquet)
            if sheet is not None and len(table):
                output.draw(printer, place, table, recipe or saved or "plan", sheet)
            if cleanup is not None:
                queues.write_cleanup(place, table, cleanup)
                printer.say(f"Wrote a cleanup plan: {cleanup}; nothing was removed")
            _say_next(printer, table, csv)
    printer.finish()


def _asked(place: Library, min_count: int | None, model: Path | None, seed: int) -> dict[str, Any]:
    """Give what every recipe is asked with; a seed only where it was given."""
    from curate.core import config
    from curate.store import runs

    # As `standing_policy` lays them, without the import of what splits: most queues are quicker.
    ours = config.load(place.root).split
    settings = {**ours.model_dump(), **runs.last_asked(place, "split"), **ours.given()}
    return {
        "min_count": settings["min_count"] if min_count is None else min_count,
        "count": settings["count"],
        "model": _digest(model),
        **({"seed": seed} if seed else {}),
    }


def _digest(checkpoint: Path | None) -> str | None:
    from curate.core.identity import file_id

    return file_id(checkpoint) if checkpoint else None


def _budget(text: str) -> int:
    """Read budget=500, or 500; 0 for nothing."""
    number = text.removeprefix("budget=")
    if text and not (number.isdecimal() and int(number)):
        _refuse(f"--plan {text}", "a budget is a number of looks", "Give --plan budget=500.")
    return int(number or 0)


def _refuse_contradictions(
    questions: dict[str, bool | str], partners: dict[str, tuple[bool, str]]
) -> None:
    """Refuse no question, several at once, and an option without the one that it belongs to."""
    asked = [name for name, given in questions.items() if given]
    if not asked:
        from curate.queues import RECIPES

        _refuse("RECIPE", "none is given", f"Known: {', '.join(RECIPES)}; --list explains them.")
    if len(asked) > 1:
        _refuse(" and ".join(asked[:2]), "these do not go together", "Give one of them.")
    for name, (given, partner) in partners.items():
        if given and not questions[partner]:
            _refuse(name, f"goes with {partner}", f"Give {partner}, or leave {name} out.")


def _refuse_filters(filters: Filters, others: dict[str, object]) -> None:
    """Refuse what a saved queue would pass by in silence: it has a question of its own."""
    from curate.queues import Filters

    for name, value in others.items():
        if value:
            _refuse(name, "a saved queue has a question of its own", f"Leave {name} out.")
    if filters != Filters():
        _refuse("--saved", "a saved queue has filters of its own", "Leave the other filters out.")


def _refuse(value: str, rule: str, remedy: str) -> None:
    from curate.core.errors import InputError

    raise InputError(value, rule, remedy)


def _say_next(printer: Printer, table: pd.DataFrame, csv: Path | None) -> None:
    if len(table):
        name = csv or "queue.csv"
        printer.next(f"curate label import {name}", f"after filling in the column label of {name}")
    else:
        printer.next("curate status", "what the library lacks")
