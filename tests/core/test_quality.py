"""Measures order pictures as a person would, where a person would."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.images import Pixels, as_pixels
from curate.core.quality import Quality, measured, overall

from ..pictures import picture


def scene(size: tuple[int, int] = (400, 300)) -> Pixels:
    """Draw smooth noise with fine lines over it: something that can be out of focus."""
    pixels = picture(3, size).copy()
    pixels[::9] //= 2
    pixels[:, ::11] //= 2
    return pixels


def of(pixels: Pixels) -> Quality:
    return measured(pixels)


def test_blur_costs_sharpness_and_quality_the_more_the_stronger() -> None:
    found = [of(as_pixels(cv2.GaussianBlur(scene(), (0, 0), sigma))) for sigma in (0.6, 1.5, 4)]
    for values in ([one.sharpness for one in found], [one.quality for one in found]):
        assert values == sorted(values, reverse=True)
        assert values[0] > 1.3 * values[-1]


@pytest.mark.parametrize("factor", [0.1, 0.3])
def test_a_dark_picture_is_worse(factor: float) -> None:
    light, dark = of(scene()), of((scene() * factor).astype(np.uint8))
    assert dark.brightness < light.brightness
    assert dark.contrast < light.contrast
    assert dark.quality < light.quality


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_picture_is_worth_nothing(value: int) -> None:
    assert of(np.full((300, 400, 3), value, np.uint8)) == Quality(0.0, float(value), 0.0, 0.0)


def test_a_picture_that_was_enlarged_is_soft() -> None:
    small = as_pixels(cv2.resize(scene(), (50, 38), interpolation=cv2.INTER_AREA))
    assert of(small).sharpness < of(scene()).sharpness / 2


def test_half_black_half_white_has_all_the_contrast_there_is() -> None:
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:, 128:] = 255
    found = of(pixels)
    assert (found.brightness, found.contrast) == (127.5, 127.5)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (900, 700)])
def test_every_size_has_finite_measures(size: tuple[int, int]) -> None:
    assert all(math.isfinite(value) for value in vars(of(picture(1, size))).values())


_MEASURES = (st.floats(0, 1e5), st.floats(0, 255), st.floats(0, 127.5))


@given(*_MEASURES)
def test_one_number_lies_between_nothing_and_one(s: float, b: float, c: float) -> None:
    assert 0 <= overall(s, b, c) <= 1


@given(*_MEASURES, st.floats(0, 1e5), st.floats(0, 127.5))
def test_more_sharpness_or_contrast_is_never_worse(
    s: float, b: float, c: float, more: float, richer: float
) -> None:
    assert overall(max(s, more), b, c) >= overall(min(s, more), b, c)
    assert overall(s, b, max(c, richer)) >= overall(s, b, min(c, richer))


@pytest.mark.parametrize("size", [(40, 30), (160, 120), (160, 160)])
def test_sharpness_is_the_variance_of_the_laplacian(size: tuple[int, int]) -> None:
    pixels = picture(5, size)
    grey = as_pixels(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    square = as_pixels(cv2.resize(grey, (128, 128), interpolation=cv2.INTER_AREA))
    bordered = np.pad(square.astype(int), 1, mode="reflect")
    edges = (
        bordered[2:, 1:-1] + bordered[:-2, 1:-1] + bordered[1:-1, 2:] + bordered[1:-1, :-2]
        - 4 * bordered[1:-1, 1:-1]
    )  # fmt: skip
    found = of(pixels)
    assert found.sharpness == pytest.approx(edges.var(), rel=1e-12)
    assert found.contrast == pytest.approx(square.std(), rel=1e-12)
