"""Roboflow: pictures beside ``_classes.csv``, which has a column of 0 and 1 for each class."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from curate.core.errors import FaultsError, InputError
from curate.core.files import write_asked_by
from curate.formats import pictures
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.incoming import Gathered, id_in
from curate.formats.tables import read_plain_rows

CLASSES = "_classes.csv"
FILENAME = "filename"
_RENAMED = re.compile(
    r"(.+)_(jpe?g|png|bmp|webp|tiff?|avif)\.rf\.[0-9A-Za-z]+\.\w+$", re.IGNORECASE
)
_TRUTH = {"1": True, "1.0": True, "0": False, "0.0": False, "": False}


def write(outgoing: Outgoing, folder: Path, copy: bool, advance: Advance) -> None:
    """Write a folder with the pictures and `CLASSES`; an image without a label has only zeros.

    The format has no place for predictions and sub-classes. Images carry their id in their name.

    Raises
    ------
    FaultsError
        A picture is not there, or a class has a name that Roboflow would not read: its package
        (1.7.3) parts lines at every comma, quotes or not, and strips spaces.
    InputError
        The folder is not new or empty, or cannot be written.
    """
    classes = sorted({*outgoing.classes, *outgoing.table["label"]} - {""})
    faults = [
        f"{name!r}: Roboflow does not read commas, quotes, line ends and spaces at an end"
        for name in classes
        if re.search(r'[,"\r\n]', name) or name != name.strip()
    ]
    faults += [
        f"{name!r} is the column with the names of files" for name in {*classes} & {FILENAME}
    ]
    if faults:
        raise FaultsError("classes", faults, "Rename them, or choose another format.")

    def fill(part: Path) -> None:
        names = pictures.place(outgoing.table, part, copy, advance, without=",")

        def rows(file: IO[bytes]) -> None:
            text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
            lines = csv.writer(text, lineterminator="\n")
            lines.writerow([FILENAME, *classes])
            for name, label in zip(names, outgoing.table["label"], strict=True):
                lines.writerow([name, *(int(label == one) for one in classes)])
            text.detach()

        write_asked_by(part / CLASSES, rows)

    pictures.write_folder(folder, fill)


def read(path: Path) -> Incoming:
    """Read answers: the one class of each picture; a picture without one is no answer.

    Parameters
    ----------
    path : Path
        `CLASSES`, its folder, or a folder of such folders (train, valid, test).

    Raises
    ------
    InputError
        There is no such file.
    FaultsError
        With every line at fault; a picture with several classes is one.
    """
    files = [path]
    if path.is_dir():
        files = sorted([*path.glob(CLASSES), *path.glob(f"*/{CLASSES}")])
    if not files:
        raise InputError(
            str(path), f"holds no {CLASSES}", "Export as `Multi Label Classification` (CSV)."
        )
    gathered = Gathered(path)
    for file in files:
        inside = file.parent.name if len(files) > 1 else ""
        _read(file, f"{inside}/" if inside else "", gathered)
    return gathered.incoming()


def _read(file: Path, inside: str, gathered: Gathered) -> None:
    records = read_plain_rows(file, spaced=True)
    _, first = next(records, (1, []))
    header = [name.strip() for name in first]
    faults = _header_faults(header)
    if faults:
        gathered.faults += [f"{inside}line 1: {fault}" for fault in faults]
        return
    for line, cells in records:
        place = f"{inside}line {line}"
        if len(cells) != len(header):
            gathered.faults.append(f"{place}: {len(cells)} cells, {len(header)} columns")
            continue
        values = [_TRUTH.get(cell.strip()) for cell in cells[1:]]
        if None in values:
            wrong = cells[1 + values.index(None)]
            gathered.faults.append(f"{place}: {wrong!r} is neither 0 nor 1")
            continue
        shown = [name for name, value in zip(header[1:], values, strict=True) if value]
        if len(shown) > 1:
            listed = ", ".join(map(repr, shown))
            gathered.faults.append(f"{place}: has {len(shown)} classes ({listed}); one is allowed")
        elif shown:
            name = cells[0].strip()
            gathered.answer(place, f"{inside}{original(name)}", id_in(name), shown[0])


def _header_faults(header: Sequence[str]) -> list[str]:
    if not header or header[0] != FILENAME:
        return [f"the first column is {(header or [''])[0]!r}, not {FILENAME!r}"]
    return [
        f"the column {name!r} is there {header.count(name)} times"
        for name in dict.fromkeys(header)
        if header.count(name) > 1
    ]


def original(name: str) -> str:
    """Give the name that a picture had before Roboflow: ``a_jpg.rf.0f3.jpg`` was ``a.jpg``."""
    found = _RENAMED.match(name)
    return f"{found[1]}.{found[2]}" if found else name


FORMAT = Format(
    help="Roboflow: pictures and _classes.csv, labels only",
    place="a folder",
    write=write,
    read=read,
)
