"""Normal distributions of few numbers: fitted to weighted points, and how dense they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_POINTS = 10.0
"""What was believed before weighs as much as so many points: of how far they spread, of shares."""

PRIOR_PLACE = 1.0
"""What was believed of where they lie weighs less. How images spread is much the same for all
kinds, but a kind lies where it lies: with ten points, a few dozen images of a kind far off would
make a broad distribution that reaches back to where the others are."""

_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Normal:
    """A normal distribution.

    Attributes
    ----------
    mean : ndarray, shape (D,)
    spread : ndarray, shape (D, D)
        The covariance, positive definite.
    """

    mean: Floats
    spread: Floats

    def log_density(self, points: Floats) -> Floats:
        """Give the logarithm of the density, shape (N,), at points, shape (N, D)."""
        lower = np.linalg.cholesky(self.spread)
        apart = np.linalg.solve(lower, (points - self.mean).T)
        width = np.log(np.diag(lower)).sum() + 0.5 * len(self.mean) * np.log(2 * np.pi)
        return np.asarray(-0.5 * (apart * apart).sum(axis=0) - width, np.float64)


def fitted(points: Floats, weights: Floats, prior: Normal) -> Normal:
    """Fit a distribution to weighted points.

    Parameters
    ----------
    points : ndarray, shape (N, D)
    weights : ndarray, shape (N,)
        Not negative; all may be 0.
    prior : Normal
        What is believed without points; its mean weighs as `PRIOR_PLACE`, its spread as
        `PRIOR_POINTS`.

    Returns
    -------
    Normal
        Mean and covariance of the points and of the believed ones together, which is the posterior
        mode of the conjugate (normal-inverse-Wishart) prior up to its constants.
    """
    total = weights.sum()
    mean = (weights @ points + PRIOR_PLACE * prior.mean) / (total + PRIOR_PLACE)
    apart = points - mean
    moved = prior.mean - mean
    spread = (apart * weights[:, None]).T @ apart
    spread += PRIOR_PLACE * np.outer(moved, moved) + PRIOR_POINTS * prior.spread
    return Normal(mean, spread / (total + PRIOR_POINTS) + _LEAST * np.eye(len(mean)))
