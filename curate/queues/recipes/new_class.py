"""New-class: groups of pool images that are more like each other than like any class.

Each group is offered as one new class, `new 1`, `new 2`, …, the likeliest first: those that gain
most by having a class of their own, and that are like the classes there are. Junk is alike too:
what is worse than the labelled images are (blank, dark, blurred) counts less, and so do groups that
are looser than classes, far from all of them, near to what was rejected, or of strange images.

Once somebody has named a few okapis, the class is not new any more, but the model does not know it,
and the others wait in the pool. So the labelled images of a class that the model lacks and that is
below min-count are looked for in the groups, and a group that holds some is offered as `okapi`.

A look at a few images tells what a group is, so groups take turns: some of the most typical images
of a group, then some of the next one, and the further images of the likely ones in between.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.names import HELD_OUT
from curate.queues.recipe import Aim
from curate.queues.recipes.featured import featured, named, refused
from curate.queues.recipes.groups import clusters

MOST = 10_000
"""So many candidates, those of the highest novelty, are compared with each other."""

JOINING = 2_000
"""So many labelled images, at most, are looked for in groups."""

PROMISE = "a class that nobody, or hardly anybody, has labelled, or the class of the topic"

PORTION = 5
"""So many images of a group come together: enough to see what it is."""

AGAIN = 0.8
"""A further portion of a group is worth so much of the one before it."""


def narrow(_: Aim) -> tuple[str, list[object]]:
    """Only the most novel; where the model says nothing of novelty, those of the lowest score."""
    return (
        "ORDER BY CASE WHEN isnan(novelty) THEN NULL ELSE novelty END DESC NULLS LAST, "
        "score, number LIMIT ?",
        [MOST],
    )


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How typical an image is of its group; this is the topic, or the class that it is more of.

    Returns
    -------
    DataFrame
        worth (cosine to the mean of the others in the group), topic, peers (images of the group),
        and the other columns of `groups.COLUMNS`.

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
    more = wanted(labelled["label"], aim)
    each = max(1, JOINING // max(1, labelled.loc[more, "label"].nunique()))
    some = ~more | (labelled.groupby("label").cumcount() < each).to_numpy()
    labelled, known, more = labelled[some], known[some], more[some]
    found = clusters(
        pool["image_id"].to_numpy(object),
        features,
        labelled["label"].to_numpy(object),
        known,
        good(pool["quality"], labelled["quality"]),
        refused(aim),
        more,
        None if aim.makeup is None else aim.makeup.of(pool)["strange"].to_numpy("float64"),
        (labelled["split"].isin(HELD_OUT) | ~labelled["label"].isin(aim.known)).to_numpy(np.bool_),
    )
    found.index = pool.index[pd.Index(pool["image_id"]).get_indexer(found["image_id"])]
    nameless = found["cluster"].where(found["named"] == "").rank(method="dense")
    topics = nameless.map("new {:.0f}".format).where(found["named"] == "", found["named"])
    peers = found.groupby("cluster")["cluster"].transform("size")
    found = found.assign(worth=found["similarity"], topic=topics.astype(object), peers=peers)
    return found.drop(columns="image_id")


def wanted(labels: pd.Series, aim: Aim) -> NDArray[np.bool_]:
    """Say which labelled images are of classes below min-count that the model lacks."""
    short = aim.classes.loc[aim.classes["countable_real"] < aim.min_count, "label"]
    return labels.isin(set(short) - set(aim.known)).to_numpy(np.bool_)


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
    """Portion by portion, the likeliest group first, the most typical images of each first."""
    ordered = scored.sort_values(["cluster", "worth", "image_id"], ascending=[True, False, True])
    portion = ordered.groupby("cluster").cumcount() // PORTION
    turn = ordered["likely"] * AGAIN**portion
    return ordered.loc[turn.sort_values(ascending=False, kind="stable").index]


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``new 2: 34 images alike (0.71), nearest class wallaby (0.42)``, with cosines.

    Of a class that has labelled images in the group ``okapi: 34 images alike (0.71), and 3
    labelled so, nearest class giraffe (0.42)``. What speaks against a group follows, such as
    ``; little like a class; 60% nearer to rejected images``.
    """
    return [
        f"{row['topic']}: {row['peers']:,} images alike ({row['worth']:.2f})"
        + (f", and {row['labelled']:,} labelled so" if row["labelled"] else "")
        + f", nearest class {row['nearest']} ({row['nearest_similarity']:.2f})"
        + ("; little like a class" if row["classlike"] < 0.5 else "")
        + (f"; {row['refused']:.0%} nearer to rejected images" if row["refused"] > 0 else "")
        for row in chosen.to_dict("records")
    ]


def expect(chosen: pd.DataFrame, _: Aim) -> pd.Series:
    """How likely an image is of a class with next to no labels, or of the topic: by its group."""
    return chosen["likely"]
