"""What `curate duplicates` prints, and the files that it writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.cli.output import Printer, counted, quoted, records, tail
from curate.core import paths

if TYPE_CHECKING:
    import pandas as pd

    from curate.duplicates import Crossed, Duplicates
    from curate.duplicates.sheet import Thumbnails

SHOWN = 12
"""Rows that are shown; all of them are in the files."""

_PLACE = 33
"""Characters of a file on a side: two of them and a similarity fit into a line of 80."""

_LEAST, _MOST, _LABEL, _GAP = 12, 26, 12, 2
"""Characters of a path at least and at most, of a label, and between two columns."""


@dataclass(frozen=True)
class Outputs:
    """Files that were asked for."""

    sheet: Path | None
    csv: Path | None
    parquet: Path | None
    imagededup: Path | None
    fastdup: Path | None


def print_groups(printer: Printer, found: Duplicates) -> None:
    """Say what groups there are, and whose labels differ."""
    table = found.table
    groups, extra = table["group"].nunique(), int((~table["keeper"]).sum())
    printer.facts(
        compared=found.compared,
        groups=groups,
        extra=extra,
        rows=records(table),
        conflicts=records(found.conflicts),
    )
    if not groups:
        printer.say("No duplicates")
        return
    printer.say(
        f"{counted(groups, 'group')} of duplicates: {counted(extra, 'file')} beside the keepers"
    )
    shown = list(table["group"].unique()[:SHOWN])
    rows = dict(
        iter(table[table["group"].isin([*shown, *found.conflicts["group"]])].groupby("group"))
    )
    labels = [_label(rows[group]) for group in shown]
    reasons = [_why(rows[group]) for group in shown]
    width = _room(printer, reasons, ["label", *labels])
    printer.table(
        ["keeper", "others", "label", "why kept"],
        [
            (*_files(rows[group], width), label, reason)
            for group, label, reason in zip(shown, labels, reasons, strict=True)
        ],
    )
    if groups > SHOWN:
        printer.say(f"… and {groups - SHOWN:,} more groups (--csv FILE, --sheet FILE)")
    if len(found.conflicts):
        differ = counted(len(found.conflicts), "group")
        printer.say(f"\n{differ} with labels that differ, of which one is wrong:")
        wrong = records(found.conflicts.head(SHOWN))
        width = _room(printer, [row["labels"] for row in wrong])
        printer.table(
            ["keeper", "others", "labels"],
            [(*_files(rows[row["group"]], width), row["labels"]) for row in wrong],
        )


def print_sides(printer: Printer, crossed: Crossed) -> None:
    """Say what was looked at, and how much of each side is on another."""
    sizes = crossed.sizes
    said = ", ".join(
        f"{side} {size:,} ({crossed.known(side):,} leak)" for side, size in sizes.items()
    )
    printer.facts(sizes=sizes, leaking={side: crossed.known(side) for side in sizes})
    printer.say(f"Looked at {counted(sum(sizes.values()), 'file')}: {said}")


def print_leaks(printer: Printer, pairs: pd.DataFrame, unread: int) -> None:
    """Say how many pairs leak."""
    if len(pairs):
        printer.say(f"{counted(len(pairs), 'leak')}: pairs of alike images on different sides")
    elif unread:
        printer.say("No leaks among the files that could be looked at")
    else:
        printer.say("No leaks: no image of one side is near to one of another")
    _print_pairs(printer, pairs)


def print_known(printer: Printer, crossed: Crossed, folder: Path, against: str) -> None:
    """Say how many files of a folder are elsewhere too."""
    from curate.duplicates import side_of

    side = side_of(folder)
    known, size = crossed.known(side), crossed.sizes.get(side, 0)
    printer.facts(known=known, size=size)
    where = "the library" if against == "library" else quoted(Path(against))
    verb = "is" if known == 1 else "are"
    printer.say(
        f"{known:,} of {counted(size, 'file')} in {quoted(folder)} {verb} in {where}, or nearly so"
    )
    _print_pairs(printer, crossed.pairs)


def print_failures(printer: Printer, failures: pd.DataFrame) -> None:
    """List what could not be looked at."""
    printer.facts(failures=records(failures))
    if len(failures):
        printer.say(f"{counted(len(failures), 'file')} could not be looked at:")
        rows = failures.head(3)[["path", "reason"]].itertuples(index=False, name=None)
        printer.table(["file", "reason"], [(_near(path, 36), reason) for path, reason in rows])
        if len(failures) > 3:
            printer.say(f"… and {len(failures) - 3:,} more (--json)")


def write_groups(
    printer: Printer, outputs: Outputs, found: Duplicates, thumbnails: Thumbnails
) -> None:
    """Write the files that were asked for about groups."""
    from curate.core.files import write_asked
    from curate.duplicates import groups_sheet
    from curate.formats.fastdup import write_fastdup
    from curate.formats.imagededup import write_imagededup

    printer.write(found.table, outputs.csv, outputs.parquet)
    for file, write in ((outputs.imagededup, write_imagededup), (outputs.fastdup, write_fastdup)):
        if file is not None:
            write(found.table, file)
            printer.say(f"Wrote {quoted(file)}")
    if outputs.sheet is not None:
        write_asked(outputs.sheet, groups_sheet(found.table, thumbnails))
        printer.say(f"Drew a contact sheet: {quoted(outputs.sheet)}")


def write_pairs(
    printer: Printer, outputs: Outputs, pairs: pd.DataFrame, thumbnails: Thumbnails
) -> None:
    """Write the files that were asked for about pairs on two sides."""
    from curate.core.files import write_asked
    from curate.duplicates import crossing_sheet

    printer.write(pairs, outputs.csv, outputs.parquet)
    if outputs.sheet is not None:
        title = f"{counted(len(pairs), 'pair')} of duplicates on two sides"
        write_asked(outputs.sheet, crossing_sheet(pairs, thumbnails, title))
        printer.say(f"Drew a contact sheet: {quoted(outputs.sheet)}")


def _print_pairs(printer: Printer, pairs: pd.DataFrame) -> None:
    printer.facts(pairs=len(pairs), rows=records(pairs))
    shown = records(pairs.head(SHOWN))
    printer.table(
        ["one", "other", "similarity"],
        [(_placed(row, "first"), _placed(row, "second"), row["similarity"]) for row in shown],
    )
    if len(pairs) > SHOWN:
        printer.say(f"… and {len(pairs) - SHOWN:,} more (--csv FILE, --sheet FILE)")


def _placed(row: dict[str, object], end: str) -> str:
    """Say on which side a file lies, unless a folder that is shown says so."""
    side, path = str(row[f"{end}_side"]), _near(str(row[f"{end}_path"]), 1000)
    shown = tail(path, _PLACE)
    if f"/{side}/" in f"/{shown}":
        return shown
    named = f"{tail(side, 12)}: "
    return named + tail(path, _PLACE - len(named))


def _files(group: pd.DataFrame, width: int) -> tuple[str, str]:
    """Name the keeper and the first of the others."""
    kept, *others = group["path"]
    more = f" +{len(others) - 1:,}" if len(others) > 1 else ""
    return _near(kept, width), _near(others[0], width - len(more)) + more


def _room(printer: Printer, last: Sequence[str], labels: Sequence[str] = ()) -> int:
    """Say how wide two paths may be beside labels and a last column, which may be folded.

    The widest of the columns that may be folded is folded first, and that must not be a path.
    """
    beside = max((len(label) for label in labels), default=-_GAP) + _GAP
    folded = min(_MOST, max(map(len, last)))
    room = (printer.console.width - beside - folded - 2 * _GAP) // 2
    return max(_LEAST, min(_MOST, room))


def _label(group: pd.DataFrame) -> str:
    label = group["label"].iloc[0]
    if not isinstance(label, str):
        return ""
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _why(group: pd.DataFrame) -> str:
    return str(group["reason"].iloc[0]).removeprefix("kept: ")


def _near(path: str, width: int) -> str:
    """Shorten a path: from the working directory where it lies there, else its end."""
    here = paths.to_text(os.fsencode(Path.cwd())) + "/"
    return tail(path.removeprefix(here), width)
