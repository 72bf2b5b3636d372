"""`curate split`: the permanent assignment to train, val, test and benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.options import CsvOption, JsonOption, LibraryOption, MinCount, ParquetOption

if TYPE_CHECKING:
    import pandas as pd

    from curate.cli.output import Printer
    from curate.core.config import Config
    from curate.splits import Assignment, SplitPolicy
    from curate.store.library import Library

SHOWN = 40
"""Classes that are shown; all of them are in --json."""

SPLITS = ("train", "val", "test", "benchmark")
COLUMNS = ("image_id", "path", "label", "sub_class", "origin", "group", "split", "reason")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(split)


def policy_from(config: Config, **given: float | int | None) -> SplitPolicy:
    """Lay options over `curate.toml` over the defaults."""
    from curate.splits import SplitPolicy

    options = {name: value for name, value in given.items() if value is not None}
    return SplitPolicy(**{**config.split.given(), **options})


def split(
    min_count: MinCount = None,
    max_count: Annotated[
        int | None,
        typer.Option(
            help="Of a larger class only so many are used.  [default: 400]", show_default=False
        ),
    ] = None,
    val: Annotated[
        float | None, typer.Option(help="Share for val.  [default: 0.1]", show_default=False)
    ] = None,
    test: Annotated[
        float | None, typer.Option(help="Share for test.  [default: 0.1]", show_default=False)
    ] = None,
    benchmark: Annotated[
        float | None,
        typer.Option(help="Share for the frozen benchmark.  [default: 0]", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Decides what chance decides.  [default: 0]", show_default=False),
    ] = None,
    explain: Annotated[
        str,
        typer.Option(
            metavar="IMAGE",
            help="Say why one image (id or path) is where it is; changes nothing.",
            show_default=False,
        ),
    ] = "",
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Assign images to train, val, test and the frozen benchmark.

    Every image that is left out has its reason. What was assigned before stays where it is.
    """
    from curate import splits
    from curate.cli.output import Printer
    from curate.core import config
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        policy = policy_from(
            config.load(place.root),
            min_count=min_count,
            max_count=max_count,
            val=val,
            test=test,
            benchmark=benchmark,
            seed=seed,
        )
        if explain:
            image_id = _image_id(place, explain)
            text = splits.explain(splits.preview(place, policy), image_id)
            printer.facts(image_id=image_id, explanation=text)
            printer.say(text)
            printer.finish()
            return
        assignment = splits.split(place, policy)
        table = _with_paths(place, assignment)
    _print_split(printer, assignment, policy)
    printer.write(table, csv, parquet)
    near = splits.near_misses(assignment.classes, policy, _lower(policy.min_count))
    if len(near):
        printer.next(
            f"curate train --throw-away --min-count {_lower(policy.min_count)} -o throw-away.pt",
            f"{len(near)} more classes would pass at {_lower(policy.min_count)}",
        )
    else:
        printer.next("curate train -o ckpt.pt")
    printer.finish()


def _lower(min_count: int) -> int:
    """The cutoff of a throw-away model: seven eighths, 35 for 40."""
    return max(1, min_count * 7 // 8)


def _image_id(place: Library, image: str) -> str:
    """Find the image that a user names by its id or by a path."""
    from curate.core import paths
    from curate.core.errors import InputError
    from curate.store import facts, files

    with place.reading() as connection:
        ids = set(facts.images(connection)["image_id"])
        if image in ids:
            return image
        # As a person types it, and as our own tables write it.
        named = [paths.absolute(image), paths.absolute(paths.from_text(image))]
        known = files.known(connection, named)
    for file in known.values():
        if file.image_id in ids:
            return str(file.image_id)
    raise InputError(
        image,
        "is neither the id of an image nor the path of one in the library",
        "Take one from `curate split --csv splits.csv`, or scan its folder first.",
    )


def _with_paths(place: Library, assignment: Assignment) -> pd.DataFrame:
    from curate.store import files

    with place.reading() as connection:
        placed = files.one_path_each(connection)[["image_id", "path"]]
    return assignment.table.merge(placed, on="image_id", how="left")[list(COLUMNS)]


def _print_split(printer: Printer, assignment: Assignment, policy: SplitPolicy) -> None:
    from curate.cli.output import counted, records

    table, classes = assignment.table, assignment.classes
    sizes = {name: int((table["split"] == name).sum()) for name in SPLITS}
    out = table.loc[table["split"] == "", "reason"]
    printer.facts(
        sizes=sizes,
        left_out=out.value_counts().to_dict(),
        classes=records(classes),
        changes=records(assignment.changes),
        conflicts=records(assignment.conflicts),
    )
    shown = classes
    if len(shown) > SHOWN:
        # The small classes are where the work is.
        shown = shown.sort_values("usable", kind="stable").head(SHOWN).sort_index()
    header = ["class", "usable", "used", *SPLITS, "cut", "short"]
    rows = shown[["class", "usable", "used", *SPLITS, "cut", "short"]].to_numpy().tolist()
    styles = ["" if status == "in" else "yellow" for status in shown["status"]]
    printer.table(header, rows, styles)
    if len(classes) > SHOWN:
        printer.say(f"… and {len(classes) - SHOWN:,} larger classes (--json has all)")
    printer.say(", ".join(f"{name} {size:,}" for name, size in sizes.items()))
    if len(out):
        printer.say(f"{counted(len(out), 'image')} left out:")
        kinds = out.value_counts()
        printer.table(
            ["images", "reason"], list(zip(kinds.tolist(), kinds.index, strict=True))[:10]
        )
        if len(kinds) > 10:
            printer.say(f"… and {counted(len(kinds) - 10, 'more reason')} (--csv FILE has all)")
    for title, rows_ in (
        ("had to change", assignment.changes),
        ("in conflict", assignment.conflicts),
    ):
        if len(rows_):
            printer.say(f"{counted(len(rows_), 'image')} {title}:")
            printer.table(list(rows_.columns), rows_.head(10).to_numpy().tolist())
