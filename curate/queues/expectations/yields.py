"""What looks come to: how many give what a recipe promises, learnt from the answers so far.

What a recipe expects stands on what the pool is made of (`makeup`), as labelled images tell. Every
answer to an image that had none when the model saw it tells how far that is right, and what a queue
expects is corrected by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.names import UNKNOWN
from curate.queues.expectations.logistic import chance_of, log_odds, shift
from curate.queues.expectations.outcomes import HITS

KNOTS: NDArray[np.float64] = np.linspace(0, 1, 21, dtype=np.float64)
"""Where a curve from expected to real yields has a value; between two it is straight."""

WIDTH = 0.1
"""An outcome counts for yields near its own: the width of a bell curve."""

PRIOR_LOOKS = 10.0
"""What was believed before weighs as much as so many looks: ten hits or misses move a yield half
of the way."""

FEW = 10
"""With fewer outcomes, a recipe that cannot say what to expect keeps silent."""


PROMISES_CLASS = frozenset({"low-count", "staged", "look-alike", "unknown"})
"""Recipes that expect the image to be of one of the classes that the model says."""

PROMISES_FAULT = frozenset({"uncertain", "uncertain-entropy", "uncertain-confidence", "disagree"})
"""Recipes that expect the model to be wrong."""

PROMISES_JUNK = frozenset({"low-score"})
"""Recipes that expect what is strange to be junk. Where a recipe promises any class and says
nothing, what is not strange is of one."""


def foreseen(
    queue: pd.DataFrame, recipe: str, kinds: pd.DataFrame, calibration: Calibration
) -> pd.DataFrame:
    """Say of a queue what its looks will come to.

    Parameters
    ----------
    queue : DataFrame
        `QUEUE_COLUMNS`, as the recipe made it.
    recipe : str
        Which.
    kinds : DataFrame
        By image id, known and strange: how likely it is of which kind (`makeup.Makeup.of`). Missing
        where nobody can say.
    calibration : Calibration
        What earlier looks came to.

    Returns
    -------
    DataFrame
        The queue, with the columns known, expected (before any answer: the input of the
        calibration) and calibrated (what to show).
    """
    strange = queue["image_id"].map(kinds["strange"]).astype("float64")
    expected = queue["expected"].astype("float64")
    if recipe in PROMISES_JUNK:
        expected = expected.fillna(strange)
    elif recipe not in HITS:
        expected = expected.fillna(1 - strange)
    return queue.assign(
        known=queue["image_id"].map(kinds["known"]).astype("float64"),
        expected=expected,
        calibrated=calibration.of(recipe, expected),
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """From what was expected to what looks came to; made by `fitted`.

    Attributes
    ----------
    right : ndarray, shape (21,)
        At `KNOTS`: of images that are likely so right, the share that are what they are predicted
        as.
    of_class : ndarray, shape (21,)
        The same for being of some class at all.
    curves : dict of str to ndarray
        By recipe: of looks that were expected to succeed like `KNOTS`, the share that did.
    rates : dict of str to float
        By recipe with `FEW` outcomes or more: the share of looks that came to something.
    """

    right: NDArray[np.float64]
    of_class: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    rates: Mapping[str, float]

    def of(self, recipe: str, expected: pd.Series) -> pd.Series:
        """Correct what a recipe expects.

        Parameters
        ----------
        recipe : str
            The recipe.
        expected : Series of float
            Between 0 and 1, before any answer; missing where nothing is said.

        Returns
        -------
        Series of float
            Between 0 and 1, in the same order as `expected` where both are there. A missing value
            becomes the share of the recipe's looks that came to something, where that is known.
        """
        raw = expected.astype("float64")
        curve = self.curves.get(recipe, _prior(recipe, self.right, self.of_class))
        said = pd.Series(np.interp(raw, KNOTS, curve), expected.index, name=expected.name)
        return said.where(raw.notna(), self.rates.get(recipe, float("nan")))


def fitted(outcomes: pd.DataFrame, checked: pd.DataFrame) -> Calibration:
    """Learn what looks come to.

    All answers shift the odds of all chances (`logistic.shift`), so that few tell much of all, and
    what is nearly certain stays so. From there starts the curve of a recipe that promises a class,
    an error of the model, junk or any class; that of others, from what it expects. Near each
    outcome of its own it moves towards what came of it: by the mean of (hit − believed) of the
    outcomes around, shrunk as if `PRIOR_LOOKS` more looks had gone as believed (the posterior mean
    of a normal mean with a normal prior). Then neighbours that do not rise are pooled (isotonic
    regression), as what is likelier never hits less.

    Parameters
    ----------
    outcomes : DataFrame
        `OUTCOME_COLUMNS`; the order of rows does not matter.
    checked : DataFrame
        As `checked` gives it.

    Returns
    -------
    Calibration
        Without outcomes, it changes nothing.
    """
    right = _bent(checked["chance"], checked["right"])
    of_class = _bent(1 - checked["strange"], checked["of_class"])
    curves, rates = {}, {}
    for name, rows in outcomes.groupby("recipe"):
        recipe = str(name)
        prior = _prior(recipe, right, of_class)
        curves[recipe] = _learnt(prior, rows["expected"], rows["hit"])
        if len(rows) >= FEW:
            rates[recipe] = float(rows["hit"].mean())
    return Calibration(right, of_class, curves, rates)


def checked(candidates: pd.DataFrame, chances: pd.DataFrame) -> pd.DataFrame:
    """Find the images that a model predicted while they were in the pool and that have answers now.

    Parameters
    ----------
    candidates : DataFrame
        `CANDIDATE_COLUMNS`, also of labelled and rejected images.
    chances : DataFrame
        Indexed like these: right and strange (`makeup.Makeup.of`).

    Returns
    -------
    DataFrame
        chance (that the image shows what is predicted), strange, right (whether the answer is the
        class that was predicted), of_class (whether it is any class).
    """
    later = candidates["label_run"] > candidates["run_id"]
    refused = candidates["rejected"].fillna(False).astype(bool)
    rows = candidates[later.fillna(False) & (candidates["label"].notna() | refused)]
    kept = ~refused.loc[rows.index]
    right = (rows["label"] == rows["predicted"]).fillna(False) & kept
    of_class = rows["label"].notna() & (rows["label"] != UNKNOWN).fillna(False) & kept
    said = chances.loc[rows.index]
    return pd.DataFrame(
        {
            "chance": said["right"].astype("float64"),
            "strange": said["strange"].astype("float64"),
            "right": right.astype(bool),
            "of_class": of_class.astype(bool),
        }
    )


def _prior(
    recipe: str, right: NDArray[np.float64], of_class: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give what is believed of a recipe before it has outcomes of its own."""
    if recipe in PROMISES_CLASS:
        return right
    if recipe in PROMISES_FAULT:
        # Wrong where it is not right: the same curve, seen from the other end.
        return 1 - right[::-1]
    if recipe in PROMISES_JUNK:
        return 1 - of_class[::-1]
    return KNOTS if recipe in HITS else of_class


def _bent(chance: pd.Series, hit: pd.Series) -> NDArray[np.float64]:
    """Give the curve that all answers make of chances, at `KNOTS`."""
    there = chance.notna().to_numpy()
    x, y = chance.to_numpy("float64")[there], hit.to_numpy("float64")[there]
    # Sums of floats depend on their order, and the order of rows must not matter.
    order = np.lexsort((y, x))
    return chance_of(log_odds(KNOTS) + shift(x[order], y[order] > 0))


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
