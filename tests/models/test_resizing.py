"""Resizing by torch is Pillow's, but for a level of rounding in a few pixels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.core.files import FileEntry
from curate.engine import STREAMS, Form, Limits, Work
from curate.models.preprocess import Preprocessing, prepare, with_pillow
from curate.models.resizing import with_torch


def picture(
    height: int, width: int, seed: int
) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A photo-like picture: waves of several lengths, some noise, and hard edges."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = sum(
        generator.uniform(10, 60)
        * np.sin(rows / generator.uniform(2, 40) + columns / generator.uniform(2, 40))
        for _ in range(4)
    )
    planes = np.stack([128 + waves * generator.uniform(0.5, 1.5) for _ in range(3)], axis=2)
    planes[height // 3 : height // 2, : width // 2] = generator.integers(0, 256, 3)
    planes += generator.normal(0, 6, planes.shape)
    return np.asarray(np.clip(planes, 0, 255), np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from([32, 97, 224]),
    st.sampled_from(["bilinear", "bicubic", "nearest", "lanczos"]),
    st.sampled_from(["center", "squash", "border"]),
    st.integers(0, 9),
)
def test_it_is_pillows_but_for_rounding(
    height: int, width: int, side: int, interpolation: str, mode: str, seed: int
) -> None:
    used = Preprocessing(side, side, interpolation, 0.875, mode, (0.5,) * 3, (0.5,) * 3)
    pixels = picture(height, width, seed)
    slow, fast = prepare(pixels, used, with_pillow), prepare(pixels, used, with_torch)
    assert slow.shape == fast.shape == (side, side, 3)
    # Both round after each of two passes. Where weights are negative, those of the second have
    # absolute values that add up to more than 1: a level of the first may become one and a bit.
    most = 1 if interpolation in ("bilinear", "nearest") else 2
    assert np.abs(slow.astype(int) - fast.astype(int)).max() <= most


@pytest.mark.parametrize("turned", [False, True])
def test_pictures_that_are_views_and_read_only_are_taken(turned: bool) -> None:
    used = Preprocessing(64, 64, "bicubic", 1.0, "center", (0.5,) * 3, (0.5,) * 3)
    pixels = picture(120, 90, 1)
    pixels = pixels[::-1].transpose(1, 0, 2) if turned else pixels
    pixels.setflags(write=False)
    assert (
        np.abs(
            prepare(pixels, used, with_torch).astype(int) - prepare(pixels, used).astype(int)
        ).max()
        <= 1
    )


def test_loading_torch_is_not_held_against_the_first_file(tmp_path: Path) -> None:
    # A worker's allowance for one file is counted from what it has when it starts to read.
    path = tmp_path / "large.png"
    Image.fromarray(picture(60, 80, 3)).resize((4000, 3000)).save(path, compress_level=1)
    used = Preprocessing(64, 64, "bicubic", 1.0, "center", (0.5,) * 3, (0.5,) * 3)
    work = Work("curate.models.resizing:read_into_fast", {"preprocessings": (used,)})
    form = Form(((64, 64, 3),), 1)
    entry = FileEntry(os.fsencode(path), 1, 1, 1)
    limits = Limits(memory=512 << 20)
    with STREAMS["processes"](work, lambda arrays: arrays[0].copy(), form, 1, limits) as stream:
        (block,) = stream.run([entry])
    assert block.outcomes[0].reason == ""
    assert block.result.std() > 10
