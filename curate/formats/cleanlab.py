"""cleanlab: labels and predicted probabilities as arrays; its table of issues, answered, back.

cleanlab suspects labels, it does not know them. So its table counts only where a person filled in
the column `label`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from curate.core.errors import InputError
from curate.core.files import write_asked, write_asked_by
from curate.core.names import UNKNOWN
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.incoming import Gathered, id_of
from curate.formats.pictures import write_folder
from curate.formats.tables import read_records, write_csv

LABELS, PROBABILITIES = "labels.npy", "pred_probs.npy"
CLASSES, IDS = "classes.json", "ids.csv"
ANSWER = "label"
_ISSUE = "is_label_issue"
_FILES = ("path", "file", "filename", "file_name", "image")


def write(outgoing: Outgoing, folder: Path, copy: bool, advance: Advance) -> None:
    """Write a folder: `LABELS` (N,), `PROBABILITIES` (N, K), `CLASSES` (K names) and `IDS`.

    Only images with a label and a prediction are written, in the order of the table; *unknown* is
    no label here. Where a prediction names the best classes only, what is left of its probability
    is spread evenly over the others, so that each row sums to 1.

    Raises
    ------
    InputError
        No image has both; or the folder is not new or empty, or cannot be written.
    """
    table = outgoing.table
    labelled = ~table["label"].isin(["", UNKNOWN])
    rows = table[labelled & (table["top_classes"].map(len) > 0)]
    if rows.empty:
        raise InputError(
            str(folder),
            "would be empty: no image has a label and a prediction",
            "Run `curate bulk-id` on labelled images, and export these.",
        )
    seen = {name for names in rows["top_classes"] for name in names}
    classes = sorted(({*outgoing.classes, *rows["label"]} | seen) - {"", UNKNOWN})
    numbers = {name: number for number, name in enumerate(classes)}

    def fill(part: Path) -> None:
        labels = np.array([numbers[label] for label in rows["label"]], dtype=np.int64)
        _write_array(part / LABELS, labels)
        _write_array(part / PROBABILITIES, probabilities(rows, numbers))
        write_asked(part / CLASSES, json.dumps(classes).encode())
        write_csv(rows[["image_id", "path", "label"]], part / IDS)
        advance(len(table))

    write_folder(folder, fill)


def read(path: Path) -> Incoming:
    """Read the answers that a person filled into cleanlab's table of label issues.

    Parameters
    ----------
    path : Path
        ``issues.to_csv(…)`` or ``issues.to_parquet(…)`` of what `get_issues("label")` or
        `get_label_issues()` gave, with a further column `label`. It names images by `image_id` or
        a path; otherwise its first column is the place in the arrays, and `IDS` lies beside it.

    Raises
    ------
    InputError
        There is no column `label`.
    FaultsError
        With every line at fault.
    """
    records = read_records(path, "a table of cleanlab's")
    _, header = next(records, ("", []))
    if ANSWER not in header:
        raise InputError(
            str(path),
            f"has no column {ANSWER!r}; cleanlab suspects labels, people decide",
            f"Add the column {ANSWER!r}, fill in what each image shows, and import it again.",
        )
    gathered, open_issues = Gathered(path), 0
    known = None if {"image_id", *_FILES} & set(header) else _ids(path)
    for place, cells in records:
        if len(cells) != len(header):
            gathered.faults.append(f"{place}: {len(cells)} cells, {len(header)} columns")
            continue
        row = dict(zip(header, cells, strict=True))
        if not row[ANSWER]:
            open_issues += row.get(_ISSUE, "").lower() in ("true", "1")
            continue
        image = _image(row, cells[0], known)
        if image is None:
            gathered.faults.append(f"{place}: {cells[0]!r} is no place in {IDS}")
        else:
            gathered.answer(place, *image, row[ANSWER])
    if open_issues:
        gathered.notes.append(f"label issues without an answer: {open_issues:,}")
    return gathered.incoming()


def probabilities(rows: pd.DataFrame, numbers: dict[str, int]) -> np.ndarray[Any, Any]:
    """Fill a row for each image: its best classes, and the rest of 1 evenly on the others."""
    filled = np.zeros((len(rows), len(numbers)))
    for row, names, scores in zip(filled, rows["top_classes"], rows["top_scores"], strict=True):
        row[:] = max(0.0, 1.0 - sum(scores)) / max(1, len(numbers) - len(names))
        row[[numbers[name] for name in names]] = scores
    # Rounded scores may be a little over 1 together, or be all there is.
    filled /= np.maximum(filled.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return filled


def _write_array(path: Path, values: np.ndarray[Any, Any]) -> None:
    def content(file: IO[bytes]) -> None:
        np.save(file, values, allow_pickle=False)

    write_asked_by(path, content)


def _ids(path: Path) -> list[tuple[str, str]]:
    """Give path and id of every place in the arrays, from the table beside them."""
    beside = path.parent / IDS
    if not beside.exists():
        raise InputError(
            str(path),
            f"names no images: it has none of the columns image_id, {', '.join(_FILES)}",
            f"Keep it beside {IDS} of the folder that was exported, or add one of them.",
        )
    records: Iterator[tuple[str, Sequence[str]]] = read_records(beside, "a table")
    _, header = next(records, ("", []))
    if list(header[:2]) != ["image_id", "path"]:
        raise InputError(str(beside), "has not the columns image_id and path", "Export it again.")
    return [(cells[1], cells[0]) for _, cells in records]


def _image(
    row: dict[str, str], first: str, known: list[tuple[str, str]] | None
) -> tuple[str, str] | None:
    """Give path and id of the image that a row is about."""
    if known is None:
        file = next((row[name] for name in _FILES if row.get(name)), "")
        image_id = id_of(row.get("image_id"))
        return (file, image_id) if file or image_id else None
    number = int(first) if first.isdecimal() else -1
    return known[number] if 0 <= number < len(known) else None


FORMAT = Format(
    help="cleanlab: labels.npy and pred_probs.npy; reads its table of issues, answered",
    place="a folder",
    write=write,
    read=read,
)
