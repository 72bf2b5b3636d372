"""What timm's `inference.py` writes: CSV, JSON or Parquet; read as predictions, and written.

Its columns are ``filename``, ``label`` and ``prob``, or ``label_0`` … and ``prob_0`` … with
``--results-separate-col``. Without that option and with ``--topk`` a cell is a list; in a CSV that
is the text numpy prints of it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from curate.core.errors import InputError
from curate.core.files import write_asked
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.incoming import Gathered, id_of, only, read_json, score_of, text_of
from curate.formats.tables import read_plain_rows, write_parquet

FILENAME, ID, MODEL = "filename", "image_id", "model"
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_UNMAPPED = re.compile(r"<unmapped:\d+>")

_AS_TIMM = "Give a file as timm's inference.py writes it."

_Row = tuple[str, Mapping[str, Any]]


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write predictions as ``inference.py --results-separate-col --fullname`` does.

    Images without a prediction are left out. `image_id` and `model` are further columns.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.json`` or ``.parquet``.

    Raises
    ------
    InputError
        Another suffix, no image with a prediction, or it cannot be written.
    """
    rows = outgoing.table[outgoing.table["top_classes"].map(len) > 0]
    if rows.empty:
        raise InputError(
            str(path), "would be empty: no image has a prediction", "Run `curate bulk-id` first."
        )
    most = int(rows["top_classes"].map(len).max())
    ends = [f"_{n}" for n in range(most)] if most > 1 else [""]
    columns = {
        f"{what}{end}": [values[n] if n < len(values) else None for values in rows[f"top_{of}"]]
        for what, of in (("label", "classes"), ("prob", "scores"))
        for n, end in enumerate(ends)
    }
    table = pd.DataFrame({FILENAME: list(rows["path"]), **columns, ID: list(rows[ID])})
    table[MODEL] = outgoing.model
    if path.suffix == ".csv":
        write_asked(path, table.to_csv(index=False, lineterminator="\n").encode())
    elif path.suffix == ".json":
        text = table.set_index(FILENAME).to_json(orient="index", indent=4, double_precision=15)
        write_asked(path, text.encode())
    elif path.suffix == ".parquet":
        write_parquet(table, path)
    else:
        raise _suffix(path)
    advance(len(outgoing.table))


def read(path: Path) -> Incoming:
    """Read predictions: with their probabilities, and with the names of their classes.

    Raises
    ------
    InputError
        It cannot be read, has no names of classes (``--label-type none``) or no probabilities
        (``--output-type logit``, ``--exclude-output``).
    FaultsError
        With every row at fault; a name that is there twice with other predictions is one.
    """
    rows = _rows(path)
    first = next(rows, None)
    gathered = Gathered(path)
    if first is None:
        return gathered.incoming()
    labels, probs = _columns(path, first[1])
    met: dict[str, tuple[str, list[str], list[float]]] = {}
    models = set[str | None]()
    for place, row in chain([first], rows):
        file = text_of(row.get(FILENAME))
        printed = str(row.get(probs[0])).startswith("[")
        classes, scores = _classes(row, labels, printed), _scores(row, probs)
        fault = _fault(file, classes, scores)
        if fault or classes is None or scores is None:
            gathered.faults.append(f"{place}: {fault}")
            continue
        before = met.setdefault(file, (place, classes, scores))
        if before[1:] != (classes, scores):
            gathered.faults.append(
                f"{place}: {file!r} has other predictions in {before[0]} (two files of one name? "
                "--fullname keeps them apart)"
            )
        elif before[0] == place:
            gathered.predict(place, file, id_of(row.get(ID)), classes, scores)
            models.add(text_of(row.get(MODEL)))
    return gathered.incoming(only(models))


def _rows(path: Path) -> Iterator[_Row]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_rows(path)
    if suffix == ".parquet":
        return _parquet_rows(path)
    if suffix == ".json":
        return _json_rows(path)
    raise _suffix(path)


def _csv_rows(path: Path) -> Iterator[_Row]:
    records = read_plain_rows(path)
    _, header = next(records, (1, []))
    for line, cells in records:
        # A row with too few or too many cells has no name of a file, which is its fault.
        whole = len(cells) == len(header)
        yield f"line {line}", dict(zip(header, cells, strict=True)) if whole else {}


def _parquet_rows(path: Path) -> Iterator[_Row]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            str(path), f"is not a Parquet file ({error})", "Give one that is."
        ) from error
    number = 0
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            number += 1
            yield f"row {number}", row


def _json_rows(path: Path) -> Iterator[_Row]:
    """Read the three ways of timm: by file name, split into columns and data, an object a line."""
    try:
        content = read_json(path)
    except InputError as error:
        content = _lines(path, error)
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        columns = content.get("columns") or []
        rows = [
            dict(zip(columns, row, strict=False)) if isinstance(row, list) else row
            for row in content["data"]
        ]
    elif isinstance(content, dict) and not isinstance(content.get(FILENAME), str):
        rows = [
            {FILENAME: name, **row} if isinstance(row, dict) else row
            for name, row in content.items()
        ]
    else:
        rows = content if isinstance(content, list) else [content]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}, row {number}", "is no object", _AS_TIMM)
        yield f"row {number}", row


def _lines(path: Path, error: InputError) -> list[Any]:
    """Read an object a line; what is no such file either has the fault that it had as a whole."""
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError):
        raise error from None


def _columns(path: Path, row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Name the columns of classes and of probabilities, the best first."""
    labels, probs = ([name for name in row if _is(name, what)] for what in ("label", "prob"))
    if FILENAME not in row:
        raise InputError(str(path), f"has no column {FILENAME!r}", _AS_TIMM)
    if not labels:
        raise InputError(str(path), "has no names of classes", "Run timm with `--label-type name`.")
    if not probs:
        raise InputError(str(path), "has no probabilities", "Run timm with `--output-type prob`.")
    if len(labels) != len(probs):
        raise InputError(
            str(path), f"has {len(labels)} columns of labels and {len(probs)} of probs", _AS_TIMM
        )
    return sorted(labels, key=_place), sorted(probs, key=_place)


def _is(name: str, what: str) -> bool:
    return bool(re.fullmatch(rf"{what}(_\d+)?", name))


def _place(name: str) -> int:
    return int(name.partition("_")[2] or 0)


def _classes(row: Mapping[str, Any], columns: Sequence[str], printed: bool) -> list[str] | None:
    """Give the classes of a row; None where one is no text.

    A list as numpy prints it is ``['cat' "tiger's eye"]``: not Python's, as two texts without a
    comma between them would be one.
    """
    found: list[Any] = [row.get(name) for name in columns]
    if len(columns) > 1:
        found = [value for value in found if value not in (None, "")]
    elif isinstance(found[0], list):
        found = found[0]
    elif isinstance(found[0], str) and printed:
        found = [ast.literal_eval(one) for one in _QUOTED.findall(found[0])]
    return found if found and all(isinstance(one, str) and one for one in found) else None


def _scores(row: Mapping[str, Any], columns: Sequence[str]) -> list[float] | None:
    """Give the probabilities of a row; None where one is no number between 0 and 1."""
    found: list[Any] = [row.get(name) for name in columns]
    if len(columns) > 1:
        # Parquet has NaN where a row has fewer classes than others.
        found = [value for value in found if value not in (None, "") and value == value]
    elif isinstance(found[0], list):
        found = found[0]
    elif isinstance(found[0], str):
        found = found[0].strip("[] ").split()
    scores = [score_of(_number(one)) for one in found]
    return [score for score in scores if score is not None] if None not in scores else None


def _number(cell: object) -> object:
    try:
        return float(cell) if isinstance(cell, str) else cell
    except ValueError:
        return None


def _fault(file: str, classes: list[str] | None, scores: list[float] | None) -> str:
    if not file:
        return "names no file, or has too few or too many cells"
    if not classes or scores is None:
        what = "label" if not classes else "prob"
        return f"{file!r} has no {what}, or one that is none"
    if len(classes) != len(scores):
        return f"{file!r} has {len(classes)} classes and {len(scores)} probabilities"
    unmapped = [name for name in classes if _UNMAPPED.fullmatch(name)]
    if unmapped:
        return f"{file!r} has {unmapped[0]!r}: timm did not know the name of this class"
    return f"{file!r} has a class twice" if len(set(classes)) < len(classes) else ""


def _suffix(path: Path) -> InputError:
    return InputError(str(path), "is no file of timm's", "Give a .csv, .json or .parquet file.")


FORMAT = Format(
    help="timm's inference.py: classes and probabilities of each file",
    place="a .csv, .json or .parquet file",
    write=write,
    read=read,
)
