"""Connected components of images that have values in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Ints = NDArray[np.int64]


def components(columns: Sequence[_Ints], tied: NDArray[np.bool_]) -> _Ints:
    """Number the connected components: images that share a value, directly or through others.

    Parameters
    ----------
    columns : sequence of int arrays, shape (n,)
        Value numbers, -1 where missing; a missing value ties nothing.
    tied : bool array, shape (n,)
        The images that take part; any other is alone.

    Returns
    -------
    int array, shape (n,)
        For each image the lowest row of its component. Roots hook to the lowest root that a value
        of theirs touches and paths are halved until nothing changes, a few rounds in practice.
    """
    root = np.arange(len(tied), dtype=np.int64)
    links = [_links(values, tied) for values in columns]
    while True:
        before = root
        for who, value in links:
            lowest = np.full(int(value.max(initial=-1)) + 1, len(root), dtype=np.int64)
            np.minimum.at(lowest, value, root[who])
            root = root.copy()
            np.minimum.at(root, root[who], lowest[value])
        while not np.array_equal(root, root[root]):
            root = root[root]
        if np.array_equal(root, before):
            return root


def _links(values: _Ints, tied: NDArray[np.bool_]) -> tuple[_Ints, NDArray[Any]]:
    who = np.flatnonzero(tied & (values >= 0))
    value = values[who]
    shared = np.bincount(value, minlength=1)[value] > 1
    return who[shared], value[shared]
