"""Hashes are those of `imagehash`, as numbers, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate import engine
from curate.core import hashes
from curate.core.files import Walked
from curate.core.grey import Values
from curate.core.hashes import HASHES, hashes_of
from curate.core.images import Pixels, open_picture
from curate.core.listing import walk
from curate.core.look import DECODED_SIDE, hashed

from ..pictures import picture


def theirs(pixels: Pixels) -> dict[str, int]:
    image = Image.fromarray(pixels)
    return {name: int(str(getattr(imagehash, name)(image)), 16) for name in HASHES}


def assert_equal(pixels: Pixels) -> None:
    expected = theirs(pixels)
    assert {name: take(pixels) for name, take in HASHES.items()} == expected
    assert hashes_of([pixels]) == [expected]
    assert all(0 <= value < 2**64 for value in expected.values())


@pytest.mark.parametrize("size", [(96, 64), (31, 200), (8, 8), (1, 1), (3, 500), (500, 3), (9, 1)])
def test_equal_on_small_and_odd_sizes(size: tuple[int, int]) -> None:
    for seed in range(5):
        assert_equal(picture(seed, size))


@pytest.mark.parametrize("size", [(348, 348), (464, 348), (348, 464), (256, 256), (700, 520)])
@pytest.mark.parametrize("kind", ["smooth", "noise", "black and white"])
def test_equal_on_sizes_of_photos(size: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(sum(size))
    for seed in range(3):  # the first picture of a size, the one that teaches, and one after
        pixels = picture(seed, size)
        if kind != "smooth":
            pixels = rng.integers(0, 256, pixels.shape, dtype=np.uint8)
        if kind == "black and white":
            pixels = np.where(pixels > 127, np.uint8(255), np.uint8(0))
        assert_equal(pixels)


def test_equal_on_flat_pictures_of_every_grey() -> None:
    for value in range(256):
        assert_equal(np.full((24, 32, 3), value, np.uint8))


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (7, 8, 9)]
)
@pytest.mark.parametrize("shape", [(300, 256), (16, 16)])
def test_equal_on_one_colour_and_on_halves(
    colour: tuple[int, int, int], shape: tuple[int, int]
) -> None:
    flat = np.full((*shape, 3), colour, np.uint8)
    assert_equal(flat)
    for half in (np.s_[: shape[0] // 2], np.s_[:, shape[1] // 2 :], np.s_[shape[0] // 3 :]):
        halved = flat.copy()
        halved[half] = 255
        assert_equal(halved)


def test_equal_for_many_pictures_of_all_kinds_at_once() -> None:
    sizes = [(96, 64), (64, 96), (8, 8), (1, 1), (30, 200), (700, 40), (87, 87)]
    pictures = [picture(seed, size) for seed, size in enumerate(sizes * 3)]
    pictures += [np.full((40, 50, 3), grey, np.uint8) for grey in (0, 31, 32, 255)]
    assert hashes_of(pictures) == [theirs(pixels) for pixels in pictures]
    assert hashes_of([]) == []


@pytest.mark.parametrize("across", [False, True])
def test_equal_on_gradients(across: bool) -> None:
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    grey = np.tile(ramp, (256, 1)) if across else np.tile(ramp, (256, 1)).T
    assert_equal(np.ascontiguousarray(np.dstack([grey, grey, 255 - grey])))


def test_equal_where_blocks_tie_with_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = hashes._wavelets

    def counting(square: Values) -> Values:
        asked.append(square)
        return real(square)

    monkeypatch.setattr(hashes, "_wavelets", counting)
    on_white = np.full((256, 256, 3), 255, np.uint8)
    on_white[90:150, 70:130] = picture(1, (60, 60))
    assert_equal(on_white)
    assert asked
    asked.clear()
    assert_equal(picture(1, (256, 256)))
    assert not asked, "wavelets cost more than all the rest together"


@settings(max_examples=60)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32), st.sampled_from([2, 3, 16, 256])
)
def test_equal_on_any_picture(width: int, height: int, seed: int, values: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, values, (height, width, 3))
    assert_equal((drawn * (255 // (values - 1))).astype(np.uint8))


def test_equal_on_real_photos(shared: Path) -> None:
    photos = [*sorted(shared.glob("photos/grocery/**/*.jpg"))[::180]]
    photos += sorted(shared.glob("photos/trashnet/**/*.jpg"))[::60]
    assert len(photos) > 30
    for photo in photos:
        assert_equal(hashed(open_picture(photo.read_bytes(), DECODED_SIDE).pixels))


def unequal(path: bytes) -> list[str]:
    """Name the hashes of a file that differ; called in a process with limits."""
    with open(path, "rb") as file:
        pixels = hashed(open_picture(file.read(), DECODED_SIDE).pixels)
    expected = theirs(pixels)
    return [name for name, value in hashes_of([pixels])[0].items() if value != expected[name]]


def test_equal_on_odd_and_hostile_pictures(shared: Path) -> None:
    entries = list(walk(os.fsencode(shared / "corpora" / "pillow"), Walked()))
    # Those of a few kilobytes open quickly; a bomb would take imagehash half a minute.
    entries = [entry for entry in entries if entry.bytes < 40_000][::3]
    work = engine.Work("tests.core.test_hashes:unequal")
    outcomes = list(engine.BACKENDS["processes"](entries, work, 2, engine.Limits(seconds=10)))
    opened = [outcome for outcome in outcomes if outcome.value is not None]
    assert len(opened) > 100
    assert [outcome.entry.path for outcome in opened if outcome.value] == []


@pytest.mark.parametrize("name", sorted(set(HASHES) - {"colorhash"}))
def test_alike_pictures_are_near_and_others_far(name: str) -> None:
    pixels = picture(1, (320, 240))
    smaller = np.asarray(Image.fromarray(pixels).resize((160, 120)))
    found = [HASHES[name](one) for one in (pixels, smaller, picture(2, (320, 240)))]
    assert (found[0] ^ found[1]).bit_count() <= 4
    assert (found[0] ^ found[2]).bit_count() >= 16


def test_colours_part_pictures_of_one_shape() -> None:
    pixels = picture(1, (320, 240))
    smaller = np.asarray(Image.fromarray(pixels).resize((160, 120)))
    turned = np.ascontiguousarray(pixels[:, :, ::-1])
    found = [HASHES["colorhash"](one) for one in (pixels, smaller, turned)]
    assert (found[0] ^ found[1]).bit_count() <= 2
    assert found[0] != found[2]
    assert all(value < 2**42 for value in found)
