"""How unlike everything that a model was trained on an image is: an angle between features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.errors import InputError

RANK = 128
"""Directions, at most, in which the variation within classes is described one by one."""

QUANTILE = 0.95
"""Of the distances of held-out images; what lies there has a novelty of 1."""

LARGEST = 64 * 1000**2
"""Bytes of statistics that are read; 1,500 classes of 2,048 features are 6.7 MB."""

_AGAIN = "Train it again, or take another file"


@dataclass(frozen=True, eq=False)
class Novelty:
    """Statistics of the features of the training images of one model.

    A feature vector is brought to length 1 and centred; the directions in which images of one and
    the same class differ are damped; what is left is compared by its angle with every class.

    Attributes
    ----------
    centre : ndarray of float32, shape (D,)
        Mean of the training features, each of length 1.
    damped : ndarray of float16, shape (D, R)
        Orthogonal columns B, at most `RANK`, none longer than 1: ``z - B (B' z)`` is damped z.
    classes : ndarray of float16, shape (K, D)
        The damped mean of each class, of length 1, in an order of their own.
    scale : ndarray of float64, shape (1,)
        The distance that has a novelty of 1.
    """

    centre: NDArray[np.float32]
    damped: NDArray[np.float16]
    classes: NDArray[np.float16]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            _check_numbers(name, getattr(self, name), dtype)
        width = self.width
        rank = self.damped.shape[1] if self.damped.ndim == 2 else -1
        number = len(self.classes) if self.classes.ndim else 0
        expected = {
            "centre": (width,),
            "damped": (width, rank),
            "classes": (number, width),
            "scale": (1,),
        }
        shapes = {name: getattr(self, name).shape for name in expected}
        if shapes != expected or not width or not number or not 0 <= rank <= width:
            raise InputError(
                f"novelty statistics of shapes {shapes}",
                "all are of one number of features, with a class or more",
                _AGAIN,
            )
        if not self.scale[0] > 0:
            raise InputError(f"novelty scale {self.scale[0]}", "it is above 0", _AGAIN)

    @property
    def width(self) -> int:
        """How many features an image has."""
        return self.centre.size

    def distance(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Say how far images are from everything that was trained on.

        Parameters
        ----------
        features : ndarray of float, shape (N, D)
            What the model's classifier gets: pooled, flattened.

        Returns
        -------
        ndarray of float64, shape (N,)
            From 0. The farthest 5 % of the held-out images of known classes lie above 1. NaN where
            a feature is NaN or infinite.

        Raises
        ------
        InputError
            Another number of features.
        """
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != self.width:
            raise InputError(
                f"features of shape {features.shape}",
                f"this checkpoint's images have {self.width}",
                "Give the features of the checkpoint that holds the statistics",
            )
        return np.asarray(_angle(features, self.centre, *self._wide) / self.scale[0])

    def whitened(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Give features (N, D) centred and damped, each of length 1: what cosines compare.

        A row that is zero or not finite becomes zero.
        """
        rows = np.asarray(features, np.float32)
        fine = np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)
        moved = _unit(np.where(fine[:, np.newaxis], rows, 0)) - self.centre
        moved[~fine] = 0
        return np.asarray(_unit(_damp(moved, self._wide[0])))

    @cached_property
    def _wide(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # Widened once: for every batch it would take as long as the rest.
        return self.damped.astype(np.float32), self.classes.astype(np.float32)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the statistics by name, as a checkpoint stores them."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Novelty:
        """Read what `to_arrays` gave.

        Raises
        ------
        InputError
            Arrays that are missing, left over, too large, of another type or shape, not finite,
            or out of range.
        """
        if arrays.keys() != _DTYPES.keys():
            raise InputError(
                f"novelty statistics {', '.join(sorted(arrays)) or '(none)'}",
                f"they are {', '.join(_DTYPES)}",
                _AGAIN,
            )
        size = sum(array.nbytes for array in arrays.values())
        if size > LARGEST:
            raise InputError(
                f"novelty statistics of {size:,} bytes", f"at most {LARGEST:,} are read", _AGAIN
            )
        return cls(**arrays)


def fit(features: NDArray[Any], labels: NDArray[np.int64], held_out: NDArray[Any]) -> Novelty:
    """Take the statistics of a model's training images.

    Parameters
    ----------
    features : ndarray of float, shape (N, D)
        Of training images, without augmentation. Rows with NaN or infinity are left out.
    labels : ndarray of int64, shape (N,)
        The class of each; which number stands for which class does not matter.
    held_out : ndarray of float, shape (M, D)
        Of images of the same classes that were not trained on. They set the scale.

    Returns
    -------
    Novelty
        The same, bit for bit, for any order of the rows and any numbering of the classes.

    Raises
    ------
    InputError
        No usable row on either side.

    Notes
    -----
    The covariance within classes is shared by all of them, as in K. Lee et al., "A Simple Unified
    Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018, and
    shrunk by O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", J. Multivariate Analysis 88 (2004). Its `RANK` largest eigenvalues are kept and the
    others replaced by their mean, so that it is small on disk. The angle after whitening is the
    cosine scoring of N. Dehak et al., "Front-End Factor Analysis for Speaker Verification", IEEE
    TASLP 19 (2011).
    """
    rows, numbers = _in_order(features, labels)
    held = np.asarray(held_out)[np.isfinite(held_out).all(axis=1)]
    if not len(rows) or not len(held):
        raise InputError(
            f"{len(rows)} usable training features and {len(held)} held-out ones",
            "novelty is measured from one or more of each",
            "Give more images, or leave novelty out",
        )
    unit = _unit(rows.astype(np.float64))
    sums = np.zeros((numbers.max() + 1, unit.shape[1]))
    np.add.at(sums, numbers, unit)
    means = sums / np.bincount(numbers)[:, np.newaxis]
    centre = unit.mean(axis=0).astype(np.float32)
    # The order that a file keeps: another one would round differently after loading.
    damped = _damping(unit - means[numbers]).astype(np.float16, order="C")
    classes = _unit(_damp(means - centre, damped.astype(np.float64))).astype(np.float16)
    wide = damped.astype(np.float32), classes.astype(np.float32)
    distances = _angle(held, centre, *wide)
    # Of images that all lie on their class the scale would be 0.
    scale = np.array([max(np.quantile(distances, QUANTILE), 1e-6)])
    return Novelty(centre, damped, classes, scale)


_DTYPES: dict[str, type[np.floating[Any]]] = {
    "centre": np.float32,
    "damped": np.float16,
    "classes": np.float16,
    "scale": np.float64,
}


def _in_order(
    features: NDArray[Any], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sort the usable rows by their content and number classes as they come: sums round alike."""
    rows = np.ascontiguousarray(features, np.float32)
    fine = np.isfinite(rows).all(axis=1)
    # -0.0 and 0.0 are equal numbers and must be equal bytes.
    rows, labels = rows[fine] + np.float32(0), np.asarray(labels)[fine]
    if not len(rows):
        return rows, labels
    order = np.argsort(rows.view(np.dtype((np.void, rows.strides[0]))).ravel(), kind="stable")
    rows, labels = rows[order], labels[order]
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    return rows, np.argsort(np.argsort(first))[numbers]


def _damping(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give B such that ``z - B (B' z)`` is z whitened by the covariance of these, to a factor."""
    number, width = residuals.shape
    covariance = residuals.T @ residuals / number
    typical = np.trace(covariance) / width
    rank = min(RANK, width - 1)
    if not typical or not rank:
        return np.zeros((width, 0))
    shrinkage = _shrinkage(residuals, covariance, typical)
    from scipy.linalg import eigh  # takes long to import, and who asks for novelty needs none of it

    values, vectors = eigh(covariance, subset_by_index=[width - rank, width - 1])
    values = shrinkage * typical + (1 - shrinkage) * values
    rest = max((width * typical - values.sum()) / (width - rank), 1e-6 * typical)
    # Not min(1, rest / values): of two images in one class, values may be 0.
    keep = 1 - np.sqrt(rest / np.maximum(values, rest))
    return np.asarray(vectors * np.sqrt(keep))


def _shrinkage(
    residuals: NDArray[np.float64], covariance: NDArray[np.float64], typical: float
) -> float:
    """Ledoit and Wolf's share of the identity, between 0 and 1 (their lemma 3.2 to 3.5)."""
    number, width = residuals.shape
    square = (covariance**2).sum()
    unlike = square - width * typical**2
    noise = (((residuals**2).sum(axis=1) ** 2).sum() / number - square) / number
    return float(min(max(noise, 0.0), unlike) / unlike) if unlike > 0 else 1.0


def _angle(
    features: NDArray[Any],
    centre: NDArray[np.float32],
    damped: NDArray[np.float32],
    classes: NDArray[np.float32],
) -> NDArray[np.float64]:
    """One minus the cosine to the nearest class, shape (N,), from 0 to 2; NaN where not finite."""
    fine = np.isfinite(features).all(axis=1)
    safe = np.where(fine[:, np.newaxis], features, 0).astype(np.float64)
    # Single precision is enough behind the centring, and twice as fast.
    rows = _unit(_damp((_unit(safe) - centre).astype(np.float32), damped))
    nearest = (rows @ classes.T).max(axis=1).astype(np.float64)
    return np.where(fine, np.clip(1 - nearest, 0, 2), np.nan)


def _damp(rows: NDArray[Any], damped: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(rows - (rows @ damped) @ damped.T)


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Bring rows to length 1; a row of zeros stays."""
    # Divided by the largest number first, so that no square is too large or too small.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = rows / np.where(largest > 0, largest, 1)
    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(length > 0, length, 1))


def _check_numbers(name: str, array: NDArray[Any], dtype: type[np.floating[Any]]) -> None:
    # Everything is made of vectors of length 1: larger numbers were not written by `fit`.
    if array.dtype != dtype or not np.isfinite(array).all() or (np.abs(array) > 2).any():
        raise InputError(
            f"novelty {name} of {array.dtype}",
            f"it is {np.dtype(dtype)}, all finite and between -2 and 2",
            _AGAIN,
        )
