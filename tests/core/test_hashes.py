"""Hashes are those of `imagehash`, as numbers."""

from __future__ import annotations

import imagehash
import numpy as np
import pytest
from PIL import Image

from curate.core.hashes import HASHES

from ..pictures import picture


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("size", [(96, 64), (31, 200), (8, 8), (1, 1)])
def test_equal_to_imagehash(name: str, size: tuple[int, int]) -> None:
    for seed in range(5):
        pixels = picture(seed, size)
        theirs = getattr(imagehash, name)(Image.fromarray(pixels))
        ours = HASHES[name](pixels)
        assert ours == int(str(theirs), 16)
        assert 0 <= ours < 2**64


@pytest.mark.parametrize("name", HASHES)
def test_alike_pictures_are_near_and_others_far(name: str) -> None:
    pixels = picture(1, (320, 240))
    smaller = np.asarray(Image.fromarray(pixels).resize((160, 120)))
    hashes = [HASHES[name](one) for one in (pixels, smaller, picture(2, (320, 240)))]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 4
    assert (hashes[0] ^ hashes[2]).bit_count() >= 16
