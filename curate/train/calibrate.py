"""How sure a model may be: the temperature, what it does to scores, and which score is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import beta

from curate.core.errors import InputError
from curate.models.scores import log_softmax

BOUNDS = (0.05, 20.0)
"""Between which the temperature is looked for."""

BINS = 15
"""Of the calibration error, equally wide, as in the source."""

WANTED = (0.9, 0.95, 0.99)
"""Precisions for which a training looks for the score that is enough."""

CONFIDENCE = 0.95
"""Of the lower bound of a precision, on one side."""

_GRID = 1e6
"""Thresholds have six digits after the point, so that they can be typed."""


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Find the temperature under which held-out images are most likely.

    Parameters
    ----------
    logits : ndarray of float, shape (n, K)
        Of images that were not trained on. Rows that are not finite are left out.
    targets : ndarray of int64, shape (n,)
        Index of the right class.

    Returns
    -------
    float
        Between `BOUNDS`; 1 without images.

    Notes
    -----
    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2. That alone
    would make a model certain that gets all of a few images right; so the right class is given
    (n + 1) / (n + 2) and not 1, and the other classes the rest, as in J. Platt, "Probabilistic
    Outputs for Support Vector Machines", 1999, section 2.2.
    """
    fine = np.isfinite(logits).all(axis=1)
    logits, targets = logits[fine], targets[fine]
    number, classes = logits.shape
    if not number or classes < 2:
        return 1.0
    aim = np.full(logits.shape, 1 / (number + 2) / (classes - 1))
    aim[np.arange(number), targets] = (number + 1) / (number + 2)

    def loss(log_temperature: float) -> float:
        return float(-(aim * log_softmax(logits, np.exp(log_temperature))).sum())

    # In logarithms: half and double are equally far from 1.
    found = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def negative_log_likelihood(
    logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float
) -> float:
    """Mean of −log of the probability of the right class (nats); NaN without images."""
    if not len(targets):
        return np.nan
    logs = log_softmax(logits, temperature)
    return float(-logs[np.arange(len(targets)), targets].mean())


def calibration_error(
    logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float
) -> float:
    """Mean distance between how sure a model is and how often it is right (ECE), from 0 to 1.

    Source: as `fit_temperature`, equation 3. NaN without images.
    """
    if not len(targets):
        return np.nan
    sure = np.exp(log_softmax(logits, temperature).max(axis=1))
    right = logits.argmax(axis=1) == targets
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.abs(np.bincount(bins, sure - right, BINS))
    return float(gaps.sum() / len(targets))


def thresholds_of(
    scores: NDArray[Any], right: NDArray[np.bool_], wanted: Sequence[float] = WANTED
) -> pd.DataFrame:
    """Find the smallest score from which on enough images are right.

    A score is enough where, of the images that score at least that much, the wanted share is right
    even if one more of them were wrong. So a few images that are right by chance make no
    threshold: 0.9 needs 10 images, 0.95 needs 20, 0.99 needs 100.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Calibrated score of the best class, from 0 to 1, of images that were not trained on. Those
        that are not finite are left out.
    right : ndarray of bool, shape (n,)
        Whether the best class is the right one.
    wanted : sequence of float
        Precisions, each between 0 and 1.

    Returns
    -------
    DataFrame
        One row a wanted precision, in their order: precision (the wanted one), threshold (NaN where
        it is not reached), images (at or above it), coverage (their share of all), measured (the
        share of them that is right), lower (95 % bound of `measured`, one-sided), reason (why there
        is no threshold, or empty). `lower` takes the threshold as given and not as chosen on the
        same images, so it flatters a little.

    Raises
    ------
    InputError
        A wanted precision is not between 0 and 1.

    Notes
    -----
    The one more that is counted as wrong: R. Barber, E. Candès, "Controlling the false discovery
    rate via knockoffs", Annals of Statistics 43, 2015 (knockoff+). The bound: C. Clopper,
    E. Pearson, Biometrika 26, 1934.
    """
    for precision in wanted:
        if not 0 < precision < 1:
            raise InputError(f"a precision of {precision}", "it lies between 0 and 1", "Try 0.95")
    fine = np.isfinite(scores)
    order = np.argsort(scores[fine])
    scores, right = np.asarray(scores[fine], np.float64)[order], right[fine][order]
    candidates = np.unique(np.floor(scores * _GRID) / _GRID)
    first = np.searchsorted(scores, candidates)
    images = len(scores) - first
    correct = np.concatenate([np.cumsum(right[::-1])[::-1], [0]])[first]
    rows = [_threshold(precision, candidates, images, correct) for precision in wanted]
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"images": int})


_COLUMNS = ["precision", "threshold", "images", "coverage", "measured", "lower", "reason"]


def _threshold(
    precision: float,
    candidates: NDArray[np.float64],
    images: NDArray[np.int64],
    correct: NDArray[np.int64],
) -> dict[str, Any]:
    """Choose among scores, with the numbers of images at or above each and of the right ones."""
    # Both are whole numbers, so that a hair decides nothing but 0.9 · 10 = 9.
    enough = np.flatnonzero(correct - 1 >= precision * images - 1e-9)
    if not len(enough):
        return {"precision": precision, "images": 0, "reason": _why_not(precision, images, correct)}
    at = enough[0]
    number, good = int(images[at]), int(correct[at])
    return {
        "precision": precision,
        "threshold": float(candidates[at]),
        "images": number,
        "coverage": number / int(images[0]),
        "measured": good / number,
        "lower": float(beta.ppf(1 - CONFIDENCE, good, number - good + 1)),
        "reason": "",
    }


def _why_not(precision: float, images: NDArray[np.int64], correct: NDArray[np.int64]) -> str:
    least = int(np.ceil(1 / (1 - precision) - 1e-9))
    allowed = images >= least
    if not allowed.any():
        return f"{least} images are needed, and there are {images[0] if len(images) else 0}"
    best = (correct[allowed] / images[allowed]).max()
    return f"of no {least} images or more that score highest are enough right: at most {best:.1%}"
