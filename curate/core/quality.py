"""Measures of how good a photo is, taken from its grey picture.

They compare photos of one thing, such as the frames of a burst or the images of a class. They say
nothing of what a photo shows; noise counts as sharpness.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from curate.core.images import Pixels

SIDE = 128
"""Pixels a side of the grey picture that is measured: the same for all, whatever their shape."""

_SHARP = 300.0
_RICH = 48.0


@dataclass(frozen=True)
class Quality:
    """Measures of one picture.

    Attributes
    ----------
    sharpness : float
        Variance of the Laplacian, 0 and up (Pech-Pacheco et al., Diatom autofocusing in brightfield
        microscopy, ICPR 2000).
    brightness : float
        Mean grey value, 0 (black) to 255 (white).
    contrast : float
        Standard deviation of the grey values, 0 to 127.5 (RMS contrast; Peli, Contrast in complex
        images, J. Opt. Soc. Am. A 7, 1990).
    quality : float
        One number from them, 0 (worst) to 1; see `overall`.
    """

    sharpness: float
    brightness: float
    contrast: float
    quality: float


def measured(pixels: Pixels) -> Quality:
    """Measure an RGB picture."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    square = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(square))
    edges = cv2.Laplacian(square, cv2.CV_16S)
    # Several times as fast as `cv2.meanStdDev`, which is quick for bytes only.
    slant = cv2.sumElems(edges)[0] / edges.size
    sharpness = cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - slant**2
    return Quality(sharpness, mean, spread, overall(sharpness, mean, spread))


def overall(sharpness: float, brightness: float, contrast: float) -> float:
    """Give one number for three: the geometric mean of what each is worth, from 0 to 1.

    Sharpness is worth s / (s + 300); contrast min(1, c / 48); brightness 1 at mid grey, falling as
    1 - (2b / 255 - 1)² to 0 at black and white. A picture that fails in one is saved by no other.
    """
    exposed = 1 - (2 * brightness / 255 - 1) ** 2
    worth = sharpness / (sharpness + _SHARP) * min(1.0, contrast / _RICH) * max(0.0, exposed)
    return float(np.cbrt(worth))
