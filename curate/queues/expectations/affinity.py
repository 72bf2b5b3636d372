"""Affinity: whether an image is at home among the labelled images of the class it is taken for.

Of a class that it lacks, a model is often as sure as of its own: it puts such images where those of
a class lie that it knows. But they are alike in more than the model was taught, so each of them
lies nearer to the others than to what is labelled. An image of the class itself lies as near to the
labelled ones as to those of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.queues.filters.spread import directions

NEAREST = 3
"""So many images on either side are compared: one may be mislabelled, or alone."""

MOST = 50
"""Of so many images on either side. Where one side is far more crowded than the other, it is nearer
to everything."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Side:
    """What an image may be near to.

    Attributes
    ----------
    features : ndarray of float32, shape (M, D)
        Of images, of length 1.
    families : ndarray, shape (M,)
        Names the images that look alike. An image is not compared with its own family: that it lies
        near to its other shots tells nothing of the class.
    """

    features: NDArray[Any]
    families: NDArray[Any]

    def distance(self, features: NDArray[Any], families: NDArray[Any]) -> Floats:
        """Give the mean distance, 1 - cosine, to the `NEAREST` others; missing where fewer are.

        Parameters
        ----------
        features : ndarray of float32, shape (N, D)
            Of length 1.
        families : ndarray, shape (N,)

        Returns
        -------
        ndarray, shape (N,)
        """
        if len(self.families) < NEAREST:
            return np.full(len(families), np.nan)
        alike = features @ self.features.T
        alike = np.where(families[:, None] == self.families, -np.inf, alike)
        nearest = np.partition(alike, -NEAREST, axis=1)[:, -NEAREST:].astype(np.float64)
        return np.where(np.isfinite(nearest).all(axis=1), 1 - nearest.mean(axis=1), np.nan)


def affinity(features: NDArray[Any], families: NDArray[Any], labelled: Side, pool: Side) -> Floats:
    """Compare the distances of images taken for one class to both sides.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        Of any length; only directions count.
    families : ndarray, shape (N,)
    labelled : Side
        Labelled images of the class.
    pool : Side
        Images of the pool that are taken for it.

    Returns
    -------
    ndarray, shape (N,)
        ``(p - l) / (p + l)``, from -1 to 1: below 0 where the image is nearer to the pool, at
        distance p, than to what is labelled, at distance l. Missing where one side has fewer than
        `NEAREST` images of other families, and where features are 0 or not finite.
    """
    rows, usable = directions(features)
    near, far = labelled.distance(rows, families), pool.distance(rows, families)
    both = np.where(usable, near + far, np.nan)
    return np.divide(far - near, both, out=np.where(np.isnan(both), np.nan, 0.0), where=both > 1e-9)
