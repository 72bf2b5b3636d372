"""What a plan would cost: how many wanted images go with the others, by the answers so far."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curate.cleanup.recipes import ANSWERS, NOBODY, Recipe
from curate.core.losses import FEW, bounds, losses
from curate.core.names import REJECTED

COLUMNS = ("rule", "images", "looked", "wanted_lost", "low", "high", "basis")
"""`looked`: answers that the estimate rests on; wanted_lost, low and high (95 % bounds) are missing
where nobody knows; `basis` says what the estimate rests on."""

_EDGES = tuple(step / 20 for step in range(1, 21))
"""Bounds of the buckets of scores: answers count for images of about their score."""


def by_answers(images: int, answers: pd.DataFrame) -> dict[str, Any]:
    """Estimate by answers to images that the same recipe names.

    Parameters
    ----------
    images : int
        How many would go.
    answers : DataFrame
        answer (a class or *unknown*: wanted; *rejected*: not) and by_person (whether a person gave
        it, not a folder or a manifest): of decided images that the recipe names.

    Returns
    -------
    dict
        `COLUMNS` without rule. Bounds after Clopper and Pearson (Biometrika 26, 1934). Answers of
        people count alone where there are `losses.FEW` of them: what a folder of labelled images
        holds was chosen by somebody, and hardly any of it is junk.
    """
    persons = answers[answers["by_person"].astype(bool)]
    counted = persons if len(persons) >= FEW else answers
    looked = len(counted)
    if not looked:
        return _row(images, 0, NOBODY)
    wanted = int((counted["answer"] != REJECTED).sum())
    low, high = bounds(np.array([wanted]), np.array([looked]))
    basis = "answers of people" if len(persons) >= FEW else "all answers"
    return _row(images, looked, basis, wanted / looked, float(low[0]), float(high[0]))


def by_scores(scores: pd.Series, decided: pd.DataFrame) -> dict[str, Any]:
    """Estimate by answers to images with scores like those that would go.

    Parameters
    ----------
    scores : Series
        Of the images that would go.
    decided : DataFrame
        As `losses.losses` takes it.

    Returns
    -------
    dict
        `COLUMNS` without rule.
    """
    images = len(scores)
    values = np.sort(scores.dropna().to_numpy("float64"))
    if not images or len(values) < images:
        return _row(images, 0, NOBODY)
    up_to = np.searchsorted(values, np.asarray(_EDGES), side="right")
    last = losses(decided, up_to, images, _EDGES).iloc[-1]
    looked = int(last["looked"])
    if np.isnan(last["wanted_lost"]):
        return _row(images, looked, NOBODY)
    shares = [float(last[name]) / images for name in ("wanted_lost", "low", "high")]
    basis = {"fair": "a fair sample", "all": "all answers"}[str(last["sample"])]
    return _row(images, looked, basis, *shares)


def of_recipe(recipe: Recipe, images: int, answers: pd.DataFrame) -> dict[str, Any]:
    """Estimate for one of cleanup's own recipes; see `Recipe.cost`."""
    if recipe.cost == ANSWERS:
        return by_answers(images, answers)
    if recipe.cost == NOBODY:
        return _row(images, 0, NOBODY)
    return _row(images, 0, recipe.cost, 0.0, 0.0, 0.0)


def _row(
    images: int,
    looked: int,
    basis: str,
    share: float = float("nan"),
    low: float = float("nan"),
    high: float = float("nan"),
) -> dict[str, Any]:
    return {
        "images": images,
        "looked": looked,
        "wanted_lost": images * share,
        "low": images * low,
        "high": images * high,
        "basis": basis,
    }
