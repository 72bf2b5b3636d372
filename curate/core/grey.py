"""A picture and its grey versions, each made once for all who ask."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from PIL import Image

from curate.core.images import Pixels

Size = tuple[int, int]


class Shades:
    """Upright RGB pixels, the same picture in grey, and that in the sizes that are asked for."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self._made: dict[Size, Pixels] = {}

    @cached_property
    def grey(self) -> Pixels:
        """The picture in grey: uint8, shape (height, width)."""
        return to_grey(self.pixels)

    def resized(self, size: Size) -> Pixels:
        """Give the grey picture in a size (width, height), as Pillow's Lanczos filter makes it."""
        if size not in self._made:
            small = Image.fromarray(self.grey).resize(size, Image.Resampling.LANCZOS)
            self._made[size] = np.asarray(small)
        return self._made[size]


def to_grey(pixels: Pixels) -> Pixels:
    """Make a picture grey as Pillow does (ITU-R 601-2 luma)."""
    # Pillow's own pictures have four bytes a pixel: given four, it need not copy them.
    four = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    height, width = pixels.shape[:2]
    image = Image.frombuffer("RGBX", (width, height), four, "raw", "RGBX", 0, 1)
    return np.asarray(image.convert("L"))
