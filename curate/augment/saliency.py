"""Where the subject of a photo is, without a model: how unlike its border every pixel is.

A photographer's background reaches the border; a subject seldom covers more than one side of it.
Each side of the picture is a normal distribution of colours, and a pixel is salient where it is
unlike three of the four sides: one side may belong to the subject.

Source: the backgroundness of Zhang, Sclaroff, Lin, Shen, Price and Mech, "Minimum Barrier Salient
Object Detection at 80 FPS" (ICCV 2015), section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.core.images import Pixels
from curate.core.look import shrunk

SIDE = 160
"""Pixels along the longer side of the picture that is looked at."""

DETAIL = 12.0
"""A step of one in the logarithm of detail counts as so many steps of colour."""


@dataclass(frozen=True)
class Subject:
    """Where the subject is.

    Attributes
    ----------
    side : float
        Side of a square as large as the subject's box, over that of the frame: 0…1. NaN where no
        subject stands out.
    contact : float
        Part of a side of the frame that the subject covers, on the side where it covers most.
    """

    side: float
    contact: float


NOBODY = Subject(float("nan"), float("nan"))
"""No subject stands out."""


def salience(pixels: Pixels) -> NDArray[np.float32]:
    """Say how unlike the border each pixel of a small picture is.

    Returns
    -------
    ndarray of float32, shape (height, width)
        0…1; all 0 where the picture has one colour.
    """
    looks = _looks(pixels)
    strip = max(2, round(0.1 * min(looks.shape[:2])))
    sides = (looks[:strip], looks[-strip:], looks[:, :strip], looks[:, -strip:])
    maps = np.stack([_unlike(looks, side.reshape(-1, looks.shape[2])) for side in sides])
    summed = maps.sum(axis=0) - maps.max(axis=0)
    top = float(np.percentile(summed, 99))
    return np.asarray(
        (summed / top).clip(0, 1) if top > 1e-6 else np.zeros_like(summed), np.float32
    )


def subject_of(pixels: Pixels) -> Subject:
    """Find the subject of a whole picture."""
    return subject_in(salience(shrunk(pixels, SIDE)))


def subject_in(saliency: NDArray[np.float32]) -> Subject:
    """Find the subject in a map of salience 0…1, shape (height, width).

    The threshold is Otsu's; patches under a tenth of the largest one are not the subject.
    """
    height, width = saliency.shape
    levels = np.rint(255 * saliency).astype(np.uint8)
    _, mask = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    number, patches, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = figures[1:number, cv2.CC_STAT_AREA]
    if not len(areas) or not saliency.any():
        return NOBODY
    kept = np.isin(patches, 1 + np.flatnonzero(areas >= 0.1 * areas.max()))
    rows, columns = (_extent(kept.sum(axis=axis)) for axis in (1, 0))
    ends = (kept[0], kept[-1], kept[:, 0], kept[:, -1])
    return Subject(
        side=float(np.sqrt(rows * columns / (height * width))),
        contact=float(max(end.mean() for end in ends)),
    )


def _looks(pixels: Pixels) -> NDArray[Any]:
    """Give each pixel's colour (Lab) and how much detail there is about it: (height, width, 4).

    Detail tells a sharp subject from a background that is out of focus, whatever its colours. It
    is averaged as a logarithm: the logarithm of an average would reach as far past the subject's
    edge as a strong edge can still be felt, and make small subjects look larger.
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(pixels, (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float64)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    fine = np.log1p((grey - cv2.GaussianBlur(grey, (0, 0), 1.5)) ** 2)
    return np.dstack([lab, DETAIL * cv2.GaussianBlur(fine, (0, 0), 2.0)])


def _unlike(looks: NDArray[Any], side: NDArray[Any]) -> NDArray[Any]:
    """Give the Mahalanobis distance of each pixel from the looks of a side."""
    # A side of a single colour would be infinitely unlike everything else.
    spread = np.cov(side, rowvar=False, bias=True) + 4.0 * np.eye(looks.shape[2])
    apart = looks - side.mean(axis=0)
    squared = np.einsum("hwc,cd,hwd->hw", apart, np.linalg.inv(spread), apart)
    return np.asarray(np.sqrt(squared))


def _extent(counts: NDArray[Any]) -> int:
    """Say over how many places the middle 96 % lie: a hair that sticks out is not the subject."""
    share = np.cumsum(counts) / counts.sum()
    return int(np.searchsorted(share, 0.98) - np.searchsorted(share, 0.02) + 1)
