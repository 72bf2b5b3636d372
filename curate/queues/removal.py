"""Mass removal by score: the buckets to look at, and a plan of what goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from curate.core.losses import THRESHOLDS

CLEANUP_COLUMNS = ("image_id", "path", "rule", "reason", "score", "bytes", "predicted")
RULE = "low-score"


def buckets(
    queue: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS
) -> dict[tuple[float, float], pd.DataFrame]:
    """Part a queue by score.

    Parameters
    ----------
    queue : DataFrame
        With `score`.
    thresholds : sequence of float
        Rising.

    Returns
    -------
    dict of (float, float) to DataFrame
        By (above, up to), rising: the rows of the queue with such a score, in its order. Buckets
        without rows are left out, and so are scores above the last threshold.
    """
    at = np.searchsorted(np.asarray(thresholds), queue["score"].to_numpy("float64"), side="left")
    edges = [0.0, *thresholds]
    return {
        (edges[number], edges[number + 1]): queue[at == number].reset_index(drop=True)
        for number in range(len(thresholds))
        if (at == number).any()
    }


def cleanup_plan(queue: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    """Say which files would go.

    Parameters
    ----------
    queue : DataFrame
        image_id, score, predicted and reason of the images that are not wanted.
    files : DataFrame
        image_id, path and bytes, one row a file; an image may lie in several.

    Returns
    -------
    DataFrame
        `CLEANUP_COLUMNS`, one row a file, in the order of the queue, then by path. rule is
        ``low-score``.
    """
    places = files[["image_id", "path", "bytes"]].sort_values("path")
    rows = queue[["image_id", "score", "predicted", "reason"]].reset_index(names="place")
    table = rows.merge(places, on="image_id").sort_values(["place", "path"], ignore_index=True)
    return table.assign(rule=RULE)[list(CLEANUP_COLUMNS)]
