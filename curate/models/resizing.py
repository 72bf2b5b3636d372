"""Shrinking by torch: Pillow's filters, vectorised. It costs a worker a second to import this.

Pillow stays the reference (`preprocess.with_pillow`): torch rounds between its two passes in
another way, so that some pixels differ by one level of 255, rarely by two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from curate.core.identity import Content
from curate.models.preprocess import Box, Pixels, Preprocessing, with_pillow
from curate.models.reading import read_into

_FILTERS = ("bilinear", "bicubic")


def read_into_fast(
    path: bytes, arrays: Sequence[Pixels], preprocessings: Sequence[Preprocessing]
) -> Content:
    """Read as `read_into` does, in half the time.

    It stands here so that a worker loads torch, which takes 3 GiB of address space and seconds,
    before the limits of a file count.
    """
    return read_into(path, arrays, preprocessings, with_torch)


def with_torch(pixels: Pixels, size: tuple[int, int], interpolation: str, box: Box) -> Pixels:
    """Shrink a whole picture; everything else, and filters that torch lacks, is left to Pillow.

    Where it enlarges, the two differ by more than rounding.
    """
    height, width = pixels.shape[:2]
    whole = box == (0.0, 0.0, float(width), float(height))
    if not whole or interpolation not in _FILTERS or size[0] > height or size[1] > width:
        return with_pillow(pixels, size, interpolation, box)
    if (height, width) == size:
        return pixels
    planes = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).permute(2, 0, 1)
    resized = interpolate(planes[None], size, mode=interpolation, antialias=True)
    return np.asarray(resized[0].permute(1, 2, 0).numpy())
