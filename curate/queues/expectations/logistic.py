"""Lines through odds: how chances that are off are brought to what came of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

_STEPS = 25
_STILL = 1e-8


def log_odds(chance: Floats) -> Floats:
    """Give the logarithm of the odds of chances; of what is nearly certain, 9.2 at most."""
    kept = np.clip(chance, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(kept / (1 - kept)), np.float64)


def chance_of(odds: Floats) -> Floats:
    """Give the chances of which these are the logarithms of the odds."""
    return np.asarray(np.exp(-np.logaddexp(0, -odds)), np.float64)


def line(odds: Floats, hit: Truths, weights: Floats | None = None) -> tuple[float, float]:
    """Fit the odds of hits by a line (J. Platt, "Probabilistic outputs for SVMs", 1999).

    Parameters
    ----------
    odds : ndarray, shape (N,)
        Logarithms of the odds that were expected.
    hit : ndarray of bool, shape (N,)
    weights : ndarray, shape (N,), optional
        How much each counts; 1 when missing.

    Returns
    -------
    (float, float)
        Where the line begins, and its slope: the mode of the posterior, where the prior is a normal
        distribution of standard deviation 1 around (0, 1), which changes nothing.
    """
    terms = np.column_stack([np.ones(len(odds)), odds])
    counted = np.ones(len(odds)) if weights is None else weights
    begin, slope = _mode(terms, np.zeros(len(odds)), hit, counted, np.array([0.0, 1.0]))
    return float(begin), float(slope)


def shift(chance: Floats, hit: Truths) -> float:
    """Say by how much the logarithm of odds is off.

    Parameters
    ----------
    chance : ndarray, shape (N,)
        How likely each was to hit.
    hit : ndarray of bool, shape (N,)

    Returns
    -------
    float
        What is to be added: 0 where there are none. The mode of the posterior under a normal prior
        of standard deviation 1 around 0.
    """
    ones = np.ones(len(chance))
    return float(_mode(ones[:, None], log_odds(chance), hit, ones, np.zeros(1))[0])


def _mode(terms: Floats, offset: Floats, hit: Truths, weights: Floats, prior: Floats) -> Floats:
    """Find the mode of a logistic posterior under a normal prior of standard deviation 1.

    Parameters
    ----------
    terms : ndarray, shape (N, K)
        What the coefficients are of.
    offset : ndarray, shape (N,)
        Added to the odds.
    hit : ndarray of bool, shape (N,)
    weights : ndarray, shape (N,)
    prior : ndarray, shape (K,)
        The mean of the prior, where the search begins.

    Returns
    -------
    ndarray, shape (K,)
    """

    def loss(at: Floats) -> float:
        odds = offset + terms @ at
        missed = weights @ (np.logaddexp(0, odds) - odds * hit)
        return float(missed + ((at - prior) ** 2).sum() / 2)

    at = prior.copy()
    for _ in range(_STEPS):
        chance = chance_of(offset + terms @ at)
        slope = terms.T @ (weights * (hit - chance)) - (at - prior)
        bend = (terms * (weights * chance * (1 - chance))[:, None]).T @ terms
        bend += np.eye(len(prior))
        step = np.linalg.solve(bend, slope)
        # A whole step of Newton's may jump far over the mode where the chances are near 0 or 1.
        while loss(at + step) > loss(at) and np.abs(step).max() > _STILL:
            step = step / 2
        at = at + step
        if np.abs(step).max() < _STILL:
            break
    return at
