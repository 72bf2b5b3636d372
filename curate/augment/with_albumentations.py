"""Changes of a policy, carried out by albumentations (which is OpenCV within)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from curate.augment.policy import Change, Mirror, Pixels, Turn, Warp
from curate.core.images import as_pixels

# It asks a server for its newest version when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2

_FLIPS = {False: albumentations.HorizontalFlip(p=1.0), True: albumentations.VerticalFlip(p=1.0)}
_TURN = albumentations.RandomRotate90(p=1.0)
# The picture is mirrored past its border: black corners would tell a model how far it turned.
_WARP = albumentations.Affine(border_mode=cv2.BORDER_REFLECT_101, p=1.0)
_COLOUR = albumentations.ColorJitter(p=1.0)
_ORDER = [0, 1, 2, 3]


def change(pixels: Pixels, changes: Sequence[Change]) -> Pixels:
    """Make changes of uint8 (height, width, 3); nothing is left to chance here."""
    for one in changes:
        pixels = _changed(pixels, one)
    return pixels


def _changed(pixels: Pixels, one: Change) -> Pixels:
    match one:
        case Mirror():
            made = _FLIPS[one.upside_down].apply(pixels)
        case Turn():
            # NumPy and albumentations count quarters against the clock.
            made = _TURN.apply(pixels, factor=-one.quarters % 4)
        case Warp():
            shape = pixels.shape[:2]
            made = _WARP.apply(pixels, matrix=_matrix(one, *shape), output_shape=shape)
        case _:
            made = _COLOUR.apply(pixels, order=_ORDER, **vars(one))
    return as_pixels(made)


def _matrix(warp: Warp, height: int, width: int) -> NDArray[np.float64]:
    """Where a pixel goes: shape (3, 3), x to the right and y down."""
    across = warp.scale * cos(radians(warp.degrees))
    down = warp.scale * sin(radians(warp.degrees))
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array(
        [
            [across, -down, x - across * x + down * y + warp.right * width],
            [down, across, y - down * x - across * y + warp.down * height],
            [0.0, 0.0, 1.0],
        ]
    )
