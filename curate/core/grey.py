"""Pictures and their grey versions, of many pictures at once.

Pillow's Lanczos filter is a linear map along each axis, in whole numbers, rounded after each. For
the pictures of one shape these maps are products of matrices, several times as fast as Pillow and
equal to it bit for bit: whole numbers below 2**53 are exact in double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.core.images import Pixels

Size = tuple[int, int]
Values = NDArray[np.float64]

_FRACTION = 22
"""Binary digits behind the point of the weights with which Pillow filters bytes."""

_LONGEST = 512
"""Pixels along a side above which the weights take more time than Pillow."""

_BAND = 8
"""Rows of the weights at a time; outside a narrow band they are zero."""


class Shades:
    """Upright RGB pictures, the same in grey, and those in the sizes that are asked for."""

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self.pictures = pictures

    @cached_property
    def flat(self) -> Pixels:
        """The pixels of all pictures behind each other: uint8, shape (pixels, 3)."""
        parts = [picture.reshape(-1, 3) for picture in self.pictures]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @cached_property
    def flat_grey(self) -> Pixels:
        """The same in grey: uint8, shape (pixels,)."""
        return to_grey(self.flat[np.newaxis]).ravel()

    @cached_property
    def grey(self) -> list[Pixels]:
        """The pictures in grey: uint8, shape (height, width)."""
        shapes = [picture.shape[:2] for picture in self.pictures]
        ends = np.cumsum([height * width for height, width in shapes])
        parts = np.split(self.flat_grey, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def resized(self, size: Size, chosen: Iterable[int] | None = None) -> Values:
        """Give the grey pictures in a size (width, height), as Pillow's Lanczos filter makes them.

        Parameters
        ----------
        size : (int, int)
            Width and height.
        chosen : iterable of int, optional
            Numbers of the pictures; all when not given.

        Returns
        -------
        ndarray of float64, shape (height, width, pictures)
            Whole numbers from 0 to 255.
        """
        greys = self.grey if chosen is None else [self.grey[number] for number in chosen]
        small = np.empty((size[1], size[0], len(greys)))
        for shape in {grey.shape for grey in greys}:
            rows = [row for row, grey in enumerate(greys) if grey.shape == shape]
            resize = _by_products if _across_first(shape, size) else _by_pillow
            small[:, :, rows] = resize([greys[row] for row in rows], size)
        return small


def to_grey(pixels: Pixels) -> Pixels:
    """Make a picture grey as Pillow does (ITU-R 601-2 luma)."""
    # Pillow's own pictures have four bytes a pixel: given four, it need not copy them.
    four = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    height, width = pixels.shape[:2]
    image = Image.frombuffer("RGBX", (width, height), four, "raw", "RGBX", 0, 1)
    return np.asarray(image.convert("L"))


def _across_first(shape: tuple[int, ...], size: Size) -> bool:
    """Whether every Pillow filters lines first and columns then, and the weights are worth it.

    From 13.0 on it is the other way round where the height shrinks by more than twice as many
    pixels as the width: the rounding in between then differs.
    """
    narrower, lower = shape[1] - size[0], shape[0] - size[1]
    return lower <= max(0, 2 * narrower) and max(*shape, *size) <= _LONGEST


def _by_pillow(greys: Sequence[Pixels], size: Size) -> Values:
    images = [Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS) for grey in greys]
    return np.stack([np.asarray(image) for image in images], axis=2).astype(np.float64)


def _by_products(greys: Sequence[Pixels], size: Size) -> Values:
    height = len(greys[0])
    lines = np.concatenate(greys).astype(np.float64)
    # Each pass turns the picture, and two of them set it upright again.
    across = _filtered(lines, size[0]).reshape(size[0] * len(greys), height)
    return _filtered(across, size[1]).reshape(size[1], size[0], len(greys))


def _filtered(lines: Values, length: int) -> Values:
    """Filter lines of whole numbers to another length; of shape (length, lines), so turned."""
    if lines.shape[1] == length:
        return lines.T.copy()
    made = np.empty((length, len(lines)))
    for row, first, weights in _bands(lines.shape[1], length):
        inside = lines[:, first : first + weights.shape[1]]
        np.matmul(weights, inside.T, out=made[row : row + len(weights)])
    made += 0.5
    np.floor(made, out=made)
    return np.clip(made, 0, 255, out=made)


@lru_cache(maxsize=512)
def _bands(length: int, wanted: int) -> list[tuple[int, int, Values]]:
    """Give the weights that take lines of a length to another, in bands: row, column, weights.

    Pillow itself gives them: a line that is 1 in one place shows what that place counts for.
    """
    ones = Image.fromarray(np.eye(length, dtype=np.int32) << _FRACTION)
    filtered = ones.resize((wanted, length), Image.Resampling.LANCZOS)
    weights = np.asarray(filtered).T / float(1 << _FRACTION)
    bands = []
    for row in range(0, wanted, _BAND):
        band = weights[row : row + _BAND]
        used = np.flatnonzero(band.any(axis=0)).tolist()
        bands.append((row, used[0], band[:, used[0] : used[-1] + 1].copy()))
    return bands
