"""Manifests: a CSV or Parquet table that says what images show."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from curate.core import names, paths
from curate.core.errors import FaultsError, InputError
from curate.formats.tables import read_records

ORIGINS = ("real", "staged", "synthetic")
SPLITS = ("train", "val", "test", "benchmark")
COLUMNS = ("path", "label", "sub_class", "origin", "split", "bbox")
"""Columns with a fixed meaning; beside them `group` and `group_<name>` name groups."""

_UNUSED = ("image_id", "was")
"""Are there in exported labels; a manifest goes by path, and the content is read by the scan."""

_REMEDY = "Mend these and give the command again."


@dataclass
class _Reading:
    """A manifest while it is read: its rows, every fault, and where things were met first."""

    root: bytes
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    first_line: dict[bytes, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


def read_manifest(path: Path, root: bytes) -> pd.DataFrame:
    """Read a manifest and check every row of it.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.parquet``; columns `path` and `label`, and optionally `sub_class`, `origin`,
        `split`, `bbox` (four numbers), `group` and `group_<name>`. An empty label is an image
        without one. `image_id` and `was` may be there (exported labels have them) and are not
        looked at.
    root : bytes
        Folder that relative paths start from, and that every path must lie in.

    Returns
    -------
    DataFrame
        One row an image file: `path` (absolute, bytes) and the manifest's other columns as texts
        ('' where empty), without `image_id` and `was`.

    Raises
    ------
    FaultsError
        With every fault and its line; nothing is returned then.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(
            str(path), "is not a manifest", "Give `folder`, a .csv file or a .parquet file."
        )
    records = read_records(path, "a manifest")
    _, header = next(records, ("line 1", []))
    faults = _header_faults(header)
    if faults:
        raise FaultsError(str(path), faults, _REMEDY)
    reading = _Reading(root, header)
    for line, cells in records:
        _read_row(reading, line, cells)
    _check_names(reading)
    if reading.faults:
        raise FaultsError(str(path), reading.faults, _REMEDY)
    table = pd.DataFrame(reading.rows, columns=header)
    table["path"] = list(reading.first_line)
    return table.drop(columns=list(_UNUSED), errors="ignore")


def _header_faults(header: Sequence[str]) -> list[str]:
    faults = [
        f"line 1: the column {name!r} is missing" for name in COLUMNS[:2] if name not in header
    ]
    if {"group", "group_group"} <= set(header):
        faults.append("line 1: the columns 'group' and 'group_group' are the same group")
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            faults.append(f"line 1: the column {name!r} is there {header.count(name)} times")
        known = (*COLUMNS, "group", *_UNUSED)
        if name not in known and not name.startswith("group_"):
            meant = names.nearest(name, (*COLUMNS, "group"))
            hint = f"did you mean {meant!r}?" if meant else f"known: {', '.join(COLUMNS)}, group"
            faults.append(
                f"line 1: unknown column {name!r}; {hint} (a column that names groups is called "
                f"group_{name or 'something'})"
            )
    return faults


def _read_row(reading: _Reading, line: str, cells: list[str]) -> None:
    if len(cells) != len(reading.header):
        reading.faults.append(f"{line}: {len(cells)} cells, {len(reading.header)} columns")
        return
    row = dict(zip(reading.header, cells, strict=True))
    found = [fault for name, text in row.items() if (fault := _cell_fault(name, text))]
    if row.get("sub_class") and not row["label"]:
        found.append("a sub_class without a label")
    place, fault = _resolve(row["path"], reading.root)
    if fault:
        found.append(fault)
    elif place in reading.first_line:
        found.append(f"path {row['path']!r} is there twice, first in {reading.first_line[place]}")
    reading.faults.extend(f"{line}: {fault}" for fault in found)
    # A faulty row still takes its place, so that its twins further down are found too.
    reading.first_line.setdefault(place, line)
    if row["label"]:
        reading.labels.setdefault(row["label"], line)
    reading.rows.append(cells)


def _cell_fault(column: str, text: str) -> str:
    check = _CHECKS.get(column)
    return check(text) if check and text else ""


def _label_fault(text: str) -> str:
    fault = names.fault_of(text)
    return f"{text!r} cannot name a class: it {fault}" if fault else ""


def _one_of(column: str, known: Sequence[str]) -> Callable[[str], str]:
    return lambda text: "" if text in known else f"{column} {text!r} is none of {', '.join(known)}"


def _bbox_fault(text: str) -> str:
    parts = text.strip("[]() ").replace(",", " ").split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    return "" if len(numbers) == 4 else f"bbox {text!r} is not four numbers (x y width height)"


_CHECKS: dict[str, Callable[[str], str]] = {
    "label": _label_fault,
    "sub_class": _label_fault,
    "origin": _one_of("origin", ORIGINS),
    "split": _one_of("split", SPLITS),
    "bbox": _bbox_fault,
}


def _resolve(text: str, root: bytes) -> tuple[bytes, str]:
    """Give the absolute path that a cell names, and what is wrong with it."""
    if not text:
        return b"", "no path"
    if "://" in text or "::" in text:
        return text.encode(), f"path {text!r} is a URL; only files under the folder are opened"
    raw = paths.from_text(text)
    if b"\x00" in raw:
        return raw, f"path {text!r} has a NUL byte, which no path has"
    folder, name = os.path.split(os.path.join(root, raw))
    place = os.path.join(os.path.realpath(folder), name)
    if not place.startswith(root.rstrip(b"/") + b"/"):
        return place, f"path {text!r} leads out of {paths.to_text(root)}"
    if os.path.islink(place):
        return place, f"path {text!r} is a symbolic link, which a scan does not follow"
    if not os.path.isfile(place):
        return place, f"path {text!r}: no such file"
    return place, ""


def _check_names(reading: _Reading) -> None:
    for name, other in names.clashes(reading.labels, [names.UNKNOWN]):
        reading.faults.append(
            f"{reading.labels[name]}: class {name!r} differs from {other!r} only in case or "
            "composition"
        )
