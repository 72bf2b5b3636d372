"""k folds under the rules of the split: each fold tests once, and the others train."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curate.core.errors import InputError, PolicyError
from curate.splits.cutoffs import cut
from curate.splits.groups import Ties, tie
from curate.splits.keeping import COLUMN, check_evidence
from curate.splits.placing import Question, cross, place
from curate.splits.policy import SplitPolicy
from curate.splits.reasons import reasons, settled
from curate.splits.tables import (
    ORIGINS,
    SPLITS,
    TRAIN,
    Bools,
    Ints,
    Rows,
    missing_columns,
    read_rows,
    refuse,
    text,
)

ALWAYS_TRAINS = -1
"""The fold of images that train whichever fold tests."""

MOST = 50
"""How many folds there can be."""


def assign_folds(
    images: pd.DataFrame,
    policy: SplitPolicy,
    folds: int,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Share images out to folds.

    Parameters
    ----------
    images : DataFrame
        As `assign` takes it.
    policy : SplitPolicy
        Cutoffs, what to keep, and seed. What it asks for val, test and benchmark is not used.
    folds : int
        How many folds, from 2 to 50.
    previous : DataFrame, optional
        image_id, with split, fold or both. An image whose split is benchmark is in no fold, nor
        does what is near to it train; other splits are not used. An image that has a fold stays
        in it.

    Returns
    -------
    DataFrame
        One row for every image, sorted by image_id: image_id, label, sub_class, origin, group,
        fold, reason. `fold` (Int64) is the fold in which a used real image tests, from 0; -1 for
        images that train whichever fold tests (staged and synthetic ones, and their groups);
        missing for those that are left out and for the benchmark. A group is never parted.

    Raises
    ------
    InputError
        A table lacks a column, repeats an image or names what does not exist.
    PolicyError
        The number of folds is out of bounds, or no class reaches min-count.
    """
    if not 2 <= folds <= MOST:
        raise PolicyError(
            f"{folds} folds", f"there are at least 2 and at most {MOST}", "Give a number such as 5."
        )
    places = (SPLITS[TRAIN], *(f"fold {i}" for i in range(folds)), SPLITS[-1])
    before = None if previous is None else _before(previous, folds)
    rows = read_rows(images, before, places, COLUMN.get(policy.keep))
    check_evidence(rows, policy)
    ties = tie(rows)
    found = cut(rows, ties, policy)
    fixed, why_fixed = settled(rows, ties, found.used)
    where = place(_question(rows, ties, found.used, fixed, policy))
    numbers = np.array([ALWAYS_TRAINS, *range(folds), pd.NA, pd.NA], dtype=object)
    return pd.DataFrame(
        {
            "image_id": rows.ids,
            "label": rows.label,
            "sub_class": rows.sub_class,
            "origin": np.array(ORIGINS, dtype=object)[rows.origin],
            "group": ties.name,
            "fold": pd.array(numbers[where], dtype="Int64"),
            "reason": reasons(rows, ties, found, where, why_fixed),
        }
    )


def _question(rows: Rows, ties: Ties, used: Bools, fixed: Ints, policy: SplitPolicy) -> Question:
    classes, places = len(rows.classes), len(rows.places)
    real = used & rows.real
    have = cross(rows.klass, fixed, real, classes, places)
    folds = slice(TRAIN + 1, places - 1)
    total = np.bincount(rows.klass[real], minlength=classes)
    wish = have.astype(np.float64)
    shared = total - have[:, TRAIN] - have[:, -1]
    wish[:, folds] = shared[:, None] / (places - 2)
    allowed = np.zeros((classes, places), dtype=np.bool_)
    allowed[:, folds] = True
    return Question(
        ids=rows.ids,
        klass=rows.klass,
        sub=rows.sub,
        root=ties.root,
        who=real,
        fixed=fixed,
        wish=wish,
        allowed=allowed,
        holds=have > 0,
        seed=policy.seed,
    )


def _before(previous: pd.DataFrame, folds: int) -> pd.DataFrame:
    """The benchmark and the folds of before, as names of places."""
    source = "the table of earlier folds"
    refuse(source, missing_columns(previous, ("image_id",)))
    if not {"split", "fold"} & set(previous.columns):
        raise InputError(source, "it has neither split nor fold", "Give one of the columns.")
    place = np.full(len(previous), "", dtype=object)
    if "fold" in previous:
        fold = pd.to_numeric(previous["fold"]).to_numpy(np.float64, na_value=np.nan)
        known = np.isin(fold, np.arange(ALWAYS_TRAINS, folds)) | np.isnan(fold)
        refuse(
            source,
            [
                f"fold {number:g} of image {name!r} is none of {folds}"
                for name, number in zip(previous["image_id"][~known], fold[~known], strict=True)
            ],
        )
        names = np.array([*(f"fold {i}" for i in range(folds)), SPLITS[TRAIN], ""], dtype=object)
        place = names[np.where(np.isnan(fold), folds + 1, fold).astype(np.int64) % (folds + 2)]
        place[fold == ALWAYS_TRAINS] = SPLITS[TRAIN]
    if "split" in previous:
        place[text(previous["split"]) == SPLITS[-1]] = SPLITS[-1]
    return pd.DataFrame({"image_id": previous["image_id"].to_numpy(object), "split": place})
