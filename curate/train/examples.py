"""The table that a training gets, checked and turned into arrays. No pixels here."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core import paths
from curate.core.errors import InputError, PolicyError
from curate.core.identity import ID_LENGTH

COLUMNS = ("image_id", "path", "label", "split")
USED = ("train", "val", "test")
KNOWN = (*USED, "benchmark")


@dataclass(frozen=True)
class Examples:
    """The images of train, val and test, in the order of their ids.

    Attributes
    ----------
    ids, paths : list
        Image ids, and where they lie (bytes).
    targets : ndarray of int64, shape (n,)
        Index of each image's class.
    splits : dict of str to ndarray of int64
        Positions of the images of ``train``, ``val`` and ``test``.
    classes : tuple of str
        Classes of the training images, sorted.
    split, data : str
        Digests of the assignment, and of the labelled training images.
    left_out : frozenset of str
        Labels of images that have no place in the split, which no training image has.
    """

    ids: list[str]
    paths: list[bytes]
    targets: NDArray[np.int64]
    splits: dict[str, NDArray[np.int64]]
    classes: tuple[str, ...]
    split: str
    data: str
    left_out: frozenset[str] = frozenset()


def examples_of(table: pd.DataFrame) -> Examples:
    """Read the table of a training.

    Parameters
    ----------
    table : DataFrame
        image_id, path (text), label, split (``train``, ``val``, ``test``, ``benchmark`` or empty).
        Rows of the benchmark and rows without a split are never looked at.

    Raises
    ------
    InputError
        A column is missing, an image occurs twice, or a split has another name.
    PolicyError
        Nothing to train on, a single class, images without a label, or classes in val or test
        that train lacks.
    """
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(
            f"a table without {', '.join(missing)}", "training reads these columns", "Add them"
        )
    split = table["split"].replace("", None)
    other = sorted(set(split.dropna()) - set(KNOWN))
    if other:
        raise InputError(
            f"split {other[0]!r}", f"known are {', '.join(KNOWN)}", "Correct the split column"
        )
    rows = table[split.isin(USED)].sort_values("image_id", kind="stable")
    twice = rows["image_id"][rows["image_id"].duplicated()]
    if len(twice):
        raise InputError(
            f"image {twice.iloc[0]}", "an image is in the table once", "Drop the copies"
        )
    classes = _classes(rows)
    position = {name: index for index, name in enumerate(classes)}
    return Examples(
        ids=list(rows["image_id"]),
        paths=[paths.from_text(text) for text in rows["path"]],
        targets=np.array([position[name] for name in rows["label"]], dtype=np.int64),
        splits={name: np.flatnonzero((rows["split"] == name).to_numpy()) for name in USED},
        classes=classes,
        split=_digest(rows["image_id"], rows["split"]),
        data=_digest(*(rows.loc[rows["split"] == "train", name] for name in ("image_id", "label"))),
        left_out=frozenset(table["label"].dropna()) - frozenset(classes),
    )


def _classes(rows: pd.DataFrame) -> tuple[str, ...]:
    unlabelled = rows["image_id"][rows["label"].isna()]
    if len(unlabelled):
        raise PolicyError(
            f"{len(unlabelled)} images of the splits without a label (first: {unlabelled.iloc[0]})",
            "only labelled images train and test a model",
            "Split again: curate split",
        )
    classes = sorted(set(rows.loc[rows["split"] == "train", "label"]))
    if len(classes) < 2:
        found = f"the class {classes[0]!r} alone" if classes else "no image in train"
        raise PolicyError(
            found,
            "a classifier needs images of two classes or more in train",
            "Label more images, or lower --min-count and split again",
        )
    surplus = sorted(set(rows["label"]) - set(classes))
    if surplus:
        raise PolicyError(
            f"{', '.join(map(repr, surplus[:5]))} in val or test",
            "a class that is validated or tested is trained",
            "Split again: curate split",
        )
    return tuple(classes)


def _digest(*columns: pd.Series) -> str:
    state = sha256()
    for row in zip(*columns, strict=True):
        state.update("\x00".join(map(str, row)).encode("utf-8", "surrogateescape") + b"\n")
    return state.hexdigest()[:ID_LENGTH]
