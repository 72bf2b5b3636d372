"""What counts towards a count cutoff, of a class or a sub-class.

A count is of *units*: groups, so that a burst of five frames counts once, or images. A group with a
real image of the class is a real unit of it; one with only staged and synthetic ones is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COUNTS = ("groups", "images")
"""What can be counted."""


def most_staged(min_count: int, staged_share: float) -> int:
    """How many staged and synthetic units count towards a min-count, at most."""
    # The nudge keeps 0.29 * 100 from counting as 28.
    return int(staged_share * min_count + 1e-9)


def counted(
    real: NDArray[Any], others: NDArray[Any], min_count: int, staged_share: float
) -> NDArray[Any]:
    """Count units towards a min-count.

    Parameters
    ----------
    real, others : ndarray of int, shape (classes,)
        Usable real units of each class, and those of staged and synthetic images only.
    min_count : int
        The cutoff.
    staged_share : float
        The share of it that staged and synthetic units may fill.

    Returns
    -------
    ndarray of int, shape (classes,)
        Real units, and others up to their share.
    """
    return np.asarray(real + np.minimum(others, most_staged(min_count, staged_share)))


def units(
    kind: NDArray[np.int64], group: NDArray[np.int64], real: NDArray[np.bool_], kinds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the groups of each kind: those with a real image of the kind, and the others.

    Parameters
    ----------
    kind : int array, shape (n,)
        The class or sub-class of each image, from 0.
    group : int array, shape (n,)
        The group of each image, from 0. Give every image its own to count images.
    real : bool array, shape (n,)
        Whether the image is real.
    kinds : int
        How many classes or sub-classes there are.

    Returns
    -------
    real, others : int arrays, shape (kinds,)
        A group that holds images of two kinds counts for each of them.
    """
    wide = int(group.max(initial=0)) + 1
    cells = kind * wide + group
    every = np.bincount(distinct(cells) // wide, minlength=kinds)
    genuine = np.bincount(distinct(cells[real]) // wide, minlength=kinds)
    return genuine.astype(np.int64), (every - genuine).astype(np.int64)


def distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct numbers, sorted; several times faster than the hashing of `np.unique`."""
    ordered = np.sort(numbers)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered
