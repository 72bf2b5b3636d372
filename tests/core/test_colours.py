"""Every colour there is falls into the bin that imagehash puts it in."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.core.colours import BRIGHT, COLOURED, FAINT, GREY, counted
from curate.core.grey import to_grey
from curate.core.images import Pixels

EDGES = np.linspace(0, 255, 7)


def by_pillow(pixels: Pixels) -> list[int]:
    """Count by Pillow's hue and saturation, as `imagehash.colorhash` does."""
    image = Image.fromarray(pixels)
    luma = np.asarray(image.convert("L"))
    hue, saturation, _ = (np.asarray(band) for band in image.convert("HSV").split())
    black = luma < 32
    grey = ~black & (saturation < 85)
    coloured = ~black & ~grey
    faint = np.histogram(hue[coloured & (saturation < 170)], EDGES)[0]
    bright = np.histogram(hue[coloured & (saturation > 170)], EDGES)[0]
    return [int(part.sum()) for part in (black, grey, coloured)] + [*faint, *bright]


def ours(pixels: Pixels) -> list[int]:
    flat = pixels.reshape(-1, 3)
    found = counted(flat, to_grey(pixels).ravel(), [len(flat)])[0]
    black = len(flat) - found[GREY] - found[COLOURED]
    return [black, found[GREY], found[COLOURED], *found[FAINT], *found[BRIGHT]]


@pytest.mark.parametrize("high", range(16))
def test_all_colours(high: int) -> None:
    """Each line of a picture is one red with one green, so that no two errors can cancel out."""
    blue = np.arange(256, dtype=np.uint8)
    for red in range(16 * high, 16 * high + 16):
        pixels = np.empty((256, 256, 3), np.uint8)
        pixels[:, :, 0] = red
        pixels[:, :, 1] = blue[:, np.newaxis]
        pixels[:, :, 2] = blue
        assert ours(pixels) == by_pillow(pixels), red


def test_single_colours() -> None:
    rng = np.random.default_rng(0)
    corners = rng.choice([0, 1, 84, 85, 86, 127, 128, 169, 170, 171, 254, 255], (400, 3))
    for colour in corners.astype(np.uint8):
        pixels = colour.reshape(1, 1, 3)
        assert ours(pixels) == by_pillow(pixels), colour


def test_each_picture_has_its_own_counts() -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (size, 3), dtype=np.uint8) for size in (1, 700, 90_000, 5)]
    flat = np.concatenate(pictures)
    together = counted(flat, to_grey(flat[np.newaxis])[0], [len(one) for one in pictures])
    for one, counts in zip(pictures, together, strict=True):
        assert np.array_equal(counted(one, to_grey(one[np.newaxis])[0], [len(one)])[0], counts)
