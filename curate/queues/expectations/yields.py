"""What looks come to: how many give what a recipe promises, learnt from the answers so far.

A score says how sure a model is about images like those it learnt from. A pool holds junk and
classes that the model lacks too, so fewer looks succeed than the scores say. Every answer to an
image that a queue offered tells by how much, and what a queue expects is corrected by that. Before
the first answer, `novelty` tells: if more images of the pool are unlike all training images than
known classes would have, the rest must be of something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.queues.expectations.outcomes import HITS, LEAVES_RIGHT_ONES

KNOTS: NDArray[np.float64] = np.linspace(0, 1, 21, dtype=np.float64)
"""Where a curve from expected to real yields has a value; between two it is straight."""

WIDTH = 0.1
"""An outcome counts for yields near its own: the width of a bell curve."""

PRIOR_LOOKS = 10.0
"""What was believed before weighs as much as so many looks: ten hits or misses move a yield half
of the way."""

ABOVE_ONE = 0.05
"""A novelty of 1 is where the farthest images of known classes begin: this share of them."""

FEW = 10
"""With fewer outcomes, a recipe that cannot say what to expect keeps silent."""


PROMISES_CLASS = frozenset({"low-count", "staged", "look-alike", "unknown"})
"""Recipes that expect with a score that the image is of some class."""

PROMISES_FAULT = frozenset({"uncertain", "uncertain-entropy", "uncertain-confidence", "disagree"})
"""Recipes that expect with 1 − a score that the model is wrong."""

PROMISES_JUNK = frozenset({"low-score"})
"""Recipes of which no score says what to expect: what is of no known class may be junk. Where a
recipe promises any class and says nothing, what is of a known class is one."""


def known_chance(novelty: pd.Series, above: float) -> pd.Series:
    """Estimate how likely images are of a class that the model knows.

    Of known images, `ABOVE_ONE` have a novelty above 1, and nearly all others are taken as known.
    So, if a share `above` of the pool is there, ``(1 − above) × ABOVE_ONE / (1 − ABOVE_ONE)`` of
    the pool are known images there, and what is more is something else.

    Parameters
    ----------
    novelty : Series of float
        Of some images; missing where the checkpoint has no statistics.
    above : float
        The share of the pool whose novelty is above 1.

    Returns
    -------
    Series of float
        Between 0 and 1; 1 where novelty is not above 1, missing where novelty is.
    """
    known = (1 - above) * ABOVE_ONE / (1 - ABOVE_ONE)
    chance = min(1.0, known / above) if above > 0 else 1.0
    said = pd.Series(np.where(novelty > 1, chance, 1.0), novelty.index, name="known")
    return said.where(novelty.notna())


def foreseen(
    queue: pd.DataFrame, recipe: str, known: pd.Series, calibration: Calibration
) -> pd.DataFrame:
    """Say of a queue what its looks will come to.

    Parameters
    ----------
    queue : DataFrame
        `QUEUE_COLUMNS`, as the recipe made it.
    recipe : str
        Which.
    known : Series of float
        By image id, how likely the image is of a class that the model knows (`known_chance`).
        Where nothing is said of an image, its scores are taken as they are.
    calibration : Calibration
        What earlier looks came to.

    Returns
    -------
    DataFrame
        The queue, with the columns known, expected (what the scores say, where the image is of a
        known class: the input of the calibration) and calibrated (what to show).
    """
    chance = queue["image_id"].map(known).astype("float64")
    expected = queue["expected"].astype("float64")
    if recipe in PROMISES_CLASS:
        expected = expected * chance.fillna(1.0)
    elif recipe in PROMISES_FAULT:
        expected = 1 - (1 - expected) * chance.fillna(1.0)
    elif recipe in PROMISES_JUNK:
        expected = expected.fillna(1 - chance)
    elif recipe not in HITS:
        expected = expected.fillna(chance)
    return queue.assign(
        known=chance, expected=expected, calibrated=calibration.of(recipe, expected)
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """From what scores expect to what looks came to; made by `fitted`.

    Attributes
    ----------
    right : ndarray, shape (21,)
        At `KNOTS`: of images whose score times `known` is this, the share that are what they are
        predicted as.
    curves : dict of str to ndarray
        By recipe: of looks that were expected to succeed like `KNOTS`, the share that did.
    rates : dict of str to float
        By recipe with `FEW` outcomes or more: the share of looks that came to something.
    """

    right: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    rates: Mapping[str, float]

    def of(self, recipe: str, expected: pd.Series) -> pd.Series:
        """Correct what a recipe expects.

        Parameters
        ----------
        recipe : str
            The recipe.
        expected : Series of float
            Between 0 and 1 by the scores alone; missing where they say nothing.

        Returns
        -------
        Series of float
            Between 0 and 1, in the same order as `expected` where both are there. A missing value
            becomes the share of the recipe's looks that came to something, where that is known.
        """
        raw = expected.astype("float64")
        curve = self.curves.get(recipe, _prior(recipe, self.right))
        said = pd.Series(np.interp(raw, KNOTS, curve), expected.index, name=expected.name)
        return said.where(raw.notna(), self.rates.get(recipe, float("nan")))


def fitted(outcomes: pd.DataFrame, checked: pd.DataFrame | None = None) -> Calibration:
    """Learn what looks come to.

    A curve starts as what was believed before: for what all answers say of the scores, that they
    are right; for recipes that promise a class, or that the model is wrong, what all answers say;
    for others, that expected is real. Near each outcome it moves towards what came of it: by the
    mean of (hit − believed) of the outcomes around, shrunk as if `PRIOR_LOOKS` more looks had gone
    as believed (the posterior mean of a normal mean with a normal prior). Then neighbours that do
    not rise are pooled (isotonic regression), as a higher score never means fewer hits.

    Parameters
    ----------
    outcomes : DataFrame
        `OUTCOME_COLUMNS`; the order of rows does not matter.
    checked : DataFrame, optional
        image_id, score, known, right (bool): images that had no label when the model predicted
        them and have an answer now, whether a queue offered them or not.

    Returns
    -------
    Calibration
        Without outcomes, it changes nothing.
    """
    predicted = outcomes[~outcomes["recipe"].isin(LEAVES_RIGHT_ONES)]
    seen = predicted.assign(right=predicted["answer"] == predicted["predicted"])
    columns = ["image_id", "score", "known", "right"]
    parts = [part[columns] for part in (seen, checked) if part is not None]
    every = pd.concat([part.astype({"right": bool}) for part in parts])
    # Offered by several queues, an image is still one. Which row stays must not depend on order.
    every = every.sort_values(columns).drop_duplicates("image_id")
    right = _learnt(KNOTS, every["score"] * every["known"].fillna(1.0), every["right"])
    curves, rates = {}, {}
    for name, rows in outcomes.groupby("recipe"):
        recipe = str(name)
        curves[recipe] = _learnt(_prior(recipe, right), rows["expected"], rows["hit"])
        if len(rows) >= FEW:
            rates[recipe] = float(rows["hit"].mean())
    return Calibration(right, curves, rates)


def checked(candidates: pd.DataFrame, above: float = 0.0) -> pd.DataFrame:
    """Find the images that a model predicted while they were in the pool and that have answers now.

    Parameters
    ----------
    candidates : DataFrame
        `CANDIDATE_COLUMNS`, also of labelled and rejected images.
    above : float
        The share of the pool whose novelty is above 1.

    Returns
    -------
    DataFrame
        image_id, score, known (see `known_chance`), right (whether the answer is the class that was
        predicted).
    """
    later = candidates["label_run"] > candidates["run_id"]
    refused = candidates["rejected"].fillna(False).astype(bool)
    rows = candidates[later.fillna(False) & (candidates["label"].notna() | refused)]
    right = (rows["label"] == rows["predicted"]).fillna(False) & ~refused.loc[rows.index]
    known = known_chance(rows["novelty"], above)
    return rows[["image_id", "score"]].assign(known=known, right=right.astype(bool))


def _prior(recipe: str, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give what is believed of a recipe before it has outcomes of its own."""
    if recipe in PROMISES_CLASS:
        return right
    if recipe in PROMISES_FAULT:
        # Wrong with 1 − score: the curve of the scores, seen from the other end.
        return 1 - right[::-1]
    return KNOTS


def _learnt(prior: NDArray[np.float64], expected: pd.Series, hit: pd.Series) -> NDArray[np.float64]:
    there = expected.notna().to_numpy()
    x = expected.to_numpy("float64")[there]
    y = hit.to_numpy("float64")[there]
    # Sums of floats depend on their order, and the order of rows must not matter.
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    near = np.exp(-0.5 * ((KNOTS[:, None] - x) / WIDTH) ** 2)
    weight = PRIOR_LOOKS + near.sum(axis=1)
    moved = prior + near @ (y - np.interp(x, KNOTS, prior)) / weight
    return np.clip(monotone(moved, weight), 0, 1)


def monotone(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the non-decreasing values nearest to these (weighted squares).

    Pool adjacent violators: M. Ayer et al., "An empirical distribution function for sampling with
    incomplete information", Annals of Mathematical Statistics 26 (1955).

    Parameters
    ----------
    values, weights : ndarray, shape (n,)
        Weights are above 0.

    Returns
    -------
    ndarray, shape (n,)
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            before, its, size = blocks.pop()
            both = its + block[1]
            block = ((before * its + block[0] * block[1]) / both, both, size + block[2])
        blocks.append(block)
    sizes = [size for _, _, size in blocks]
    return np.repeat(np.array([value for value, _, _ in blocks], np.float64), sizes)
