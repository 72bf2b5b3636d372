"""Perceptual hashes, equal to imagehash's bit for bit: alike pictures differ in few bits.

What imagehash does is slow because each hash starts again from the whole picture. Here the picture
is made grey once, and what takes time is done in other ways that give the same bits; see `colours`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pywt
from numpy.typing import NDArray
from scipy import fftpack

from curate.core.colours import counted
from curate.core.grey import Shades
from curate.core.images import Pixels

_SIDE = 8
_EIGHTHS = (0b000, 0b001, 0b010, 0b011, 0b110, 0b111, 0b110, 0b111)
"""The three bits that imagehash's colorhash writes for 0, 1 … 7 eighths."""


def hashes_of(shades: Shades) -> dict[str, int]:
    """Take every hash of a picture, doing nothing twice; by the names of `HASHES`."""
    return {name: take(shades) for name, take in _TAKEN.items()}


def phash(pixels: Pixels) -> int:
    """Hash the low frequencies of the grey picture (DCT), as `imagehash.phash` does."""
    return _phash(Shades(pixels))


def dhash(pixels: Pixels) -> int:
    """Hash the signs of the horizontal gradients, as `imagehash.dhash` does."""
    return _dhash(Shades(pixels))


def whash(pixels: Pixels) -> int:
    """Hash the low frequencies of the grey picture (Haar wavelets), as `imagehash.whash` does."""
    return _whash(Shades(pixels))


def colorhash(pixels: Pixels) -> int:
    """Hash shares of black, grey and six hues (42 bits), as `imagehash.colorhash` does."""
    return _colorhash(Shades(pixels))


HASHES: dict[str, Callable[[Pixels], int]] = {
    "phash": phash,
    "dhash": dhash,
    "whash": whash,
    "colorhash": colorhash,
}
"""Hashes by name, each from upright RGB pixels to an unsigned 64-bit number."""


def _phash(shades: Shades) -> int:
    small = shades.resized((4 * _SIDE, 4 * _SIDE))
    low = fftpack.dct(fftpack.dct(small, axis=0), axis=1)[:_SIDE, :_SIDE]
    below, above = _middle(low)
    return _number(low > (below + above) / 2)


def _dhash(shades: Shades) -> int:
    small = shades.resized((_SIDE + 1, _SIDE))
    return _number(small[:, 1:] > small[:, :-1])


def _whash(shades: Shades) -> int:
    side = max(1 << (min(shades.grey.shape).bit_length() - 1), _SIDE)
    square = shades.resized((side, side))
    # The wavelets' low frequencies are the sums of 8 × 8 blocks, less their mean and all scaled.
    low = _block_sums(square)
    below, above = _middle(low)
    if below == above:
        # Equal sums differ by the errors of the wavelets, and imagehash tells them apart by those.
        low = _wavelets(square)
        below, above = _middle(low)
    return _number(low > (below + above) / 2)


def _block_sums(square: Pixels) -> NDArray[np.floating]:
    """Sum the blocks that part a square 8 by 8."""
    # Whole numbers below 2**24 are exact in single precision, and those of any picture in double.
    kind = np.float32 if square.size <= 1 << 22 else np.float64
    blocks = np.eye(_SIDE, dtype=kind).repeat(square.shape[0] // _SIDE, axis=1)
    return np.asarray(blocks @ square.astype(kind) @ blocks.T)


def _wavelets(square: Pixels) -> NDArray[np.floating]:
    depth = square.shape[0].bit_length() - 1
    parts = list(pywt.wavedec2(square / 255.0, "haar", level=depth))
    parts[0] *= 0
    level = depth - (_SIDE.bit_length() - 1)
    return np.asarray(pywt.wavedec2(pywt.waverec2(parts, "haar"), "haar", level=level)[0])


def _colorhash(shades: Shades) -> int:
    found, size = counted(shades.pixels, shades.grey), shades.grey.size
    shares = [found.black / size * 8, found.grey / size * 8]
    shares += [count * 8 / max(1, found.coloured) for count in (*found.faint, *found.bright)]
    number = 0
    for share in shares:
        number = number << 3 | _EIGHTHS[min(7, int(share))]
    return number


_TAKEN: dict[str, Callable[[Shades], int]] = {
    "phash": _phash,
    "dhash": _dhash,
    "whash": _whash,
    "colorhash": _colorhash,
}


def _middle(values: NDArray[np.floating]) -> tuple[float, float]:
    """Give the two values that the median of an even number lies between."""
    ordered = np.sort(values, axis=None)
    half = len(ordered) // 2
    return float(ordered[half - 1]), float(ordered[half])


def _number(bits: NDArray[np.bool_]) -> int:
    """Read bits as one number, the first one highest."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
