"""Hashes of an image under the views that an edited copy of it would show.

A copy that was cropped, turned by a few degrees or given a margin differs in many bits of any
hash of the whole picture. Instead of a wide radius, which drowns in chance, the same hash is taken
of a fixed list of views: slightly smaller cut-outs, slightly turned. Two images are candidates when
the whole of one is within a small radius of some view of the other.

Every view, with its hashes, is a linear map of one small grey picture, so all of them are one
matrix product. The matrix holds whole numbers, whose products and sums float64 represents
exactly: the bits do not depend on the machine, the batch or the order of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.sparse import csr_array

Affine = NDArray[np.float64]
"""An affine map of points of unit squares, shape (2, 3)."""

Hashes = NDArray[np.uint64]

SIDE = 32
"""Pixels along each side of the grey picture from which views are hashed."""

_SCALE = 2.0**20
_FINE = 2 * SIDE


@dataclass(frozen=True)
class View:
    """A part of a picture: how much of it is cut off at each side, and a turn.

    Attributes
    ----------
    left, top, right, bottom : float
        Shares of the width and height that are cut off.
    degrees : float
        The turn about the centre of the part, clockwise in pixels.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    degrees: float = 0.0

    @property
    def matrix(self) -> Affine:
        """The unit square of the view mapped to that of the picture."""
        turn = np.deg2rad(self.degrees)
        width, height = 1 - self.left - self.right, 1 - self.top - self.bottom
        across = np.array([np.cos(turn) * width, np.sin(turn) * height])
        down = np.array([-np.sin(turn) * width, np.cos(turn) * height])
        centre = np.array([(1 + self.left - self.right) / 2, (1 + self.top - self.bottom) / 2])
        return np.stack([across, down, centre - (across + down) / 2], axis=1)


def _cut(share: float, right: float, down: float) -> View:
    """A cut-out of `share` less on each axis, pushed so far (-1 to 1) to the right and down."""
    across, high = (1 + right) / 2, (1 + down) / 2
    return View(share * across, share * high, share * (1 - across), share * (1 - high))


_CORNERS = [(-1, -1), (1, -1), (-1, 1), (1, 1)]
_EDGES = [(0, -1), (0, 1), (-1, 0), (1, 0)]

VIEWS: tuple[View, ...] = (
    View(),
    *(_cut(share, 0, 0) for share in (0.06, 0.12, 0.2)),
    *(_cut(0.07, *corner) for corner in _CORNERS),
    *(_cut(0.13, *corner) for corner in _CORNERS),
    *(_cut(0.13, *edge) for edge in _EDGES),
    *(View(0.04, 0.04, 0.04, 0.04, degrees) for degrees in (-3, 3)),
    *(View(0.07, 0.07, 0.07, 0.07, degrees) for degrees in (-5, 5)),
    *(View(degrees=degrees) for degrees in (-3, 3)),
)
"""The views that are hashed; the first is the whole picture."""

STARTS: tuple[View, ...] = (*VIEWS, *(_cut(share, 0, 0) for share in (0.35, 0.5)))
"""Views from which a comparison may start: the hashed ones, and smaller cut-outs."""


def view_hashes(small: NDArray[np.uint8]) -> tuple[Hashes, Hashes]:
    """Hash every view of small grey pictures in two independent ways.

    Parameters
    ----------
    small : ndarray of uint8, shape (n, SIDE, SIDE)
        Area-averaged grey pictures, squeezed to a square.

    Returns
    -------
    waves, slopes : ndarray of uint64, shape (n, len(VIEWS))
        The lowest 64 frequencies against their median, as in pHash (Zauner 2010, "Implementation
        and Benchmarking of Perceptual Image Hash Functions"), and the signs of the horizontal
        gradients on an 8 by 8 grid, as in dHash.
    """
    values = small.reshape(len(small), SIDE * SIDE).astype(np.float64) @ _maps()
    values = values.reshape(len(small), len(VIEWS), 2, 64)
    waves = values[:, :, 0]
    return (
        _packed(waves > np.median(waves, axis=2, keepdims=True)),
        _packed(values[:, :, 1] > 0),
    )


def _packed(bits: NDArray[np.bool_]) -> Hashes:
    return np.packbits(bits, axis=2).view(">u8")[..., 0].astype(np.uint64)


@cache
def _maps() -> NDArray[np.float64]:
    """All views and hashes as one matrix, shape (SIDE², views · 2 · 64)."""
    frequencies = dct(np.eye(SIDE), axis=0)[:8]
    waves = np.einsum("ui,vj->uvij", frequencies, frequencies).reshape(64, -1)
    columns = _averages(9) / SIDE
    rows = _averages(8) / SIDE
    slopes = np.einsum("ui,vj->uvij", rows, columns[1:] - columns[:-1]).reshape(64, -1)
    functions = np.concatenate([waves / SIDE, slopes * SIDE])
    maps = [functions @ _samples(view) for view in VIEWS]
    return np.asarray(np.rint(np.concatenate(maps).T * _SCALE), dtype=np.float64)


def _averages(parts: int) -> NDArray[np.float64]:
    """Average SIDE pixels into `parts` equal parts, shape (parts, SIDE)."""
    edges = np.linspace(0, SIDE, parts + 1)
    pixel = np.arange(SIDE)
    inside = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(np.clip(inside, 0, 1), dtype=np.float64)


def _samples(view: View) -> csr_array:
    """Resample a view to SIDE by SIDE from four bilinear samples a pixel; black outside."""
    centres = (np.arange(_FINE) + 0.5) / _FINE
    y, x = np.meshgrid(centres, centres, indexing="ij")
    source = view.matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    column, row = source * SIDE - 0.5
    fine_row, fine_column = np.indices((_FINE, _FINE)).reshape(2, -1)
    pixel = fine_row // 2 * SIDE + fine_column // 2
    weights, pixels, sources = [], [], []
    for down in (0, 1):
        for across in (0, 1):
            i, j = np.floor(row).astype(int) + down, np.floor(column).astype(int) + across
            weight = (1 - np.abs(row - i)) * (1 - np.abs(column - j))
            # Half a pixel over the edge still shows the edge.
            near = (i >= -1) & (i <= SIDE) & (j >= -1) & (j <= SIDE)
            i, j = np.clip(i, 0, SIDE - 1), np.clip(j, 0, SIDE - 1)
            weights.append(weight[near] / 4)
            pixels.append(pixel[near])
            sources.append((i * SIDE + j)[near])
    places = (np.concatenate(pixels), np.concatenate(sources))
    return csr_array((np.concatenate(weights), places), shape=(SIDE * SIDE, SIDE * SIDE))
