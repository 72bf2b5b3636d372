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
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def line(odds: Floats, hit: Truths) -> tuple[float, float]:
    """Fit the odds of hits by a line (J. Platt, "Probabilistic outputs for SVMs", 1999).

    Parameters
    ----------
    odds : ndarray, shape (N,)
        Logarithms of the odds that were expected.
    hit : ndarray of bool, shape (N,)

    Returns
    -------
    (float, float)
        Where the line begins, and its slope: the mode of the posterior, where the prior is a normal
        distribution of standard deviation 1 around (0, 1), which changes nothing.
    """
    prior = np.array([0.0, 1.0])
    at = prior.copy()
    terms = np.column_stack([np.ones(len(odds)), odds])
    for _ in range(_STEPS):
        chance = chance_of(terms @ at)
        slope = terms.T @ (hit - chance) - (at - prior)
        bend = (terms * (chance * (1 - chance))[:, None]).T @ terms + np.eye(2)
        step = np.linalg.solve(bend, slope)
        at = at + step
        if np.abs(step).max() < _STILL:
            break
    return float(at[0]), float(at[1])


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
    odds, found = log_odds(chance), 0.0
    for _ in range(_STEPS):
        now = chance_of(odds + found)
        step = float(((hit - now).sum() - found) / ((now * (1 - now)).sum() + 1))
        found += step
        if abs(step) < _STILL:
            break
    return found
