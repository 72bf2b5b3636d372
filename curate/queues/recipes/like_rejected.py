"""Like-rejected: the images at the border of what cleanup would take away, for a person's eyes.

The rule of cleanup moves what is like rejected images only where people have looked at the least
sure of it. First come the looks that it lacks, right above the border; then mostly what lies below,
the likest first, as that goes only when somebody rejects it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models.like_rejected import learn, reached
from curate.queues.recipe import Aim
from curate.queues.recipes.featured import featured

MOST = 20_000
"""Of more candidates, so many are a fair sample: ids are digests, blind to what an image shows."""

BELOW = 3
"""So many images from below the border come for one from above it."""


def narrow(_: Aim) -> tuple[str, list[object]]:
    """Only a sample of a very large pool."""
    return "ORDER BY number LIMIT ?", [MOST]


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How soon an image should be looked at; `beyond` says how far beyond the border it lies.

    Raises
    ------
    InputError
        No candidate has features, or too few images are rejected or labelled.
    """
    assert aim.labelled is not None  # the recipe needs it
    pool, vectors = featured(candidates.sort_values("image_id").head(MOST), aim)
    if pool.empty:
        return pd.DataFrame({"worth": [], "topic": [], "beyond": []}, index=pool.index)
    decided, known = featured(aim.labelled, aim)
    learnt = learn(decided, known) if len(decided) else "no image is decided"
    if isinstance(learnt, str):
        raise InputError(
            "what was rejected so far",
            f"does not say what rubbish looks like: {learnt}",
            "Look at `curate queue low-score`, and reject what is worth nothing.",
        )
    beyond = learnt.scores(vectors).astype(np.float64) - learnt.border
    looked = learnt.own.loc[learnt.own["looked"], "score"].to_numpy() - learnt.border
    _, lacking = reached(beyond[beyond > 0], looked)
    found = pd.DataFrame({"worth": -turns(beyond, lacking), "topic": "", "beyond": beyond})
    return found.set_index(pool.index)[np.isfinite(beyond)]


def turns(beyond: NDArray[np.float64], lacking: int) -> NDArray[np.float64]:
    """Say when each image comes, shape (N,), from how far beyond the border it lies.

    First the `lacking` nearest above, then `BELOW` from below for one from above, the nearest to
    the border first.
    """
    found, above = np.empty(len(beyond)), beyond > 0
    sure = _ranks(beyond[above])
    found[above] = np.where(sure < lacking, -1 / (sure + 1), sure)
    found[~above] = _ranks(-beyond[~above]) / BELOW
    return found


def _ranks(far: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = np.empty(len(far))
    ranks[np.argsort(far, kind="stable")] = np.arange(len(far))
    return ranks


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``like rejected images: 0.04 above the border of what goes``."""
    return [
        f"like rejected images: {abs(beyond):.2f} {'above' if beyond > 0 else 'below'} "
        "the border of what goes"
        for beyond in chosen["beyond"]
    ]
