"""The tables that come in: checked, sorted by image id, and turned into arrays of codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.errors import InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Objects = NDArray[np.object_]

SPLITS = ("train", "val", "test", "benchmark")
TRAIN, VAL, TEST, BENCHMARK = range(4)
ORIGINS = ("real", "staged", "synthetic")
REAL, _, SYNTHETIC = range(3)
UNKNOWN = "unknown"
GROUP_PREFIX = "group_"
NEEDED = ("image_id", "label", "sub_class", "origin", "usable", "unusable_reason")


@dataclass(frozen=True)
class Rows:
    """The input as arrays of one length, sorted by image id; codes never come from a label's text.

    Attributes
    ----------
    ids, label, sub_class : object arrays of str
        '' where there is no label or sub-class.
    origin : int array
        Index into `ORIGINS`.
    why_not : object array of str
        Why an image may not be used whatever the others are; '' where it may.
    klass, sub : int arrays
        Class, and sub-class within its class, numbered as they appear; -1 for no class or unknown.
        Images of a class that have no sub-class share a number.
    classes : object array of str
        The class names by number.
    columns : tuple of int arrays
        One a group column: the number of the value, -1 where it is missing.
    places : tuple of str
        Where an image can be. In the first one it only trains; the last one is the benchmark.
    was : int array
        Index into `places` of the earlier assignment, -1 where there is none.
    asked : object array of str
        What the user asked to be done with the image, '' where nothing.
    evidence : Series or None
        The column that the keep rule reads, if it reads one and the table has it.
    gone : DataFrame
        The rows of `previous` (image_id, split) that `images` no longer holds.
    """

    ids: Objects
    label: Objects
    sub_class: Objects
    origin: Ints
    why_not: Objects
    klass: Ints
    sub: Ints
    classes: Objects
    columns: tuple[Ints, ...]
    places: tuple[str, ...]
    was: Ints
    asked: Objects
    evidence: pd.Series | None
    gone: pd.DataFrame

    @property
    def eligible(self) -> Bools:
        """Usable, labelled, and not labelled unknown."""
        return as_bools(self.why_not == "")

    @property
    def frozen(self) -> Bools:
        """In the benchmark already, whatever has become of the image since."""
        return as_bools(self.was == len(self.places) - 1)

    @property
    def held_out(self) -> Bools:
        """In a place between training and benchmark, where only real images may be."""
        return as_bools((self.was > TRAIN) & (self.was < len(self.places) - 1))

    @property
    def real(self) -> Bools:
        """Of real origin."""
        return as_bools(self.origin == REAL)


def read_rows(
    images: pd.DataFrame,
    previous: pd.DataFrame | None,
    places: tuple[str, ...] = SPLITS,
    evidence: str | None = None,
) -> Rows:
    """Check both tables and turn them into `Rows`.

    Parameters
    ----------
    images : DataFrame
        As `assign` takes it.
    previous : DataFrame or None
        As `assign` takes it; rows with an empty split count as not there.
    places : tuple of str
        What a split can be.
    evidence : str, optional
        The column that the keep rule reads.

    Raises
    ------
    InputError
        All faults of a table together.
    """
    refuse("the table of images", _faults_of_images(images))
    before = _earlier(previous, places)
    ids = text(images["image_id"])
    if not _ascending(ids):
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
        images, ids = images.iloc[order], ids[order]
    label, sub_class = text(images["label"]), text(images["sub_class"])
    klass, classes = pd.factorize(_blank_to_missing(label, UNKNOWN))
    sub, names = pd.factorize(sub_class)
    sub, _ = pd.factorize((klass.astype(np.int64) + 1) * (len(names) + 1) + sub)
    was = np.full(len(ids), -1, dtype=np.int64)
    gone = before
    if len(before):
        place = pd.Index(ids).get_indexer(pd.Index(text(before["image_id"])))
        was[place[place >= 0]] = _codes(before["split"], places)[place >= 0]
        gone = before[place < 0].reset_index(drop=True)
    has_evidence = evidence is not None and evidence in images.columns
    return Rows(
        ids=ids,
        label=label,
        sub_class=sub_class,
        origin=_codes(images["origin"], ORIGINS),
        why_not=_why_not(images, label),
        klass=klass.astype(np.int64),
        sub=sub.astype(np.int64),
        classes=np.asarray(classes, dtype=object),
        columns=tuple(
            pd.factorize(_blank_to_missing(text(images[name])))[0].astype(np.int64)
            for name in group_columns(images)
        ),
        places=places,
        was=was,
        asked=np.full(len(ids), "", dtype=object),
        evidence=images[evidence].reset_index(drop=True) if has_evidence else None,
        gone=gone,
    )


def group_columns(images: pd.DataFrame) -> list[str]:
    """The names of the group columns, in an order that does not depend on the table."""
    return sorted(str(name) for name in images.columns if str(name).startswith(GROUP_PREFIX))


def text(column: pd.Series) -> Objects:
    """A column as an object array, '' where a value is missing, whatever stands for missing."""
    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna().to_numpy()] = ""
    return values


def as_bools(values: object) -> Bools:
    """The same values as a boolean array."""
    return np.asarray(values, dtype=np.bool_)


def missing_columns(table: pd.DataFrame, needed: Iterable[str]) -> list[str]:
    """One line for each needed column that is absent or there more than once."""
    names = list(table.columns)
    faults = [f"column {name!r} is missing" for name in needed if name not in names]
    return faults + [
        f"column {name!r} is there {names.count(name)} times"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def refuse(source: str, faults: list[str]) -> None:
    """Raise an `InputError` with all faults of a table, if there are any."""
    if faults:
        raise InputError(source, "; ".join(faults), "Mend the table; nothing was changed.")


def _ascending(ids: Objects) -> bool:
    return bool((ids[1:] > ids[:-1]).all())


def _codes(column: pd.Series, names: Sequence[str]) -> Ints:
    """The place of each value among the names; every value is one of them."""
    codes, found = pd.factorize(column.to_numpy(dtype=object))
    return np.array([names.index(name) for name in found], dtype=np.int64)[codes]


def _blank_to_missing(values: Objects, other: str = "") -> Objects:
    blank = values.copy()
    blank[as_bools(blank == "") | as_bools(blank == other)] = None
    return blank


def _why_not(images: pd.DataFrame, label: Objects) -> Objects:
    why = np.full(len(label), "", dtype=object)
    why[as_bools(label == "")] = "no label"
    why[as_bools(label == UNKNOWN)] = "labelled unknown"
    out = ~as_bools(images["usable"].to_numpy())
    said = text(images["unusable_reason"][out])
    said[as_bools(said == "")] = "not usable"
    why[out] = said
    return why


def _faults_of_images(images: pd.DataFrame) -> list[str]:
    faults = missing_columns(images, NEEDED)
    if faults:
        return faults
    faults = _faults_of_ids(images)
    odd = images[~images["origin"].isin(ORIGINS)]
    faults += [
        f"origin {origin!r} of image {name!r} is none of {', '.join(ORIGINS)}"
        for name, origin in zip(odd["image_id"], odd["origin"], strict=True)
    ]
    if images["usable"].dtype != np.bool_:
        vague = images[~images["usable"].isin([True, False])]
        faults += [
            f"usable of image {name!r} is {usable!r}, neither true nor false"
            for name, usable in zip(vague["image_id"], vague["usable"], strict=True)
        ]
    return faults


def _faults_of_ids(table: pd.DataFrame) -> list[str]:
    ids = table["image_id"]
    missing = int(ids.isna().sum())
    faults = [f"image_id is missing in {missing} rows"] if missing else []
    named = ids.dropna()
    if set(map(type, named.to_numpy(dtype=object))) - {str}:
        faults += [f"image_id {name!r} is not text" for name in named if not isinstance(name, str)]
    if named.is_unique:
        return faults
    times = named[named.duplicated(keep=False)].value_counts(sort=False)
    return faults + [f"image_id {name!r} is there {n} times" for name, n in times.items()]


def _earlier(previous: pd.DataFrame | None, places: tuple[str, ...]) -> pd.DataFrame:
    if previous is None:
        return pd.DataFrame({"image_id": [], "split": []}, dtype=object)
    source = "the table of earlier splits"
    refuse(source, missing_columns(previous, ("image_id", "split")))
    split = text(previous["split"])
    assigned = previous.assign(split=split)[split != ""]
    odd = assigned[~assigned["split"].isin(places)]
    refuse(
        source,
        _faults_of_ids(previous)
        + [
            f"split {split!r} of image {name!r} is none of {', '.join(places)}"
            for name, split in zip(odd["image_id"], odd["split"], strict=True)
        ],
    )
    return pd.DataFrame(assigned[["image_id", "split"]]).reset_index(drop=True)
