"""Low-count: images that may bring a thin class over min-count.

A class is thin when it counts between 3/4 and 5/4 of min-count in real groups (or images, where
the split counts images): it just misses the cutoff, or just made it. For a plan, every class that
its budget may bring over is thin. Its candidates are the images that are predicted as it, and those
where it comes second by a hair; they come by `portions`.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from curate.queues.recipe import Aim, Reason, Recipe
from curate.queues.recipes import chances, portions

Lacking = Callable[[pd.DataFrame, int, int], pd.DataFrame]


def thin(classes: pd.DataFrame, min_count: int, budget: int = 0) -> pd.DataFrame:
    """Find the classes that just miss or just made the cutoff.

    Parameters
    ----------
    classes : DataFrame
        As `facts.class_counts` gives it.
    min_count : int
        The cutoff.
    budget : int, optional
        A class below the cutoff that lacks no more than this is thin too.

    Returns
    -------
    DataFrame
        By class name: real (what counts), unit (groups, or images where each is alone), short (of
        min-count, at least 0), wanted (images up to min-count, or up to 5/4 of it where min-count
        is reached).
    """
    counted = portions.counted(classes)
    near = (4 * counted["real"] >= 3 * min_count) | (min_count - counted["real"] <= budget)
    found = counted[near & (4 * counted["real"] < 5 * min_count)]
    short = (min_count - found["real"]).clip(lower=0)
    roomy = -(-5 * min_count // 4) - found["real"]
    return found.assign(short=short, wanted=short.where(short > 0, roomy))


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Say where the class stands, and what the image is worth.

    Such as ``gazelle: 38 of 40 real images, 2 short; score 0.83 (61 candidates, about 34 expected
    right)``.
    """
    return [
        f"{portions.standing(row, aim.min_count)}; {portions.chance(row)}"
        for row in chosen.to_dict("records")
    ]


def recipe(help_: str, lacking: Lacking, reason: Reason) -> Recipe:
    """Make a recipe for images that are likely of classes that lack some.

    Parameters
    ----------
    help_ : str
        In one line, which images it brings.
    lacking : callable
        From class counts, min-count and budget to what classes lack, as `portions` has it.
    reason : callable
        See `recipe.Reason`.
    """

    def lack(aim: Aim) -> pd.DataFrame:
        return lacking(aim.classes, aim.min_count, aim.budget)

    return Recipe(
        help_,
        # Only what such a class comes first or second in.
        lambda aim: portions.narrowed(lack(aim), aim.filters),
        lambda candidates, aim: portions.likely(candidates, lack(aim)),
        lambda scored, aim: portions.in_portions(scored, lack(aim)),
        reason,
        chances.of_topic,
        "the class of the topic",
    )
