"""Grey is Pillow's grey."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.core.grey import Shades, to_grey

from ..pictures import picture


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (348, 261)])
def test_grey_is_that_of_pillow(size: tuple[int, int]) -> None:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert np.array_equal(to_grey(noise), np.asarray(Image.fromarray(noise).convert("L")))


def test_nothing_is_made_twice() -> None:
    shades = Shades(picture(1, (200, 150)))
    assert shades.grey is shades.grey
    assert shades.resized((9, 8)) is shades.resized((9, 8))
    assert shades.resized((9, 8)).shape == (8, 9)
