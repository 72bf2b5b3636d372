"""How alike two small pictures are once they lie on each other.

The one is moved onto the other (an affine map, refined from a first guess), and then they are
compared window by window, in their structure and in their colours. Windows count by how much there
is to see in them, so that a blank sky is not "equal" to another; brightness and contrast may
differ altogether.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.core.images import Pixels
from curate.duplicates.pictures import COMPARED_SIDE, Part, chained
from curate.duplicates.views import Affine

_WINDOW = 9
"""Pixels along each side of the windows."""

_SOFTENED = 0.8
"""Pixels: what is finer than this does not survive a copy."""

_NOISE = 12.0
"""Variance in squared grey levels that says nothing: noise, what JPEG leaves of a plain area."""

_ENOUGH_TO_SEE = 0.15
"""Mean weight of the windows below which a picture is blank."""

_LEAST_OVERLAP = 0.5
"""Share of a picture that the other must cover to be compared with it."""

_LEAST_COLOUR = 0.25
"""Share of the colours that must agree; stickers leave a third (measured on 60 photos)."""

_COLOURFUL = 30.0
"""Variance of colour differences, in squared levels, below which a picture has no colours."""

SURE = 0.95
"""Similarity at which nothing better is looked for."""

_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
_SQUARE = (COMPARED_SIDE, COMPARED_SIDE)
_WHOLE = np.ones(_SQUARE, np.float32)
_EVERYWHERE = np.ones(_SQUARE, np.uint8)
_TO_UNIT: Affine = np.array([[1, 0, 0.5], [0, 1, 0.5]]) / COMPARED_SIDE
_TO_PIXELS: Affine = np.array([[COMPARED_SIDE, 0, -0.5], [0, COMPARED_SIDE, -0.5]])


@dataclass(frozen=True)
class Likeness:
    """What a comparison found.

    Attributes
    ----------
    structure : float
        Mean structural similarity of the windows, at most 1 (Wang et al. 2004, "Image Quality
        Assessment: From Error Visibility to Structural Similarity", without its luminance term
        and with the contrast evened out), weighted by texture.
    correlation : float
        Correlation of the two pictures less their local means, at most 1.
    colour : float
        Share of the first one's colours that a linear map of the second one's gives, 0 to 1; 1
        where either has none.
    overlap : float
        Share of the first picture that the second one covers, 0 to 1.
    texture : float
        Mean weight of the windows, 0 for blank pictures to 1.
    matrix : ndarray of float64, shape (2, 3)
        Maps the unit square of the first picture to that of the second.
    """

    structure: float
    correlation: float
    colour: float
    overlap: float
    texture: float
    matrix: Affine

    @property
    def similarity(self) -> float:
        """One number from 0 to 1: 0 where there is too little to see, or colours contradict."""
        alike = max(0.0, min(self.structure, self.correlation))
        seen = self.overlap >= _LEAST_OVERLAP and self.texture >= _ENOUGH_TO_SEE
        return alike if seen and (alike >= SURE or self.colour >= _LEAST_COLOUR) else 0.0


def best_likeness(first: Part, second: Part, guess: Affine) -> Likeness:
    """Compare two parts, as the guess lays them on each other or, where that is better, refined.

    Parameters
    ----------
    first, second : Part
        What is compared.
    guess : ndarray of float64, shape (2, 3)
        Maps the unit square of the first to that of the second, roughly.
    """
    guessed = likeness(first, second, guess)
    if guessed.similarity >= SURE:
        return guessed
    refined = aligned(first, second, guess)
    if refined is None:
        return guessed
    better = likeness(first, second, refined)
    return better if better.similarity > guessed.similarity else guessed


def aligned(first: Part, second: Part, guess: Affine) -> Affine | None:
    """Refine a map by maximising the enhanced correlation coefficient of the grey pictures.

    Evangelidis and Psarakis 2008, "Parametric Image Alignment using Enhanced Correlation
    Coefficient Maximization". None where that leads nowhere.
    """
    start = _in_pixels(guess)
    try:
        _, found = cv2.findTransformECC(
            first.grey, second.grey, start, cv2.MOTION_AFFINE, _STEPS, _EVERYWHERE, 5
        )
    except cv2.error:
        # It says so in this way when the pictures have nothing in common.
        return None
    return chained(chained(_TO_UNIT, np.asarray(found, np.float64)), _TO_PIXELS)


def likeness(first: Part, second: Part, matrix: Affine) -> Likeness:
    """Compare two parts as they lie on each other under a map, as `best_likeness` does."""
    moved, covered = _moved(second.pixels, matrix)
    overlap = float(covered.mean())
    if overlap < _LEAST_OVERLAP:
        return Likeness(0.0, 0.0, 0.0, overlap, 0.0, matrix)
    grey = np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGB2GRAY), np.uint8)
    structure, correlation, weight = _windows(first.grey, grey, covered)
    colour = _colour(first.pixels, moved, covered)
    return Likeness(structure, correlation, colour, overlap, weight, matrix)


def texture(part: Part) -> float:
    """How much there is to see in a part, from 0 for a blank one to 1."""
    grey = cv2.GaussianBlur(part.grey.astype(np.float32), (0, 0), _SOFTENED)
    square = (_WINDOW, _WINDOW)
    mean, mean_square = cv2.blur(grey, square), cv2.blur(grey * grey, square)
    variance = np.maximum(mean_square - mean * mean, 0)
    return float((variance / (variance + _NOISE)).mean())


def is_blank(part: Part) -> bool:
    """Whether a part shows too little to tell it from another."""
    return texture(part) < _ENOUGH_TO_SEE


def _windows(
    first: Pixels, second: Pixels, covered: NDArray[np.float32]
) -> tuple[float, float, float]:
    """Structure, correlation and texture over all windows in the covered area."""
    a, b = (
        cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _SOFTENED) for grey in (first, second)
    )
    share = _mean(covered) + 1e-6
    mean_a, mean_b = _mean(a * covered) / share, _mean(b * covered) / share
    counted = (covered > 0) & (share > 0.5 / _WINDOW**2)
    var_a = np.maximum(_mean(a * a * covered) / share - mean_a * mean_a, 0)[counted]
    var_b = np.maximum(_mean(b * b * covered) / share - mean_b * mean_b, 0)[counted]
    covariance = (_mean(a * b * covered) / share - mean_a * mean_b)[counted]
    # Contrast is evened out over the whole picture, not window by window.
    gain = float(np.sqrt((var_a.mean() + 1) / (var_b.mean() + 1)))
    var_b, covariance = var_b * gain**2, covariance * gain
    most = np.maximum(var_a, var_b)
    weight = most / (most + _NOISE)
    similar = (2 * covariance + _NOISE) / (var_a + var_b + _NOISE)
    return (
        float((weight * similar).sum() / (weight.sum() + 1e-6)),
        float(covariance.sum() / np.sqrt((var_a.sum() + 1) * (var_b.sum() + 1))),
        float(weight.mean()),
    )


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    square = (_WINDOW, _WINDOW)
    return np.asarray(cv2.boxFilter(values, -1, square, borderType=cv2.BORDER_CONSTANT))


def _colour(first: Pixels, second: Pixels, covered: NDArray[np.float32]) -> float:
    """How well a linear map of one picture's colours gives the other's, whatever the colours are.

    A copy that was tinted or recoloured as a whole passes; a scene in which one thing has another
    colour does not.
    """
    every = np.s_[::4, ::4]
    shown = covered[every] > 0
    a, b = (cv2.blur(pixels, (5, 5))[every][shown].astype(np.float64) for pixels in (first, second))
    wanted, there = (colours[:, (0, 2)] - colours[:, [1]] for colours in (a, b))
    if min(wanted.var(axis=0).max(), there.var(axis=0).max()) < _COLOURFUL:
        return 1.0
    known = np.column_stack([b, np.ones(len(b))])
    left = wanted - known @ np.linalg.lstsq(known, wanted, rcond=None)[0]
    return float(max(0.0, 1 - left.var(axis=0).sum() / wanted.var(axis=0).sum()))


def _moved(pixels: Pixels, matrix: Affine) -> tuple[Pixels, NDArray[np.float32]]:
    """Move a picture under a map, and say which pixels of the square it covers."""
    in_pixels, sampled = _in_pixels(matrix), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(pixels, in_pixels, _SQUARE, flags=sampled)
    covered = cv2.warpAffine(_WHOLE, in_pixels, _SQUARE, flags=sampled) > 0.99
    return np.asarray(moved, np.uint8), covered.astype(np.float32)


def _in_pixels(matrix: Affine) -> NDArray[np.float32]:
    return chained(chained(_TO_PIXELS, matrix), _TO_UNIT).astype(np.float32)
