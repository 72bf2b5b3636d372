"""Diverse: images that stand for the pool, for a cold start.

Each image is the one that stands for most of what neither a labelled image nor one before it stands
for, so that the first few show what the pool is made of, and a dense place brings no second look.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from curate.core.names import REJECTED
from curate.queues.recipe import Aim
from curate.queues.recipes.featured import featured
from curate.queues.recipes.random import start, way
from curate.queues.recipes.standing import standing

MOST = 10_000
"""So many candidates, a fair sample, are compared with each other."""

LABELLED = 10_000
"""So many labelled images, a fair sample, cover what is like them."""


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only a fair sample: the ids that follow a point drawn by the seed (see `random`)."""
    return f"ORDER BY {way(aim.seed)}, number LIMIT ?", [MOST]


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How early an image is chosen.

    Raises
    ------
    InputError
        No candidate has features.
    """
    pool, features = featured(_sample(candidates, aim.seed, MOST), aim)
    if pool.empty:
        return pd.DataFrame({"worth": pd.Series(dtype="float64"), "topic": pd.Series(dtype=object)})
    known = aim.labelled if aim.labelled is not None else candidates.head(0)
    others = known[(known["label"] != REJECTED) & ~known["image_id"].isin(pool["image_id"])]
    if aim.features is not None:
        others = others[others["image_id"].isin(aim.features["image_id"])]
    covering = None if others.empty else featured(_sample(others, aim.seed, LABELLED), aim)[1]
    chosen = standing(features, covering)
    worth = np.arange(len(chosen), 0, -1, dtype=np.float64)
    return pd.DataFrame({"worth": worth, "topic": ""}, index=pool.index[chosen])


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``stands for images that none before it is like; antelope 0.41``."""
    return [
        f"stands for images that none before it is like; {predicted} {score:.2f}"
        for predicted, score in zip(chosen["predicted"], chosen["score"], strict=True)
    ]


def _sample(images: pd.DataFrame, seed: int, most: int) -> pd.DataFrame:
    before = images["image_id"] < start(seed)
    order = images.assign(before=before).sort_values(["before", "image_id"])
    return order.head(most).drop(columns="before")
