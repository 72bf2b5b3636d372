"""The features of images, taken out of what is asked of a recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core import chance
from curate.core.errors import InputError
from curate.core.names import UNKNOWN
from curate.queues.recipe import Aim

PER_CLASS = 64
"""So many labelled images of a class, at most, drawn by chance, stand for it."""

FEWEST = 3
"""A class of which fewer images are labelled is as good as new: nobody can say what it is like."""

_AGAIN = "Run `curate bulk-id --model CKPT --embeddings PLACE…` over"


def featured(images: pd.DataFrame, aim: Aim) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Give those images that have features, and the features.

    Parameters
    ----------
    images : DataFrame
        With image_id, without repeats.
    aim : Aim
        Its `features` are used.

    Returns
    -------
    images : DataFrame
        Those that have features, in the order of their ids, with the index they had.
    features : ndarray, shape (len(images), D)
        In the same order.

    Raises
    ------
    InputError
        There are images, and none of them has features.
    """
    ordered = images.sort_values("image_id")
    if aim.features is None or (len(ordered) and aim.features.empty):
        raise InputError(
            "the features of images",
            "the library holds none of this model, and this recipe compares images by them",
            f"{_AGAIN} the pool and the labelled images.",
        )
    # By place, as a frame of arrays would be copied by `merge`.
    at = pd.Index(aim.features["image_id"]).get_indexer(pd.Index(ordered["image_id"]))
    if len(at) and (at < 0).all():
        raise InputError(
            f"the features of {len(ordered):,} images",
            "the library holds features of this model, but none of these images",
            f"{_AGAIN} these images too.",
        )
    vectors = aim.features["embedding"].to_numpy(object)[at[at >= 0]]
    return ordered[at >= 0], np.stack(list(vectors)) if len(vectors) else np.zeros((0, 1))


def named(aim: Aim) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Give labelled images of classes and their features, at most `PER_CLASS` of each class.

    Parameters
    ----------
    aim : Aim
        Its `labelled` and `features` are used; *unknown* is not a class, nor is one with fewer than
        `FEWEST` images, unless all are so.

    Returns
    -------
    images, features
        As `featured` gives them.

    Raises
    ------
    InputError
        No image has a class, or none of those has features.
    """
    labelled = _of(aim)
    of_class = labelled[labelled["label"].notna() & (labelled["label"] != UNKNOWN)]
    of_class = of_class[~of_class["rejected"].astype(bool)]
    several = of_class.groupby("label")["label"].transform("size") >= FEWEST
    of_class = of_class[several | (not several.any())]
    if of_class.empty:
        raise InputError(
            "the classes of the library",
            "no image has a label, so everything would be new",
            "Label some images first: `curate queue diverse` shows which.",
        )
    drawn = of_class.assign(
        draw=chance.fractions(aim.seed, of_class["image_id"].astype(str), "named")
    ).sort_values("draw")
    return featured(drawn.groupby("label").head(PER_CLASS).drop(columns="draw"), aim)


def refused(aim: Aim) -> NDArray[Any]:
    """Give the features of the rejected images that `labelled` holds, shape (R, D).

    Those without features are left out.
    """
    assert aim.features is not None  # who asks for it needs them
    labelled = _of(aim)
    away = set(labelled.loc[labelled["rejected"].astype(bool), "image_id"])
    vectors = aim.features.loc[aim.features["image_id"].isin(away)].sort_values("image_id")
    return np.stack(list(vectors["embedding"])) if len(vectors) else np.zeros((0, 1))


def _of(aim: Aim) -> pd.DataFrame:
    none = pd.DataFrame({"image_id": [], "label": [], "rejected": []}, dtype=object)
    return none if aim.labelled is None else aim.labelled
