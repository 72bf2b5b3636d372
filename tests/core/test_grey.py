"""Grey is Pillow's grey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.core.grey import Shades, to_grey
from curate.core.images import Pixels

from ..pictures import picture


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (348, 261)])
def test_grey_is_that_of_pillow(size: tuple[int, int]) -> None:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert np.array_equal(to_grey(noise), np.asarray(Image.fromarray(noise).convert("L")))


def noise(size: tuple[int, int], seed: int) -> Pixels:
    """Draw black and white dots: every rounding error of a filter shows."""
    width, height = size
    drawn = np.random.default_rng(seed).integers(0, 2, (height, width, 1), dtype=np.uint8)
    return np.repeat(drawn * np.uint8(255), 3, axis=2)


@pytest.mark.parametrize("size", [(9, 8), (32, 32), (64, 64)])
def test_pictures_of_any_shapes_are_resized_as_pillow_does_it(size: tuple[int, int]) -> None:
    sizes = [
        (87, 87), (64, 64), (87, 87), (87, 116), (116, 87), (1, 1), (2, 9), (9, 2), (40, 31),
        (65, 66), (65, 67), (300, 70), (70, 300), (600, 70), (70, 600), (64, 87), (87, 64),
        (32, 200), (100, 32),
    ]  # fmt: skip
    pictures = [noise(one, seed) for seed, one in enumerate(sizes)]
    small = Shades(pictures).resized(size)
    assert small.shape == (size[1], size[0], len(sizes))
    for number, picture_ in enumerate(pictures):
        grey = Image.fromarray(picture_).convert("L")
        expected = np.asarray(grey.resize(size, Image.Resampling.LANCZOS))
        assert np.array_equal(small[:, :, number], expected), sizes[number]


@settings(max_examples=60, deadline=None)
@given(*[st.integers(1, 200)] * 2, *[st.integers(1, 80)] * 2, st.integers(0, 99))
def test_any_size_is_that_of_pillow(
    width: int, height: int, across: int, down: int, seed: int
) -> None:
    pixels = noise((width, height), seed)
    expected = Image.fromarray(pixels).convert("L").resize((across, down), Image.Resampling.LANCZOS)
    found = Shades([pixels]).resized((across, down))[:, :, 0]
    assert np.array_equal(found, np.asarray(expected))


def test_some_of_the_pictures_may_be_asked_for() -> None:
    shades = Shades([picture(seed, (90, 70 + seed)) for seed in range(4)])
    assert np.array_equal(shades.resized((9, 8), [3, 1]), shades.resized((9, 8))[:, :, [3, 1]])


def test_the_grey_pictures_lie_behind_each_other() -> None:
    shades = Shades([picture(seed, (90, 70 + seed)) for seed in range(3)])
    for one, grey in zip(shades.pictures, shades.grey, strict=True):
        assert np.array_equal(grey, to_grey(one))
    assert np.array_equal(shades.flat_grey, np.concatenate([one.ravel() for one in shades.grey]))
