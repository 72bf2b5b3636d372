"""Hugging Face's imagefolder of a queue, or of all labels: pictures, and metadata beside them.

``datasets.load_dataset(folder)`` gives one split, `train`, with the column image and those of
`COLUMNS`. Splits as splits are written by `imagefolder`. Read back are the labels: of metadata in
any of the three forms that `datasets` knows, or of class folders where there is no metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from curate.core import paths
from curate.core.errors import InputError
from curate.core.suffixes import SUFFIXES
from curate.formats.exchange import Advance, Format, Incoming, Outgoing, as_was
from curate.formats.imagefolder import CARD, METADATA
from curate.formats.incoming import Gathered, id_in, id_of, text_of
from curate.formats.pictures import place, write_folder
from curate.formats.tables import read_rows

IMAGES = "images"
COLUMNS = ("label", "sub_class", "was", "origin", "split", "bbox", "predicted", "score", "second",
           "second_score", "reason", "image_id")  # fmt: skip
"""Columns of the metadata beside `file_name`; texts are '' and numbers null where nothing is
known. `was` is the label as it went out. Who labelled is not among them: whoever changes a label
would go under another's name."""

NO_CLASS = ("", "_", "_unlabeled")
"""Folders of images without a label, as we and FiftyOne name them."""

# Named by hand: `datasets` would take `test_3.jpg` for a split of its own.
_CARD = f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path:
    - {METADATA}
    - {IMAGES}/**
---
"""


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write ``images/``, ``metadata.jsonl`` and a card; see `formats.exchange.Write`."""

    def fill(folder: Path) -> None:
        images = folder / IMAGES
        images.mkdir()
        names = place(outgoing.table, images, copy, advance)
        rows = described(outgoing.table)[list(COLUMNS)].to_dict("records")
        lines = (
            json.dumps({"file_name": f"{IMAGES}/{name}", **plain(row)}, ensure_ascii=False)
            for name, row in zip(names, rows, strict=True)
        )
        (folder / CARD).write_text(_CARD)
        (folder / METADATA).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    write_folder(path, fill)


def read(path: Path) -> Incoming:
    """Read labels from a folder or from its metadata; see `formats.exchange.Read`."""
    root = Path(os.path.realpath(path))
    gathered = Gathered(path)
    found = [root] if root.is_file() else sorted(root.rglob("metadata.*"))
    found = [file for file in found if file.suffix in _READERS]
    for file in found:
        for where, row in _READERS[file.suffix](file):
            name = f"{file.relative_to(root)}, {where}" if file != root else where
            _take(gathered, name, file.parent, row)
    if not found:
        from_folders(gathered, root)
    return gathered.incoming()


def from_folders(gathered: Gathered, root: Path, names: dict[str, str] | None = None) -> None:
    """Take the name of the folder that every image lies in as its label.

    Parameters
    ----------
    gathered : Gathered
        Where the answers go.
    root : Path
        Images that lie in it have no label; nor have those in folders of `NO_CLASS`.
    names : dict of str to str, optional
        The labels of folders that are called differently.

    Raises
    ------
    InputError
        It is no folder, or holds no image in another folder.
    """
    met = 0
    for folder, inner, files in os.walk(os.fsencode(root)):
        inner.sort()
        label = paths.to_text(os.path.basename(folder))
        for name in sorted(files):
            full = os.path.join(folder, name)
            suffix = os.path.splitext(name)[1].decode("ascii", "replace").lower()
            if name.startswith(b".") or suffix not in SUFFIXES or folder == os.fsencode(root):
                continue
            met += 1
            text = paths.to_text(full)
            if label not in NO_CLASS:
                where = paths.to_text(os.path.relpath(full, os.fsencode(root)))
                gathered.answer(where, text, id_in(text), (names or {}).get(label, label))
    if not met:
        raise InputError(
            str(gathered.source),
            "has neither metadata nor an image in a class folder",
            "Give a folder with metadata.jsonl, .csv or .parquet, or with a folder for each class.",
        )


def described(table: pd.DataFrame) -> pd.DataFrame:
    """Give what goes out with the column `was`."""
    labels = zip(table["label"], table["sub_class"], strict=True)
    return table.assign(was=[as_was(label, sub_class) for label, sub_class in labels])


def plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Give a row as JSON has it: missing numbers are null."""
    return {
        str(name): None if isinstance(value, float) and value != value else value
        for name, value in row.items()
    }


def _take(gathered: Gathered, where: str, folder: Path, row: dict[str, Any]) -> None:
    file, label = row.get("file_name"), row.get("label")
    if not isinstance(file, str) or not file:
        gathered.faults.append(f"{where}: no file_name")
        return
    if label is not None and not isinstance(label, str):
        gathered.faults.append(f"{where}: label {label!r} is no name of a class")
        return
    if label:
        full = paths.to_text(os.fsencode(folder / os.fsdecode(paths.from_text(file))))
        name = id_of(row.get("image_id")) or id_in(file)
        more = {name: text_of(row.get(name)) for name in ("sub_class", "by", "was")}
        gathered.answer(where, full, name, label, **more)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}", "is not JSON", "Mend the line, or export it again."
            ) from error
        yield f"line {number}", row if isinstance(row, dict) else {}


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    records = read_rows(path)
    _, header = next(records, (1, []))
    for line, cells in records:
        yield f"line {line}", dict(zip(header, cells, strict=False))


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            str(path), f"is not a Parquet file ({error})", "Give one that is."
        ) from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", row


_READERS = {".jsonl": _lines, ".csv": _csv, ".parquet": _parquet}

FORMAT = Format(
    help="Hugging Face imagefolder: pictures and metadata.jsonl, for datasets.load_dataset",
    place="a folder",
    write=write,
    read=read,
)
