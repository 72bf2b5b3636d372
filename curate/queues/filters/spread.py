"""Spread: an order of images in which each is as unlike those before it as can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024


def spread(
    features: NDArray[Any], count: int, start: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Choose rows one by one, each the farthest from all that were chosen before.

    Parameters
    ----------
    features : ndarray of float, shape (N, D)
        One row an image, in an order that does not depend on chance (by image id, say): the first
        of equals is chosen. Only directions count. Rows that are zero or not finite have none;
        they are never chosen.
    count : int
        How many rows are wanted.
    start : ndarray of float, shape (M, D), optional
        Images that are covered already. Where there are none, the first row chosen is the one
        nearest to the mean of all.

    Returns
    -------
    ndarray of int64, shape (at most `count`,)
        Row numbers, in the order of choice: a smaller count gives the beginning of a larger one.

    Notes
    -----
    Greedy k-center (T. Gonzalez, Theor. Comput. Sci. 38, 1985), the core-set of O. Sener and S.
    Savarese, ICLR 2018, with the cosine distance: at any length, no row is more than twice as far
    from a chosen one as it would be under the best choice of as many. It takes N x D additions for
    each row chosen, and for each row of `start`.
    """
    rows, usable = directions(features)
    far = np.where(usable, np.float32(np.inf), np.float32(-np.inf))
    for begin in range(0, 0 if start is None else len(start), _BLOCK):
        covered, fine = directions(np.asarray(start)[begin : begin + _BLOCK])
        if fine.any():
            far = np.minimum(far, 1 - (rows @ covered[fine].T).max(axis=1))
    chosen: list[int] = []
    for _ in range(min(count, int(usable.sum()))):
        if not chosen and np.isinf(far).all():
            # Nothing is covered yet: the middle is a better beginning than an edge.
            at = int(np.argmax(np.where(usable, rows @ rows.mean(axis=0), -np.inf)))
        else:
            at = int(np.argmax(far))
        chosen.append(at)
        far = np.minimum(far, 1 - rows @ rows[at])
        far[at] = -np.inf
    return np.array(chosen, np.int64)


def directions(features: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bring rows to length 1, shape (N, D), and say which have a direction; others become zero."""
    with np.errstate(over="ignore"):
        rows: NDArray[np.float32] = np.array(features, np.float32)
    usable = np.asarray(np.isfinite(rows).all(axis=1))
    rows[~usable] = 0
    # By the largest number first, so that no square is too large or too small.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rows /= np.where(largest > 0, largest, 1)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(length > 0, length, 1)
    return rows, usable & (length[:, 0] > 0)
