"""Perceptual hashes, equal to imagehash's bit for bit: alike pictures differ in few bits.

What imagehash does is slow because each hash starts again from the whole picture, and because small
pictures cost little beside the calls that handle them. Here pictures are made grey once, and many
of them are hashed at a time, in other ways that give the same bits; see `grey` and `colours`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pywt
from numpy.typing import NDArray

from curate.core.colours import BRIGHT, COLOURED, FAINT, GREY, counted
from curate.core.grey import Shades, Values
from curate.core.images import Pixels

Hashes = NDArray[np.uint64]

_SIDE = 8
_EIGHTHS = np.array([0b000, 0b001, 0b010, 0b011, 0b110, 0b111, 0b110, 0b111], np.uint64)
"""The three bits that imagehash's colorhash writes for 0, 1 … 7 eighths."""

_TOGETHER = 4
"""Pictures at a time: enough to share the calls; more of them are given new pages of memory."""

_EQUAL = 1e-6
"""What frequencies of up to a million may differ by and still be equal, but for rounding errors."""


def hashes_of(pictures: Sequence[Pixels]) -> list[dict[str, int]]:
    """Take every hash of every picture, doing nothing twice; by the names of `HASHES`."""
    rows: list[dict[str, int]] = []
    for start in range(0, len(pictures), _TOGETHER):
        shades = Shades(pictures[start : start + _TOGETHER])
        taken = {name: take(shades).tolist() for name, take in _TAKEN.items()}
        rows += [dict(zip(taken, row, strict=True)) for row in zip(*taken.values(), strict=True)]
    return rows


def phash(pixels: Pixels) -> int:
    """Hash the low frequencies of the grey picture (DCT), as `imagehash.phash` does."""
    return int(_phash(Shades([pixels]))[0])


def dhash(pixels: Pixels) -> int:
    """Hash the signs of the horizontal gradients, as `imagehash.dhash` does."""
    return int(_dhash(Shades([pixels]))[0])


def whash(pixels: Pixels) -> int:
    """Hash the low frequencies of the grey picture (Haar wavelets), as `imagehash.whash` does."""
    return int(_whash(Shades([pixels]))[0])


def colorhash(pixels: Pixels) -> int:
    """Hash shares of black, grey and six hues (42 bits), as `imagehash.colorhash` does."""
    return int(_colorhash(Shades([pixels]))[0])


HASHES: dict[str, Callable[[Pixels], int]] = {
    "phash": phash,
    "dhash": dhash,
    "whash": whash,
    "colorhash": colorhash,
}
"""Hashes by name, each from upright RGB pixels to an unsigned 64-bit number."""


def _phash(shades: Shades) -> Hashes:
    small = shades.resized((4 * _SIDE, 4 * _SIDE))
    return _above_the_middle(_seen_by(_COSINES, small), _EQUAL, small, _frequencies)


def _dhash(shades: Shades) -> Hashes:
    small = shades.resized((_SIDE + 1, _SIDE))
    return _numbers(small[:, 1:] > small[:, :-1])


def _whash(shades: Shades) -> Hashes:
    sides = np.array([_power_of_two(min(grey.shape)) for grey in shades.grey])
    made = np.empty(len(sides), np.uint64)
    for side in np.unique(sides).tolist():
        these = np.flatnonzero(sides == side)
        square = shades.resized((side, side), these)
        # The low frequencies of the wavelets are the sums of 8 × 8 blocks, less their mean and
        # scaled. Equal sums differ by the errors of the wavelets, and imagehash tells them apart
        # by those.
        blocks = np.eye(_SIDE).repeat(side // _SIDE, axis=1)
        made[these] = _above_the_middle(_seen_by(blocks, square), 0, square, _wavelets)
    return made


def _power_of_two(length: int) -> int:
    return max(1 << (length.bit_length() - 1), _SIDE)


def _seen_by(functions: Values, pictures: Values) -> Values:
    """Map both axes of pictures, shape (side, side, n), by functions: shape (8, 8, n)."""
    down = functions @ pictures.reshape(len(pictures), -1)
    return np.asarray(functions @ down.reshape(len(functions), *pictures.shape[1:]))


def _above_the_middle(
    low: Values, equal: float, pictures: Values, exactly: Callable[[Values], Values]
) -> Hashes:
    """Tell which of 64 values lie above their median.

    Where the two values next to it are equal, but for rounding errors, these errors decide:
    then the values are computed for that picture as imagehash does it.
    """
    ordered = np.sort(low.reshape(_SIDE * _SIDE, -1), axis=0)
    below, above = ordered[_SIDE * _SIDE // 2 - 1 :][:2]
    bits = low > (below + above) / 2
    for one in np.flatnonzero(above - below <= equal):
        values = exactly(pictures[:, :, one])
        bits[:, :, one] = values > np.median(values)
    return _numbers(bits)


def _frequencies(picture: Values) -> Values:
    # Few pictures need it, and every worker would wait for it at its start.
    from scipy import fftpack

    return np.asarray(fftpack.dct(fftpack.dct(picture, axis=0), axis=1)[:_SIDE, :_SIDE])


def _cosines(length: int) -> Values:
    """Give the lowest functions of the DCT-II as scipy scales them, shape (8, length)."""
    places = (2 * np.arange(length) + 1) * np.pi / (2 * length)
    return np.asarray(2 * np.cos(np.arange(_SIDE)[:, np.newaxis] * places))


_COSINES = _cosines(4 * _SIDE)


def _wavelets(picture: Values) -> Values:
    depth = len(picture).bit_length() - 1
    parts = list(pywt.wavedec2(picture / 255.0, "haar", level=depth))
    parts[0] *= 0
    level = depth - (_SIDE.bit_length() - 1)
    return np.asarray(pywt.wavedec2(pywt.waverec2(parts, "haar"), "haar", level=level)[0])


def _colorhash(shades: Shades) -> Hashes:
    sizes = np.array([grey.size for grey in shades.grey])
    found = counted(shades.flat, shades.flat_grey, sizes.tolist())
    coloured = found[:, COLOURED]
    black = sizes - coloured - found[:, GREY]
    shares = [black / sizes * 8, found[:, GREY] / sizes * 8]
    hues = np.concatenate([found[:, FAINT], found[:, BRIGHT]], axis=1)
    shares += list((hues * 8 / np.maximum(1, coloured)[:, np.newaxis]).T)
    number = np.zeros(len(sizes), np.uint64)
    for share in shares:
        number = number << np.uint64(3) | _EIGHTHS[np.minimum(7, share.astype(np.int64))]
    return number


_TAKEN: dict[str, Callable[[Shades], Hashes]] = {
    "phash": _phash,
    "dhash": _dhash,
    "whash": _whash,
    "colorhash": _colorhash,
}


def _numbers(bits: NDArray[np.bool_]) -> Hashes:
    """Read the bits of each picture, shape (8, 8, n), as one number, the first one highest."""
    packed = np.packbits(bits.reshape(_SIDE * _SIDE, -1), axis=0)
    return np.ascontiguousarray(packed.T).view(">u8")[:, 0].astype(np.uint64)
