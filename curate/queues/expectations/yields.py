"""What looks come to: how many give what a recipe promises, learnt from the answers so far.

What a recipe expects stands on what the pool is made of (`makeup`), as labelled images tell. Every
answer to an image that had none when the model saw it tells how far that is right, and what a queue
expects is corrected by it, most of all for the images that arrived with those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core.names import UNKNOWN
from curate.queues.expectations.outcomes import HITS
from curate.queues.expectations.shifts import Shifts, shifts

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

PROMISES_JUNK = frozenset({"low-score", "like-rejected"})
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
        By image id, known and strange: how likely it is of which kind (`makeup.Makeup.of`), missing
        where nobody can say; and group (`makeup.groups_of`).
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
        calibrated=calibration.of(recipe, expected, queue["image_id"].map(kinds["group"])),
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """From what was expected to what looks came to; made by `fitted`.

    Attributes
    ----------
    right : Shifts
        How far off is what is expected of an image to be what it is predicted as.
    of_class : Shifts
        The same for being of some class at all.
    curves : dict of str to ndarray, shape (21,)
        By recipe: of looks that, after this, are expected to succeed like `KNOTS`, the share that
        did.
    rates : dict of str to float
        By recipe with `FEW` outcomes or more: the share of looks that came to something.
    """

    right: Shifts
    of_class: Shifts
    curves: Mapping[str, NDArray[np.float64]]
    rates: Mapping[str, float]

    def of(self, recipe: str, expected: pd.Series, groups: pd.Series) -> pd.Series:
        """Correct what a recipe expects.

        Parameters
        ----------
        recipe : str
            The recipe.
        expected : Series of float
            Between 0 and 1, before any answer; missing where nothing is said.
        groups : Series of str
            Which images have shifts in common (`makeup.groups_of`), indexed alike.

        Returns
        -------
        Series of float
            Between 0 and 1, within a group in the same order as `expected` where both are there. A
            missing value becomes the share of the recipe's looks that came to something, where that
            is known.
        """
        moved = _moved(recipe, expected.astype("float64"), groups, self.right, self.of_class)
        said = pd.Series(
            np.interp(moved, KNOTS, self.curves.get(recipe, KNOTS)), moved.index, name=expected.name
        )
        return said.where(moved.notna(), self.rates.get(recipe, float("nan")))


def fitted(outcomes: pd.DataFrame, checked: pd.DataFrame) -> Calibration:
    """Learn what looks come to.

    All answers shift the odds of all chances, most of all in their own group (`shifts`), so that
    few tell much of all, and what is nearly certain stays so. From there starts the curve of a
    recipe that promises a class, an error of the model, junk or any class; that of others, from
    what it expects. Near each outcome of its own it moves towards what came of it: by the mean of
    (hit − believed) of the outcomes around, shrunk as if `PRIOR_LOOKS` more looks had gone as
    believed (the posterior mean of a normal mean with a normal prior). Then neighbours that do not
    rise are pooled (isotonic regression), as what is likelier never hits less.

    Parameters
    ----------
    outcomes : DataFrame
        `OUTCOME_COLUMNS` and group; the order of rows does not matter.
    checked : DataFrame
        As `checked` gives it.

    Returns
    -------
    Calibration
        Without outcomes, it changes nothing.
    """
    right = shifts(checked["chance"], checked["right"], checked["group"])
    of_class = shifts(1 - checked["strange"], checked["of_class"], checked["group"])
    curves, rates = {}, {}
    for name, rows in outcomes.groupby("recipe"):
        recipe = str(name)
        believed = _moved(recipe, rows["expected"], rows["group"], right, of_class)
        curves[recipe] = _learnt(believed, rows["hit"])
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
        Indexed like these: right and strange (`makeup.Makeup.of`), and group.

    Returns
    -------
    DataFrame
        chance (that the image shows what is predicted), strange, right (whether the answer is the
        class that was predicted), of_class (whether it is any class), group.
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
            "group": said["group"],
        }
    )


def _moved(
    recipe: str, expected: pd.Series, groups: pd.Series, right: Shifts, of_class: Shifts
) -> pd.Series:
    """Give what is believed of looks by all answers, before the recipe has outcomes of its own."""
    if recipe in PROMISES_CLASS:
        return right.of(expected, groups)
    if recipe in PROMISES_FAULT:
        # Wrong where it is not right.
        return 1 - right.of(1 - expected, groups)
    if recipe in PROMISES_JUNK:
        return 1 - of_class.of(1 - expected, groups)
    return expected if recipe in HITS else of_class.of(expected, groups)


def _learnt(believed: pd.Series, hit: pd.Series) -> NDArray[np.float64]:
    there = believed.notna().to_numpy()
    x = believed.to_numpy("float64")[there]
    y = hit.to_numpy("float64")[there]
    # Sums of floats depend on their order, and the order of rows must not matter.
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    near = np.exp(-0.5 * ((KNOTS[:, None] - x) / WIDTH) ** 2)
    weight = PRIOR_LOOKS + near.sum(axis=1)
    return np.clip(monotone(KNOTS + near @ (y - x) / weight, weight), 0, 1)


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
