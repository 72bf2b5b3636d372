"""`curate scan`, `curate status`: the library itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.cli.options import (
    CsvOption,
    JsonOption,
    LibraryOption,
    MinCount,
    ParquetOption,
    Workers,
)

if TYPE_CHECKING:
    from curate.cli.output import Printer
    from curate.scan import Scanned
    from curate.status import Status

SHOWN = 40
"""Classes that `status` shows; the rest is in --csv."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(scan)
    app.command()(status)


def scan(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="Images, at any depth; or a .tar or .zip, or s3://bucket/folder."
        ),
    ],
    labels: Annotated[
        str,
        typer.Option(
            metavar="folder|MANIFEST",
            help="`folder`: class folders (a nested folder is the sub-class). Or a .csv/.parquet "
            "manifest with path,label[,sub_class,origin,split,bbox,group,group_…].",
            show_default=False,
        ),
    ] = "",
    origin: Annotated[
        str,
        typer.Option(
            metavar="real|staged|synthetic", help="Where they come from.", show_default=False
        ),
    ] = "",
    workers: Workers = 0,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the library up to date with a folder of images.

    Without --labels it is a pool. Only new and changed files are read. Moved files keep their
    labels, copies are one image.
    """
    from curate.cli.output import Printer, quoted
    from curate.scan import scan as scan_folder
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library, make=True) as place:
        scanned = scan_folder(place, folder, labels=labels, origin=origin, workers=workers)
        if place.made:
            printer.say(f"Made a library in {quoted(place.folder)}")
    _print_scanned(printer, scanned, labels)
    printer.write(scanned.table, csv, parquet)
    printer.next("curate status" if labels else f"curate bulk-id --model ckpt.pt {quoted(folder)}")
    printer.finish()


def _print_scanned(printer: Printer, scanned: Scanned, labels: str) -> None:
    from curate.cli.output import counted, records, tail

    counts = scanned.counts
    printer.facts(
        counts=counts,
        conflicts=records(scanned.conflicts),
        unlisted_folders=scanned.unlisted,
        new_classes=scanned.new_classes,
    )
    printer.say(
        f"{counted(counts['files'], 'file')}: {counts['read']:,} read, "
        f"{counts['unchanged']:,} unchanged, {counts['failed']:,} failed, {counts['gone']:,} gone; "
        f"{counted(counts['images'], 'image')}"
    )
    if labels:
        printer.say(f"{counted(counts['decisions'], 'new decision')} (labels, origins, groups)")
    if counts["links"] or counts["special"]:
        printer.say(
            f"Not followed: {counted(counts['links'], 'symbolic link')}, "
            f"{counted(counts['special'], 'pipe or device', 'pipes or devices')}"
        )
    if scanned.new_classes:
        shown = ", ".join(scanned.new_classes[:12]) + (", …" if scanned.new_classes[12:] else "")
        printer.say(f"{counted(len(scanned.new_classes), 'new class', 'new classes')}: {shown}")
    if counts["missed"]:
        printer.say(f"{counted(counts['missed'], 'known file')} could not be read now; scan again")
    for line in scanned.unlisted:
        printer.say(f"Could not be listed: {line}")
    failed = scanned.table[scanned.table["status"] == "failed"]
    kinds = failed["reason"].str.slice(0, 70).value_counts()
    printer.table(["failures", "reason"], list(zip(kinds.tolist(), kinds.index, strict=True))[:8])
    if len(scanned.conflicts):
        printer.say("\nSaid otherwise than the library keeps it:")
        printer.table(
            ["file", "says", "kept", "why"],
            [
                (tail(row["path"]), row["stated"], row["label"], row["reason"])
                for row in records(scanned.conflicts.head(10))
            ],
        )
        printer.say("To change a label, import a CSV with image_id,label: curate label import FILE")


def status(
    min_count: MinCount = None,
    library: LibraryOption = None,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the library at a glance: classes against the cutoff."""
    from curate.cli.output import Printer
    from curate.cli.split import standing_policy
    from curate.core import config
    from curate.status import status as read_status
    from curate.store.library import opened

    printer = Printer(as_json)
    with opened(library) as place:
        settings = standing_policy(place, config.load(place.root))
        state = read_status(
            place,
            settings.min_count if min_count is None else min_count,
            settings.staged_share,
            settings.count,
        )
    _print_status(printer, state)
    printer.write(state.classes, csv, parquet)
    printer.next(*state.next)
    printer.finish()


def _print_status(printer: Printer, state: Status) -> None:
    from curate.cli.output import counted, records

    printer.facts(
        counts=state.counts,
        classes=records(state.classes),
        runs=state.runs,
        min_count=state.min_count,
    )
    counts = state.counts
    printer.say(
        f"{counted(counts['images'], 'image')} in {counted(counts['files'], 'file')}: "
        f"{counts['labelled']:,} labelled, {counts['pool']:,} in the pool, "
        f"{counts['unknown']:,} unknown, {counts['rejected']:,} rejected; "
        f"{counted(counts['failed'], 'file')} failed"
    )
    shown = state.classes
    if len(shown) > SHOWN:
        nearest = (shown["counted"] - state.min_count).abs().sort_values(kind="stable").index
        shown = shown.loc[nearest[:SHOWN]].sort_values("usable", ascending=False, kind="stable")
    if len(shown):
        scale = max(int(shown["usable"].max()), state.min_count)
        width = printer.bar
        mark = min(round(state.min_count / scale * width), width - 1)
        classes = records(shown)
        # What counts are groups; the number is worth a column where it says something new.
        grouped = bool((shown["groups"] != shown["usable"]).any())
        printer.table(
            [
                "class",
                f"│ min-count {state.min_count}",
                "images",
                *["groups"] * grouped,
                "of them",
                "",
            ],
            [
                (
                    row["label"],
                    _bar(row["usable"] / scale, width, mark),
                    row["usable"],
                    *[row["groups"]] * grouped,
                    *_notes(row),
                )
                for row in classes
            ],
            [
                "green" if not row["short"] else "yellow" if row["short"] <= 5 else "red"
                for row in classes
            ],
        )
    if len(state.classes) > len(shown):
        printer.say(f"… and {len(state.classes) - len(shown):,} more classes (--csv FILE has all)")
    passing = int((state.classes["short"] == 0).sum())
    printer.say(
        f"{passing} of {counted(len(state.classes), 'class', 'classes')} pass the min-count"
    )


def _bar(share: float, width: int, mark: int) -> str:
    """Draw a bar, with the cutoff marked where the bar does not reach it."""
    from curate.cli.output import bar

    drawn = bar(share, width).ljust(width)
    return drawn[:mark] + "│" + drawn[mark + 1 :] if drawn[mark] == " " else drawn


def _notes(row: dict[str, Any]) -> tuple[str, str]:
    others = [f"{row[name]} {name}" for name in ("staged", "synthetic") if row[name]]
    return ", ".join(others), f"{row['short']} short" if row["short"] else ""
