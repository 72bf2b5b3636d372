"""Counts of the colours of pictures, by the bins of `imagehash.colorhash`.

The bins are given over Pillow's 8-bit hue and saturation, which cost more than decoding the
picture. They are compared here by whole numbers of R, G and B alone; a test goes through all
2**24 colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.core.images import Pixels, as_pixels

GREY, COLOURED, FAINT, BRIGHT = 0, 1, slice(2, 8), slice(8, 14)
"""The columns of `counted`."""

_DARK = 32
_STRIP = 1 << 16  # pixels at a time: what is computed of them stays in the nearest memory

# What a pixel's code tells beside its hue, which is a number from 0 to 5.
_IS_FAINT, _IS_BRIGHT, _IS_PALE = 8, 16, 32
_CODES = 64


def counted(pixels: Pixels, grey: Pixels, sizes: Sequence[int]) -> NDArray[np.int64]:
    """Count the colours of upright RGB pictures.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (pixels, 3)
        The pictures behind each other.
    grey : ndarray of uint8, shape (pixels,)
        The same in grey.
    sizes : sequence of int
        Pixels of each picture.

    Returns
    -------
    ndarray of int, shape (pictures, 14)
        Pixels by kind, of those with a luma of 32 and more: grey (of a saturation below 1/3), and
        coloured (the others); and of these the faint and the bright ones (of a saturation below
        and above 2/3), each by six hues from red.
    """
    codes = np.empty_like(grey)
    for start in range(0, len(grey), _STRIP):
        strip = slice(start, start + _STRIP)
        _encode(pixels[strip], codes[strip, np.newaxis])
    light = (grey >= _DARK).view(np.uint8)
    found = np.empty((len(sizes), _CODES))
    end = 0
    for row, size in enumerate(sizes):
        here = slice(end, end := end + size)
        found[row] = cv2.calcHist([codes[here]], [0], light[here], [_CODES], [0, _CODES]).ravel()
    return np.asarray((found @ _KINDS).astype(np.int64))


def _encode(pixels: Pixels, codes: Pixels) -> None:
    """Give every pixel its code."""
    # As a column: OpenCV takes a row of four numbers for one colour.
    r, g, b = (as_pixels(plane) for plane in cv2.split(pixels[:, np.newaxis]))
    least = np.minimum(np.minimum(r, g), b)
    chroma = np.maximum(np.maximum(r, g), b)
    chroma -= least
    # With M the largest of the three: S < 1/3 is 3 · chroma < M, and M is least + chroma.
    # `cv2.add` stops at 255, beyond which these hold or fail anyway; `cv2.subtract` stops at 0.
    twice = as_pixels(cv2.add(least, least))
    pale = least > cv2.add(chroma, chroma)
    faint = chroma < twice
    # The 8-bit saturation is above 170 from 171/255 on: 85 · chroma ≥ 57 · M, or
    # chroma - 2 · least ≥ least / 28, rounded up.
    rounded_up = (np.minimum(least, np.uint8(228)) + np.uint8(27)) // np.uint8(28)
    bright = cv2.subtract(chroma, twice) >= rounded_up
    # A third of the circle belongs to each least channel; where two are, to the later one.
    from_green = (r == least) & (g > least)
    from_blue = (g == least) & (b > least)
    # Its second half begins where the next channel leads by chroma / 85: 8-bit hues are no more
    # exact than that.
    lead = (chroma - np.uint8(1)) // np.uint8(85)
    second = (cv2.subtract(g, r) > lead) & ~(from_green | from_blue)
    second |= (cv2.subtract(b, g) > lead) & from_green
    second |= (cv2.subtract(r, b) > lead) & from_blue
    codes[:] = 0
    for bit in (pale, bright, faint, from_blue, from_green, second):
        codes += codes
        codes |= bit.view(np.uint8)


def _kinds() -> NDArray[np.float64]:
    """Say which columns of `counted` a code counts for, shape (codes, columns)."""
    kinds = np.zeros((_CODES, BRIGHT.stop))
    for code in range(_CODES):
        hue = code & 7
        kinds[code, GREY if code & _IS_PALE else COLOURED] = 1
        if hue < 6 and not code & _IS_PALE:
            kinds[code, BRIGHT.start + hue] = bool(code & _IS_BRIGHT)
            kinds[code, FAINT.start + hue] = bool(code & _IS_FAINT) and not code & _IS_BRIGHT
    return kinds


_KINDS = _kinds()
