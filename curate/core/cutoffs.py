"""What counts towards a class-count cutoff."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def most_staged(min_count: int, staged_share: float) -> int:
    """How many staged and synthetic images count towards a min-count, at most."""
    # The nudge keeps 0.29 * 100 from counting as 28.
    return int(staged_share * min_count + 1e-9)


def counted(
    real: NDArray[Any], others: NDArray[Any], min_count: int, staged_share: float
) -> NDArray[Any]:
    """Count images towards a min-count.

    Parameters
    ----------
    real, others : ndarray of int, shape (classes,)
        Usable real images of each class, and staged and synthetic ones.
    min_count : int
        The cutoff.
    staged_share : float
        The share of it that staged and synthetic images may fill.

    Returns
    -------
    ndarray of int, shape (classes,)
        Real images, and others up to their share.
    """
    return np.asarray(real + np.minimum(others, most_staged(min_count, staged_share)))
