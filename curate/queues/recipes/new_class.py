"""New-class: groups of pool images that are more like each other than like any class.

Each group is offered as one new class, `new 1`, `new 2`, …: those that gain most by having a class
of their own come first, and of a group the most typical images. Junk is alike too: what is worse
than the labelled images are (blank, dark, blurred) counts less.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.queues.recipe import Aim
from curate.queues.recipes.featured import featured, named
from curate.queues.recipes.groups import clusters

MOST = 10_000
"""So many candidates, those of the highest novelty, are compared with each other."""

EVEN_GAIN = 3.3
"""Half of the images of groups with this gain are of a class that nobody labelled; measured, see
docs/discovery.md."""


def narrow(_: Aim) -> tuple[str, list[object]]:
    """Only the most novel; where the model says nothing of novelty, those of the lowest score."""
    return (
        "ORDER BY CASE WHEN isnan(novelty) THEN NULL ELSE novelty END DESC NULLS LAST, "
        "score, image_id LIMIT ?",
        [MOST],
    )


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How typical an image is of its group; the group is the topic.

    Returns
    -------
    DataFrame
        worth (cosine to the mean of the others in the group), topic, and the other columns of
        `groups.COLUMNS`.

    Raises
    ------
    InputError
        No candidate, or no labelled image, has features.
    """
    order = ["novelty", "score", "image_id"]
    far = candidates.astype({"novelty": "float64"}).sort_values(
        order, ascending=[False, True, True]
    )
    pool, features = featured(far.head(MOST), aim)
    labelled, known = named(aim)
    found = clusters(
        pool["image_id"].to_numpy(object),
        features,
        labelled["label"].to_numpy(object),
        known,
        good(pool["quality"], labelled["quality"]),
    )
    found.index = pool.index[pd.Index(pool["image_id"]).get_indexer(found["image_id"])]
    topics = "new " + found["cluster"].astype(str)
    return found.assign(worth=found["similarity"], topic=topics).drop(columns="image_id")


def good(pool: pd.Series, labelled: pd.Series) -> NDArray[np.float64]:
    """Say how good images are beside labelled ones, shape (N,), from 0 to 1.

    Parameters
    ----------
    pool, labelled : Series of float
        The measure `quality`. What is missing counts as good.

    Returns
    -------
    ndarray of float64
        1 from the lower quartile of the labelled images on; below it the third power of the
        proportion, as `quality` is the cube root of a product: a picture that fails in one of
        three counts next to nothing.
    """
    usual = labelled.astype("float64").quantile(0.25)
    share = pool.astype("float64").to_numpy() / (usual if usual > 0 else np.nan)
    return np.where(np.isnan(share), 1.0, np.clip(share, 0, 1) ** 3)


def select(scored: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """Group by group, the most typical images of each first."""
    return scored.sort_values(["cluster", "worth", "image_id"], ascending=[True, False, True])


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``new 2: 34 images alike (0.71), nearest class wallaby (0.42)``, with cosines."""
    rows = zip(
        *(chosen[name] for name in ("topic", "peers", "worth", "nearest", "nearest_similarity")),
        strict=True,
    )
    return [
        f"{topic}: {peers:,} images alike ({worth:.2f}), nearest class {nearest} ({near:.2f})"
        for topic, peers, worth, nearest, near in rows
    ]


def expect(chosen: pd.DataFrame, _: Aim) -> pd.Series:
    """How likely an image is of a class that nobody labelled, by what its group gains."""
    square = chosen["gain"].astype("float64") ** 2
    return square / (square + EVEN_GAIN**2)
