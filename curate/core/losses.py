"""What is lost when all images up to a score go, estimated from what people answered so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.errors import PolicyError
from curate.core.names import REJECTED

THRESHOLDS = tuple(step / 10 for step in range(1, 11))
"""Scores up to which images might go."""

CONFIDENCE = 0.95
"""Of the bounds."""

FAIR = frozenset({"random", "low-score"})
"""Recipes that choose by chance or by the score alone: what they show of one score is a fair sample
of all images of that score. Others prefer images of some class, and would make the pool look better
than it is."""

FEW = 10
"""A bucket with fewer answers to fair images than this takes all answers that there are."""

LOSS_COLUMNS = (
    *("threshold", "pool_images", "share", "looked"),
    *("wanted_lost", "low", "high", "sample"),
)


def losses(
    decided: pd.DataFrame,
    up_to: Sequence[int] | NDArray[np.int64],
    total: int,
    thresholds: Sequence[float] = THRESHOLDS,
) -> pd.DataFrame:
    """Estimate how many wanted images go if all up to a score go.

    Each bucket of scores (between two thresholds) is estimated on its own, because people look at
    the lowest scores first: what they found there says nothing about the buckets above. Sums over
    buckets carry the bounds of their parts (G. Zou and A. Donner, "Construction of confidence
    limits about effect measures", Statistics in Medicine 27, 2008).

    Parameters
    ----------
    decided : DataFrame
        score, answer (a class or *unknown*: wanted; *rejected*: not), and recipe (that showed it;
        missing where none did): images that were in the pool when the model predicted them.
    up_to : sequence of int
        How many images of the pool have a score up to each threshold.
    total : int
        How many images are in the pool.
    thresholds : sequence of float
        Rising, between 0 and 1.

    Returns
    -------
    DataFrame
        `LOSS_COLUMNS`, one row a threshold: pool_images (with a score up to it), share (of the
        pool), looked (answers that the estimate rests on), wanted_lost (images of these that are
        wanted, estimated), low and high (`CONFIDENCE` bounds, after C. Clopper and E. Pearson,
        Biometrika 26, 1934), sample (``fair``; ``all`` where a bucket had too few fair answers).
        Where a bucket has images but nobody looked at any, wanted_lost, low and high are missing,
        from there on up, and sample is ``none``: nobody knows.

    Raises
    ------
    PolicyError
        Thresholds that do not rise, or lie outside 0 to 1.
    """
    edges = np.asarray(thresholds, np.float64)
    if not (len(edges) and (np.diff(edges) > 0).all() and edges[0] >= 0 and edges[-1] <= 1):
        raise PolicyError(
            f"thresholds {', '.join(map(str, thresholds)) or '(none)'}",
            "they rise, from 0 to 1",
            "Give them such as: 0.1 0.2 0.3.",
        )
    whole = np.asarray(up_to, np.int64)
    counts = whole - np.concatenate([np.zeros(1, np.int64), whole[:-1]])
    looked, wanted, fair = _answers(decided, edges)
    asked = counts > 0
    known = np.cumsum(asked & (looked == 0)) == 0
    rate = np.divide(wanted, looked, out=np.zeros(len(edges)), where=looked > 0)
    low, high = bounds(wanted, looked)
    lost = np.cumsum(counts * rate)
    below = np.sqrt(np.cumsum((counts * (rate - low)) ** 2))
    above = np.sqrt(np.cumsum((counts * (high - rate)) ** 2))
    at = np.cumsum(counts)
    table = pd.DataFrame(
        {
            "threshold": edges,
            "pool_images": at,
            "share": at / max(total, 1),
            "looked": np.cumsum(looked * asked),
            "wanted_lost": lost,
            "low": np.maximum(lost - below, 0),
            "high": np.minimum(lost + above, at),
        }
    )
    table.loc[~known, ["wanted_lost", "low", "high"]] = np.nan
    all_fair = np.cumsum(asked & ~fair) == 0
    table["sample"] = np.where(known, np.where(all_fair, "fair", "all"), "none")
    return table[list(LOSS_COLUMNS)]


def _answers(
    decided: pd.DataFrame, edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Count by bucket the answers that count, and the wanted among them; and whether all are fair.

    A bucket is above the threshold before it, up to and including its own.
    """
    rows = decided[decided["score"].notna() & decided["answer"].fillna("").ne("")]
    bucket = np.searchsorted(edges, rows["score"].to_numpy("float64"), side="left")
    inside = bucket < len(edges)
    rows, bucket = rows[inside], bucket[inside]
    wanted = (rows["answer"] != REJECTED).to_numpy(bool)
    fair = rows["recipe"].isin(FAIR).to_numpy(bool)
    of_fair = np.bincount(bucket[fair], minlength=len(edges)) >= FEW
    used = fair | ~of_fair[bucket]
    return (
        np.bincount(bucket[used], minlength=len(edges)),
        np.bincount(bucket[used & wanted], minlength=len(edges)),
        of_fair,
    )


def bounds(
    hits: NDArray[np.int64], looks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the exact bounds of shares, by Clopper and Pearson.

    Parameters
    ----------
    hits, looks : ndarray of int, shape (n,)
        So many of so many.

    Returns
    -------
    low, high : ndarray of float64, shape (n,)
        0 and 1 where nobody looked.
    """
    if not looks.any():
        return np.zeros(len(looks)), np.ones(len(looks))
    # The quantiles of a beta distribution; scipy.stats takes longer to import than a queue to make.
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), looks - hits + 1, tail), 0.0)
    missed = looks - hits
    high = np.where(missed > 0, betaincinv(hits + 1, np.maximum(missed, 1), 1 - tail), 1.0)
    return low, np.where(looks > 0, high, 1.0)
