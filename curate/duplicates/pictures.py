"""Small pictures of an image: what is hashed under many views, and what candidates are compared on.

A picture with a plain margin (a frame, the bars of a letterbox) is looked at twice, as it is and
without the margin, so that it meets its unframed copy; where mirrored or turned copies are wanted,
also mirrored and turned. Each such look is a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curate import engine
from curate.core.images import Pixels, from_jpeg
from curate.duplicates.views import SIDE, Affine

COMPARED_SIDE = 64
"""Pixels along each side of the pictures that are compared, squeezed to a square."""

SYMMETRIES: dict[str, Affine] = {
    "": np.array([[1.0, 0, 0], [0, 1, 0]]),
    "mirrored": np.array([[-1.0, 0, 1], [0, 1, 0]]),
    "upside down": np.array([[1.0, 0, 0], [0, -1, 1]]),
    "turned left": np.array([[0.0, -1, 1], [1, 0, 0]]),
    "turned by half": np.array([[-1.0, 0, 1], [0, -1, 1]]),
    "turned right": np.array([[0.0, 1, 0], [-1, 0, 1]]),
    "mirrored and turned left": np.array([[0.0, 1, 0], [1, 0, 0]]),
    "mirrored and turned right": np.array([[0.0, -1, 1], [-1, 0, 1]]),
}
"""What a copy may be beside upright: its unit square mapped to that of the upright picture."""

_PLAIN = 14
"""Grey levels between which a plain line lies, nearly all of it."""

_LEAST_MARGIN = 0.02
_MOST_MARGIN = 0.3


@dataclass(frozen=True)
class Part:
    """One look at an image.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (COMPARED_SIDE, COMPARED_SIDE, 3)
        RGB, area-averaged.
    placed : ndarray of float64, shape (2, 3)
        Maps the unit square of the part to that of the whole upright picture.
    symmetry : str
        One of `SYMMETRIES`.
    """

    pixels: Pixels
    placed: Affine
    symmetry: str = ""

    @property
    def grey(self) -> NDArray[np.uint8]:
        """The part without its colours, shape (COMPARED_SIDE, COMPARED_SIDE)."""
        return np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)

    @property
    def hashed(self) -> NDArray[np.uint8]:
        """The grey picture whose views are hashed, shape (SIDE, SIDE)."""
        small = cv2.resize(self.grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)


def symmetries(*, flips: bool, turns: bool) -> tuple[str, ...]:
    """Name the symmetries under which copies are looked for."""
    wanted = [""]
    if flips:
        wanted += ["mirrored", "upside down"]
    if turns:
        wanted += ["turned left", "turned by half", "turned right"]
    if flips and turns:
        wanted += ["mirrored and turned left", "mirrored and turned right"]
    return tuple(wanted)


def parts(pixels: Pixels, wanted: Sequence[str] = ("",)) -> Mapping[int, Part]:
    """Look at a picture in all ways that count.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        The upright picture, RGB; a thumbnail is enough.
    wanted : sequence of str
        Of `SYMMETRIES`.

    Returns
    -------
    mapping of int to Part
        By number, which says what a part is: an even one shows the whole picture, the odd one
        after it the same without its plain margin, where it has one.
    """
    found = {}
    for within, box in enumerate(_boxes(pixels)):
        top, bottom, left, right = box
        inside = np.ascontiguousarray(pixels[top:bottom, left:right])
        upright = np.asarray(
            cv2.resize(inside, (COMPARED_SIDE, COMPARED_SIDE), interpolation=cv2.INTER_AREA),
            dtype=np.uint8,
        )
        height, width = pixels.shape[:2]
        place = np.array(
            [
                [(right - left) / width, 0, left / width],
                [0, (bottom - top) / height, top / height],
            ]
        )
        for number, symmetry in enumerate(SYMMETRIES):
            if symmetry in wanted:
                turned = SYMMETRIES[symmetry]
                found[2 * number + within] = Part(
                    _seen_through(upright, turned), chained(place, turned), symmetry
                )
    return found


def shown(
    thumbnails: Mapping[str, bytes], wanted: Sequence[str] = ("",)
) -> dict[str, Mapping[int, Part]]:
    """Give the parts of images from their thumbnails."""
    # Decoding lets the other thread go on, which is half of the work.
    with ThreadPoolExecutor(engine.available_cores()) as pool:
        found = pool.map(lambda thumbnail: parts(from_jpeg(thumbnail), wanted), thumbnails.values())
        return dict(zip(thumbnails, found, strict=True))


def chained(outer: Affine, inner: Affine) -> Affine:
    """Compose two affine maps of shape (2, 3): first `inner`, then `outer`."""
    return np.asarray(outer[:, :2] @ inner + np.column_stack([np.zeros((2, 2)), outer[:, 2]]))


def inverted(matrix: Affine) -> Affine:
    """Invert an affine map of shape (2, 3)."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def margins(pixels: Pixels) -> tuple[int, int, int, int]:
    """Width of the plain margin at the top, bottom, left and right, in pixels.

    A margin is made of whole lines of one colour, at most three tenths of a side; a sliver is
    none, and a picture that is plain all over has none.
    """
    rows = _plain_lines(pixels)
    columns = _plain_lines(pixels.transpose(1, 0, 2))
    if rows == columns == (0, 0):
        return 0, 0, 0, 0
    height, width = pixels.shape[:2]
    inside = pixels[rows[0] : height - rows[1], columns[0] : width - columns[1]]
    low, high = np.percentile(inside, (2, 98), axis=(0, 1))
    if ((high - low) <= _PLAIN).all():
        return 0, 0, 0, 0
    return (*rows, *columns)


def _boxes(pixels: Pixels) -> list[tuple[int, int, int, int]]:
    height, width = pixels.shape[:2]
    top, bottom, left, right = margins(pixels)
    whole = (0, height, 0, width)
    inner = (top, height - bottom, left, width - right)
    return [whole] if inner == whole else [whole, inner]


def _plain_lines(lines: Pixels) -> tuple[int, int]:
    count = len(lines)
    most, least = int(_MOST_MARGIN * count), max(1, round(_LEAST_MARGIN * count))
    return (
        _depth(lines[:most], least),
        _depth(lines[::-1][:most], least),
    )


def _depth(side: Pixels, least: int) -> int:
    # Few photos have a plain line at their edge, and looking further costs time.
    if not len(side) or not _one_colour(side[:1])[0]:
        return 0
    edge = np.median(side[0], axis=0)
    as_the_edge = (np.abs(np.median(side, axis=1) - edge) <= _PLAIN).all(axis=1)
    plain = _one_colour(side) & as_the_edge
    # Plain as far as one may look: the picture itself is plain there, and no margin ends.
    depth = 0 if plain.all() else int(np.argmin(plain))
    # The decoder blurs the end of a margin over one more line.
    return depth + 1 if depth >= least else 0


def _one_colour(lines: Pixels) -> NDArray[np.bool_]:
    """Whether each line is of one colour, but for a few of its pixels."""
    ordered = np.sort(lines, axis=1)
    few = lines.shape[1] // 25
    spread = ordered[:, -1 - few].astype(np.int16) - ordered[:, few]
    return np.asarray((spread <= _PLAIN).all(axis=1))


def _seen_through(upright: Pixels, turned: Affine) -> Pixels:
    """Mirror and turn a square picture; `turned` maps the points of the result to its own."""
    swapped = turned[0, 0] == 0
    across, down = (turned[0, 1], turned[1, 0]) if swapped else (turned[0, 0], turned[1, 1])
    seen = upright[:: int(down), :: int(across)]
    return np.ascontiguousarray(seen.transpose(1, 0, 2) if swapped else seen)
