"""The tables that come in: checked, sorted by image id, and turned into arrays of codes."""

from __future__ import annotations

from collections.abc import Iterable
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
REAL = 0
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
    classes : object array of str
        The class names by number.
    columns : tuple of int arrays
        One a group column: the number of the value, -1 where it is missing.
    was : int array
        Index into `SPLITS` of the earlier assignment, -1 where there is none.
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
    was: Ints
    gone: pd.DataFrame

    @property
    def eligible(self) -> Bools:
        """Usable, labelled, and not labelled unknown."""
        return as_bools(self.why_not == "")

    @property
    def frozen(self) -> Bools:
        """In the benchmark already, whatever has become of the image since."""
        return as_bools(self.was == BENCHMARK)


def read_rows(images: pd.DataFrame, previous: pd.DataFrame | None) -> Rows:
    """Check both tables and turn them into `Rows`.

    Parameters
    ----------
    images : DataFrame
        As `assign` takes it.
    previous : DataFrame or None
        As `assign` takes it; rows with an empty split count as not there.

    Raises
    ------
    InputError
        All faults of a table together.
    """
    _refuse("the table of images", _faults_of_images(images))
    before = _earlier(previous)
    ordered = images.sort_values("image_id", kind="stable", ignore_index=True)
    label, sub_class = text(ordered["label"]), text(ordered["sub_class"])
    klass, classes = pd.factorize(_blank_to_missing(np.where(label == UNKNOWN, "", label)))
    sub, _ = pd.factorize(sub_class)
    sub, _ = pd.factorize(klass.astype(np.int64) * (len(ordered) + 1) + sub)
    ids = text(ordered["image_id"])
    place = pd.Index(ids).get_indexer(pd.Index(text(before["image_id"])))
    was = np.full(len(ids), -1, dtype=np.int64)
    was[place[place >= 0]] = before["split"].map(SPLITS.index).to_numpy(np.int64)[place >= 0]
    return Rows(
        ids=ids,
        label=label,
        sub_class=sub_class,
        origin=ordered["origin"].map(ORIGINS.index).to_numpy(np.int64),
        why_not=_why_not(ordered, label),
        klass=klass.astype(np.int64),
        sub=sub.astype(np.int64),
        classes=np.asarray(classes, dtype=object),
        columns=tuple(
            pd.factorize(_blank_to_missing(text(ordered[name])))[0].astype(np.int64)
            for name in group_columns(ordered)
        ),
        was=was,
        gone=before[place < 0].reset_index(drop=True),
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


def _blank_to_missing(values: Objects) -> Objects:
    blank = values.astype(object)
    blank[as_bools(blank == "")] = None
    return blank


def _why_not(ordered: pd.DataFrame, label: Objects) -> Objects:
    said = text(ordered["unusable_reason"])
    said[as_bools(said == "")] = "not usable"
    labelled = np.where(label == "", "no label", np.where(label == UNKNOWN, "labelled unknown", ""))
    return np.where(ordered["usable"].to_numpy(np.bool_), labelled, said).astype(object)


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
    vague = images[~images["usable"].isin([True, False])]
    faults += [
        f"usable of image {name!r} is {usable!r}, neither true nor false"
        for name, usable in zip(vague["image_id"], vague["usable"], strict=True)
    ]
    return faults


def _faults_of_ids(table: pd.DataFrame) -> list[str]:
    ids = table["image_id"]
    faults = [f"image_id is missing in {ids.isna().sum()} rows"] if ids.isna().any() else []
    named = ids.dropna()
    not_text = named[~named.map(lambda name: isinstance(name, str))]
    faults += [f"image_id {name!r} is not text" for name in not_text]
    times = named[named.duplicated(keep=False)].value_counts(sort=False)
    return faults + [f"image_id {name!r} is there {n} times" for name, n in times.items()]


def _earlier(previous: pd.DataFrame | None) -> pd.DataFrame:
    if previous is None:
        return pd.DataFrame({"image_id": [], "split": []}, dtype=object)
    source = "the table of earlier splits"
    _refuse(source, missing_columns(previous, ("image_id", "split")))
    split = text(previous["split"])
    assigned = previous.assign(split=split)[split != ""]
    odd = assigned[~assigned["split"].isin(SPLITS)]
    _refuse(
        source,
        _faults_of_ids(previous)
        + [
            f"split {split!r} of image {name!r} is none of {', '.join(SPLITS)}"
            for name, split in zip(odd["image_id"], odd["split"], strict=True)
        ],
    )
    return pd.DataFrame(assigned[["image_id", "split"]]).reset_index(drop=True)


def _refuse(source: str, faults: list[str]) -> None:
    if faults:
        raise InputError(source, "; ".join(faults), "Mend the table; nothing was changed.")
