"""How sure a model may be: the temperature, and what it does to the scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from curate.models.scores import log_softmax

BOUNDS = (0.05, 20.0)
"""Between which the temperature is looked for."""

BINS = 15
"""Of the calibration error, equally wide, as in the source."""


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
