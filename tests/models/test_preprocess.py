from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from timm.data.transforms_factory import create_transform

from curate.core.errors import InputError
from curate.models.preprocess import (
    ELONGATED,
    INTERPOLATIONS,
    Pixels,
    Preprocessing,
    decode_side,
    prepare,
)

PLAIN = Preprocessing(
    height=32,
    width=32,
    interpolation="bicubic",
    crop_pct=0.875,
    crop_mode="center",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_timm(pixels: Pixels, preprocessing: Preprocessing) -> NDArray[Any]:
    transform = create_transform(
        (3, preprocessing.height, preprocessing.width),
        is_training=False,
        interpolation=preprocessing.interpolation,
        crop_pct=preprocessing.crop_pct,
        crop_mode=preprocessing.crop_mode,
        mean=preprocessing.mean,
        std=preprocessing.std,
        normalize=False,
    )
    result: torch.Tensor = transform(Image.fromarray(pixels))
    return result.permute(1, 2, 0).numpy()


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    side=st.integers(8, 48),
    other=st.integers(0, 3),
    crop_pct=st.sampled_from([0.5, 0.8, 0.875, 0.95, 1.0, 1.2]),
    interpolation=st.sampled_from(sorted(INTERPOLATIONS)),
    mode=st.sampled_from(["center", "squash", "border"]),
)
@settings(deadline=None, max_examples=300)
def test_pixels_are_timms_bit_for_bit(
    height: int,
    width: int,
    side: int,
    other: int,
    crop_pct: float,
    interpolation: str,
    mode: str,
) -> None:
    ours = replace(
        PLAIN,
        height=side,
        width=side + other,
        crop_pct=crop_pct,
        interpolation=interpolation,
        crop_mode=mode,
    )
    # Beyond this, timm's own border mode rounds a side away, and center mode has a test of its own.
    if max(height, width) < min(8 * min(height, width), ELONGATED * min(ours.resized)):
        pixels = noise(height, width)
        assert np.array_equal(prepare(pixels, ours), by_timm(pixels, ours))


@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (224, 224), (333, 224), (2001, 1333)])
def test_pixels_are_timms_at_the_usual_sizes(shape: tuple[int, int]) -> None:
    usual = replace(PLAIN, height=224, width=224)
    pixels = noise(*shape)
    assert np.array_equal(prepare(pixels, usual), by_timm(pixels, usual))


@pytest.mark.parametrize("shape", [(20, 20 * ELONGATED + 133), (20 * ELONGATED + 58, 20)])
def test_a_long_strip_differs_by_no_more_than_a_level(shape: tuple[int, int]) -> None:
    pixels = noise(*shape)
    difference = prepare(pixels, PLAIN).astype(int) - by_timm(pixels, PLAIN)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("shape", [(1, 60_000), (60_000, 1)])
def test_a_thread_of_pixels_does_not_fill_the_memory(shape: tuple[int, int], mode: str) -> None:
    assert prepare(noise(*shape), replace(PLAIN, crop_mode=mode)).shape == (32, 32, 3)


def test_what_is_smaller_than_the_crop_is_padded_in_its_middle() -> None:
    white = np.full((10, 40, 3), 255, np.uint8)
    framed = prepare(white, replace(PLAIN, crop_mode="border", crop_pct=1.0))
    assert framed[0, 0].tolist() == [124, 116, 104]
    assert (framed[12:20] == 255).all()


@given(st.sampled_from(sorted(INTERPOLATIONS)), st.integers(2, 4096), st.floats(0.05, 2))
def test_json_round_trip(interpolation: str, size: int, crop_pct: float) -> None:
    before = replace(PLAIN, interpolation=interpolation, crop_pct=crop_pct).at_size(size)
    assert Preprocessing.from_json(before.to_json()) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height", 0),
        ("width", 5000),
        ("width", 32.0),
        ("height", True),
        ("interpolation", "random"),
        ("crop_mode", "corner"),
        ("crop_pct", 0),
        ("crop_pct", math.nan),
        ("mean", [0.5]),
        ("mean", 0.5),
        ("std", [0.5, 0.5, 0.0]),
        ("std", [0.5, "0.5", 0.5]),
    ],
)
def test_impossible_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field.replace("_", ".")):
        Preprocessing.from_json({**PLAIN.to_json(), field: value})


def test_a_missing_value_is_refused() -> None:
    values = PLAIN.to_json()
    del values["std"]
    with pytest.raises(InputError, match="std"):
        Preprocessing.from_json(values)


def test_a_model_for_grey_images_is_refused() -> None:
    with pytest.raises(InputError, match="1 channels"):
        Preprocessing.from_data_config({"input_size": (1, 28, 28)})


def test_the_decoder_keeps_twice_the_resized_side() -> None:
    assert decode_side(replace(PLAIN, height=224, width=224)) == 512
    assert decode_side(replace(PLAIN, height=100, width=200, crop_pct=1.0)) == 400


def test_decode_workers_load_neither_torch_nor_pandas() -> None:
    program = (
        "import sys, curate.models.preprocess, curate.models.scores, curate.models.recipe;"
        "print(sorted({'torch', 'pandas', 'timm'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"
