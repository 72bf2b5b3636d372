"""How one image of a training is made: by a thread, or by a worker process of the engine.

This runs in worker processes, so it does not import pandas. Torch it does: albumentations loads it
anyway.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from curate.augment.policy import compile_policy
from curate.core.files import NotReadable
from curate.core.images import Pixels
from curate.engine.arena import Arena
from curate.models.preprocess import Preprocessing, with_pillow
from curate.models.reading import read_into
from curate.models.resizing import with_torch
from curate.train.loading.changes import Draw

# What carries a policy out is imported when the first one is compiled. That takes seconds and
# gigabytes of addresses, and so it is done before the limits of an image count.
compile_policy("")

ORDER_BYTES = 8192
"""Room for a packed order: a recipe has 2,000 characters at most."""


@dataclass(frozen=True)
class Order:
    """What is to be made of one image.

    Attributes
    ----------
    at : int
        Its row in the memory of prepared pixels.
    image_id : str
        What the file must hold.
    ready : bool
        Whether its prepared pixels are there already.
    draw : Draw or None
        The variant; None for the pixels as they are.
    """

    at: int
    image_id: str
    ready: bool
    draw: Draw | None

    def pack(self, into: NDArray[np.uint8]) -> None:
        """Write the order into the place where its pixels will be."""
        packed = pickle.dumps(self, pickle.HIGHEST_PROTOCOL)
        into[: len(packed)] = np.frombuffer(packed, np.uint8)


@dataclass(frozen=True)
class Memory:
    """Where another process keeps the prepared pixels of all images."""

    process: int
    descriptor: int
    images: int


def make(
    order: Order,
    path: bytes,
    pixels: Pixels,
    prepared: Pixels | None,
    preprocessing: Preprocessing,
    by_torch: bool,
) -> None:
    """Make what is ordered.

    Parameters
    ----------
    order : Order
        What.
    path : bytes
        Of the file.
    pixels : ndarray of uint8, shape (height, width, 3)
        Where to.
    prepared : ndarray of uint8, shape (height, width, 3), or None
        The image's row in the memory of prepared pixels; it is filled where it was not ready.
    preprocessing : Preprocessing
        Of the model.
    by_torch : bool
        Whether torch shrinks it, or Pillow.

    Raises
    ------
    NotReadable, NotAnImage, MemoryError
        As `open_content` does, and where the file has changed.
    """
    if order.ready and prepared is not None:
        source = prepared
    else:
        resize = with_torch if by_torch else with_pillow
        content = read_into(path, [pixels], [preprocessing], resize)
        if content.image_id != order.image_id:
            raise NotReadable(f"changed since it was scanned (it is {content.image_id} now)")
        if prepared is not None:
            prepared[...] = pixels
        source = pixels
    if order.draw is not None:
        source = order.draw.of(source, order.image_id)
    if source is not pixels:
        pixels[...] = source


def load(
    path: bytes,
    arrays: Sequence[NDArray[np.uint8]],
    preprocessing: Preprocessing,
    memory: Memory | None,
    by_torch: bool,
) -> None:
    """Make an image in a worker: pixels into the first array, as ordered in the second."""
    pixels, packed = arrays
    order: Order = pickle.loads(packed.tobytes())
    prepared = None if memory is None else opened(memory, pixels.shape)[order.at]
    make(order, path, pixels, prepared, preprocessing, by_torch)


@cache
def opened(memory: Memory, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Map the memory of another process, shape (images, height, width, 3)."""
    # It has no name, but its owner's descriptor can be opened by the same user.
    name = f"/proc/{memory.process}/fd/{memory.descriptor}"
    arena = Arena(memory.images, [shape], os.open(name, os.O_RDWR | os.O_CLOEXEC))
    arena.close()
    return arena.arrays[0]
