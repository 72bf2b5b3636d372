"""Perceptual hashes, 64 bits each: alike pictures differ in few bits."""

from __future__ import annotations

from collections.abc import Callable

import imagehash
from PIL import Image

from curate.core.images import Pixels


def phash(pixels: Pixels) -> int:
    """Hash the low frequencies of the grey picture (DCT), as `imagehash.phash` does."""
    return int(str(imagehash.phash(Image.fromarray(pixels))), 16)


def dhash(pixels: Pixels) -> int:
    """Hash the signs of the horizontal gradients, as `imagehash.dhash` does."""
    return int(str(imagehash.dhash(Image.fromarray(pixels))), 16)


HASHES: dict[str, Callable[[Pixels], int]] = {"phash": phash, "dhash": dhash}
"""Hashes by name, each from upright RGB pixels to an unsigned 64-bit number."""
