"""Reading a split that somebody wrote down: a CSV or Parquet table, or a tree ``train/class/…``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from curate.core import names, paths
from curate.core.errors import FaultsError, InputError
from curate.core.files import describe
from curate.core.suffixes import SUFFIXES
from curate.formats.tables import read_records

SPELLINGS = {
    "": "",
    "out": "",
    "none": "",
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "development": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "benchmark": "benchmark",
}
"""What splits are called, in any case, and what we call them."""

ROLES = {
    "path": ("path", "file_name", "filename", "filepath", "file_path", "file", "image_path",
             "img_path", "image", "img"),
    "image_id": ("image_id",),
    "split": ("split", "set", "subset", "partition", "phase"),
    "label": ("label", "class", "class_name", "category", "species"),
    "sub_class": ("sub_class", "subclass"),
    "origin": ("origin",),
    "group": ("group", "group_id"),
    "reason": ("reason",),
}  # fmt: skip
"""Columns that are understood, by their meaning; of several the first of the list counts."""


@dataclass(frozen=True)
class SplitFile:
    """A split as it is written down.

    Attributes
    ----------
    table : DataFrame
        One row a line or file: place (``line 7``, or the path in the tree), shown (how the file
        names the image), path (absolute, as text; '' where only an id is given), image_id ('' where
        none), label, sub_class, origin, split (as `SPELLINGS` has it; as it stands where it is none
        of them), reason, and the group columns. '' stands for everything that is not there.
    given : frozenset of str
        The columns of `table` that the file has.
    notes : list of str
        What was understood differently from what is written, and what was passed by.
    """

    table: pd.DataFrame
    given: frozenset[str]
    notes: list[str]

    @property
    def ours(self) -> bool:
        """Whether `curate split` wrote it, by its columns."""
        return {"image_id", "split", "reason", "group"} <= self.given


def read_split(source: Path) -> SplitFile:
    """Read a split from a .csv or .parquet file, or from a folder tree.

    Raises
    ------
    InputError, FaultsError
        It cannot be read, names no splits or no images, or has rows that do not fit its header.
    """
    if source.is_dir():
        return _read_tree(source)
    records = read_records(source, "a table of splits or a folder")
    _, header = next(records, ("line 1", []))
    columns = _columns(source, header)
    folder, real = os.fsencode(source.parent), cache(os.path.realpath)
    cells: dict[str, list[str]] = {name: [] for name in columns}
    places, faults = [], []
    for place, row in records:
        if len(row) != len(header):
            faults.append(f"{place}: {len(row)} cells, {len(header)} columns")
            continue
        places.append(place)
        for name, number in columns.items():
            cells[name].append(row[number].strip() if name == "split" else row[number])
    if faults:
        raise FaultsError(str(source), faults, "Mend these and give the command again.")
    if not places:
        raise InputError(str(source), "there is no image in it", "Give a file with rows.")
    written = cells.get("path", [""] * len(places))
    absolute = [_absolute(folder, text, real) for text in written]
    ids = cells.get("image_id", [""] * len(places))
    shown = [text or image_id for text, image_id in zip(written, ids, strict=True)]
    return _split_file(
        {**cells, "place": places, "shown": shown, "path": absolute}, frozenset(columns), []
    )


def _columns(source: Path, header: Sequence[str]) -> dict[str, int]:
    """Find the columns that mean something: their name in the table, and where they stand."""
    lowered = [name.strip().lower() for name in header]
    found = {
        role: lowered.index(name)
        for role, known in ROLES.items()
        for name in [next((name for name in known if name in lowered), None)]
        if name is not None
    }
    found |= {name: n for n, name in enumerate(lowered) if name.startswith("group_") and name
              not in ROLES["group"]}  # fmt: skip
    faults = [
        f"line 1: the column {name!r} is there {times} times"
        for name, times in Counter(lowered).items()
        if times > 1 and lowered.index(name) in found.values()
    ]
    if "split" not in found:
        meant = names.nearest("split", lowered)
        hint = f" (is it {meant!r}?)" if meant else ""
        faults.append(f"line 1: no column says the split{hint}: {', '.join(ROLES['split'])}")
    if "path" not in found and "image_id" not in found:
        faults.append(f"line 1: no column names the image: image_id, {', '.join(ROLES['path'])}")
    if faults:
        raise FaultsError(str(source), faults, "Rename the columns and give the command again.")
    return found


def _read_tree(source: Path) -> SplitFile:
    """Read the images under ``split/class/``; links are followed to what they show, not beyond."""
    root, real = os.fsencode(source), cache(os.path.realpath)
    rows: list[tuple[str, ...]] = []
    passed = 0
    folders = _folders(root)
    for name in folders:
        for folder, inner, files in os.walk(os.path.join(root, name), onerror=_refuse):
            inner.sort()
            for file in sorted(files):
                place = os.path.relpath(os.path.join(folder, file), root)
                suffix = os.path.splitext(file)[1].decode("ascii", "replace").lower()
                if file.startswith(b".") or suffix not in SUFFIXES:
                    passed += not file.startswith(b".")
                    continue
                text = paths.to_text(place)
                parts = place.split(b"/")
                label = paths.to_text(parts[1]) if len(parts) > 2 else ""
                rows.append((text, _absolute(root, text, real), label, paths.to_text(name)))
    if not rows:
        raise InputError(
            str(source),
            "there is no image in a folder named for a split",
            f"Give a folder that holds {', '.join(sorted(set(SPELLINGS.values()) - {''}))}.",
        )
    found = pd.DataFrame(rows, columns=["place", "path", "label", "split"])
    given = {"path", "split"} | ({"label"} if found["label"].any() else set())
    passed_by = "1 file is no image by its suffix, and was passed by"
    if passed > 1:
        passed_by = f"{passed:,} files are no images by their suffix, and were passed by"
    notes = [passed_by] if passed else []
    cells = found.assign(shown=found["place"]).to_dict("list")
    return _split_file({str(k): v for k, v in cells.items()}, frozenset(given), notes)


def _folders(root: bytes) -> list[bytes]:
    with os.scandir(root) as listing:
        entries = sorted(entry.name for entry in listing if entry.is_dir())
    return [name for name in entries if SPELLINGS.get(paths.to_text(name).lower())]


def _refuse(error: OSError) -> None:
    where = os.fsencode(error.filename or b"")
    raise InputError(paths.to_text(where), describe(error), "See that it can be read.") from error


def _split_file(cells: dict[str, list[str]], given: frozenset[str], notes: list[str]) -> SplitFile:
    table = pd.DataFrame(cells, dtype=object)
    for name in ("image_id", "label", "sub_class", "origin", "reason"):
        if name not in table:
            table[name] = ""
    said = table["split"]
    table["split"] = [SPELLINGS.get(text.lower(), text) for text in said]
    counts = Counter(zip(said, table["split"], strict=True))
    notes = notes + [
        f"{text!r} is read as {split or 'left out'} ({times:,} row{'s' * (times > 1)})"
        for (text, split), times in sorted(counts.items())
        if text != split
    ]
    return SplitFile(table, given, notes)


def _absolute(folder: bytes, text: str, real: Callable[[bytes], bytes]) -> str:
    """Give the file that a cell names, its links resolved, as the library writes it.

    `real` resolves a folder and remembers it: a million files lie in a few folders, and resolving
    each path by itself would take minutes.
    """
    if not text:
        return ""
    raw = paths.from_text(text)
    if b"\x00" in raw:
        return text
    file, member = paths.parted(paths.beside(folder, raw))
    if not paths.scheme_of(file):
        inside, name = os.path.split(file)
        file = os.path.join(real(inside), name)
        file = os.path.realpath(file) if os.path.islink(file) else file
    return paths.to_text(file + b"//" + member if member else file)
