"""Counts of the colours of a picture, by the bins of `imagehash.colorhash`.

The bins are given over Pillow's 8-bit hue and saturation, which cost more than decoding the
picture. They are compared here by whole numbers of R, G and B alone; a test goes through all
2**24 colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from curate.core.images import Pixels, as_pixels

_DARK = 32
_CODES = 32  # a power of two: OpenCV finds the bins of others by inexact division
_NEITHER, _BLACK, _GREY = 16, 17, 18
_STRIP = 1 << 16  # pixels at a time: what is computed of them stays in the nearest memory


@dataclass(frozen=True)
class Colours:
    """Pixels by kind; what is neither black nor grey is coloured.

    Attributes
    ----------
    black : int
        Of a luma below 32.
    grey : int
        Others of a saturation below 1/3.
    coloured : int
        The rest.
    faint, bright : list of int
        Coloured ones of a saturation below and above 2/3, by six hues from red.
    """

    black: int
    grey: int
    coloured: int
    faint: list[int]
    bright: list[int]


def counted(pixels: Pixels, grey: Pixels) -> Colours:
    """Count the colours of upright RGB pixels, with the same picture in grey."""
    height, width = grey.shape
    rows = max(1, _STRIP // width)
    codes = np.empty_like(grey)
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        _encode(pixels[strip], grey[strip], codes[strip])
    found = cv2.calcHist([codes], [0], None, [_CODES], [0, _CODES]).ravel()
    counts = [int(count) for count in found]
    return Colours(
        counts[_BLACK], counts[_GREY], grey.size - counts[_BLACK] - counts[_GREY],
        counts[:6], counts[8:14],
    )  # fmt: skip


def _encode(pixels: Pixels, grey: Pixels, codes: Pixels) -> None:
    """Give every pixel its bin: hue, + 8 where it is bright; or one of the bins named above."""
    r, g, b = (as_pixels(plane) for plane in cv2.split(pixels))
    least = np.minimum(np.minimum(r, g), b)
    chroma = np.maximum(np.maximum(r, g), b)
    chroma -= least
    # With M the largest of the three: S < 1/3 is 3 · chroma < M, and M is least + chroma.
    # `cv2.add` stops at 255, beyond which these hold or fail anyway.
    pale = least > cv2.add(chroma, chroma)
    faint = chroma < cv2.add(least, least)
    # The 8-bit saturation is above 170 from 171/255 on: 85 · chroma ≥ 57 · M.
    bright = np.multiply(chroma, 28, dtype=np.uint16) >= np.multiply(least, 57, dtype=np.uint16)
    # A third of the circle belongs to each least channel; where two are, to the later one.
    from_green = (r == least) & (g > least)
    from_blue = (g == least) & (b > least)
    from_red = ~(from_green | from_blue)
    # Its second half begins where the next channel leads by chroma / 85: 8-bit hues are no more
    # exact than that. `cv2.subtract` stops at 0.
    lead = (chroma - np.uint8(1)) // np.uint8(85)
    second = (cv2.subtract(g, r) > lead) & from_red
    second |= (cv2.subtract(b, g) > lead) & from_green
    second |= (cv2.subtract(r, b) > lead) & from_blue
    np.multiply(from_green, np.uint8(2), out=codes)
    codes += second
    codes += from_blue * np.uint8(4)
    codes += bright * np.uint8(8)
    codes[~(faint | bright)] = _NEITHER
    codes[pale] = _GREY
    codes[grey < _DARK] = _BLACK
