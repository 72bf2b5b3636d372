"""What a recipe is made of: score, select, reason; and how they are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from curate.queues.filters import Filters

QUEUE_COLUMNS = (
    "image_id",
    "path",
    "predicted",
    "score",
    "second",
    "second_score",
    "reason",
    "label",
)
"""Columns of a queue; `label` is empty, to be filled in."""

CANDIDATE_COLUMNS = (
    "image_id",
    "path",
    "predicted",
    "score",
    "second",
    "second_score",
    "margin",
    "entropy",
    "energy",
    "label",
    "origin",
)
"""Columns of candidates: the prediction of an image, label (missing in the pool), origin."""

CLOSE = 0.2
"""The best and the second score are close when they differ by no more than this."""


@dataclass(frozen=True)
class Aim:
    """What is asked of a recipe.

    Attributes
    ----------
    classes : DataFrame
        The classes of the library, as `facts.class_counts` gives them.
    min_count : int
        The cutoff below which a class is left out.
    filters : Filters
        What every image of the queue fulfils.
    """

    classes: pd.DataFrame
    min_count: int
    filters: Filters


Narrow = Callable[[Aim], tuple[str, list[object]]]
"""SQL that follows ``SELECT * FROM candidates``, and its values: leaves out what cannot matter."""

Score = Callable[[pd.DataFrame, Aim], pd.DataFrame]
"""From candidates to `worth` (a number; more is better) and `topic` (text: images that are in the
queue for the same thing share it), indexed like the candidates; without those that do not fit."""

Select = Callable[[pd.DataFrame, Aim], pd.DataFrame]
"""From scored candidates to the same rows in the order of the queue."""

Reason = Callable[[pd.DataFrame, Aim], list[str]]
"""From rows of the queue (with `worth`, `topic`, `peers`) to a text for each."""


@dataclass(frozen=True)
class Recipe:
    """A kind of queue: a score, a selection and a reason.

    Attributes
    ----------
    help : str
        In one line, which images it brings.
    narrow : callable
        Keeps away from memory what `score` and `select` would not use; never changes the queue.
    score, select, reason : callable
        See `Score`, `Select`, `Reason`.
    """

    help: str
    narrow: Narrow
    score: Score
    select: Select
    reason: Reason


def compose(recipe: Recipe, candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Make a queue.

    Parameters
    ----------
    candidates : DataFrame
        `CANDIDATE_COLUMNS`, one row an image; those that the filters let through.
    recipe : Recipe
        One of `RECIPES`.
    aim : Aim
        What is asked of it.

    Returns
    -------
    DataFrame
        `QUEUE_COLUMNS` in the order in which the images should be looked at.
    """
    # In the order of ids, so that neither sums nor ties depend on the order of rows.
    known = candidates.sort_values("image_id", ignore_index=True)
    scored = known.join(recipe.score(known, aim), how="inner")
    scored["peers"] = scored.groupby("topic")["topic"].transform("size")
    chosen = recipe.select(scored, aim).head(aim.filters.limit)
    reasons = recipe.reason(chosen, aim)
    had = chosen["label"]
    chosen = chosen.assign(
        reason=[
            reason if pd.isna(label) else f"{reason}; labelled {label}"
            for reason, label in zip(reasons, had, strict=True)
        ],
        label="",
    )
    texts = {name: "string" for name in QUEUE_COLUMNS if not name.endswith("score")}
    return chosen[list(QUEUE_COLUMNS)].astype(texts).reset_index(drop=True)


def highest(scored: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """Select by worth alone, the highest first; the image id decides between equals."""
    return scored.sort_values(["worth", "image_id"], ascending=[False, True])
