"""Memory that workers write pixels into and the model reads them from, without a copy between.

It is an anonymous file in memory: workers inherit its descriptor, nothing has a name that could be
left behind, and it goes with the last process that maps it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Bytes = NDArray[np.uint8]


class Arena:
    """Places for pixels, shared with the workers.

    Parameters
    ----------
    places : int
        How many images there is room for.
    shapes : sequence of tuple of int
        What each place holds: one array of bytes for each of these shapes.
    descriptor : int, optional
        Of the parent's arena; a new one is made without it.
    """

    def __init__(self, places: int, shapes: Sequence[Shape], descriptor: int = -1) -> None:
        self.places = places
        self.shapes = tuple(shapes)
        sizes = [places * int(np.prod(shape)) for shape in shapes]
        total = max(1, sum(sizes))
        self.descriptor = descriptor
        if descriptor < 0:
            self.descriptor = os.memfd_create("curate")
            os.ftruncate(self.descriptor, total)
        whole = np.frombuffer(mmap.mmap(self.descriptor, total), np.uint8)
        starts = np.cumsum([0, *sizes])
        self.arrays: list[Bytes] = [
            whole[start : start + size].reshape(places, *shape)
            for start, size, shape in zip(starts, sizes, shapes, strict=False)
        ]

    def at(self, place: int) -> list[Bytes]:
        """Give the arrays of one place."""
        return [array[place] for array in self.arrays]

    def close(self) -> None:
        """Let go of the descriptor; the memory itself lives as long as an array of it does."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
