"""Hashes under views: exact whatever the batch, and near for what a view really shows."""

from __future__ import annotations

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from curate.core.images import Pixels
from curate.duplicates.candidates import SLOPES_CHECK, WAVES_RADIUS
from curate.duplicates.views import SIDE, STARTS, VIEWS, View, _maps, view_hashes

from .made import cropped, drawn, jpeg, part, rotated

Small = NDArray[np.uint8]


def small(pixels: Pixels) -> Small:
    return part(pixels).hashed[None]


def random(count: int, seed: int) -> Small:
    """Noise, plain pictures and gradients: ties in the medians and in the slopes are likely."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    made[::3] //= 128
    made[1::5] = np.arange(SIDE, dtype=np.uint8)
    return made


def bits(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return np.asarray(np.bitwise_count(first ^ second))


def test_the_first_view_is_the_whole() -> None:
    assert VIEWS[0] == View()
    np.testing.assert_array_equal(VIEWS[0].matrix, [[1, 0, 0], [0, 1, 0]])
    assert STARTS[: len(VIEWS)] == VIEWS
    assert len(set(STARTS)) == len(STARTS)


def test_views_lie_in_the_picture() -> None:
    corners = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
    for view in STARTS:
        if not view.degrees:
            x, y = view.matrix @ corners
            np.testing.assert_allclose(x, [view.left, 1 - view.right] * 2, atol=1e-12)
            np.testing.assert_allclose(y, np.repeat([view.top, 1 - view.bottom], 2), atol=1e-12)
            assert min(view.left, view.top, view.right, view.bottom) >= 0


@given(
    cuts=st.tuples(*[st.floats(0, 0.4)] * 4),
    degrees=st.floats(-20, 20),
)
def test_a_turn_keeps_the_centre_and_the_area(
    cuts: tuple[float, float, float, float], degrees: float
) -> None:
    straight, turned = View(*cuts).matrix, View(*cuts, degrees).matrix
    centre = np.array([0.5, 0.5, 1])
    np.testing.assert_allclose(turned @ centre, straight @ centre, atol=1e-12)
    area = np.linalg.det(straight[:, :2])
    assert np.linalg.det(turned[:, :2]) == pytest.approx(area)
    assert area == pytest.approx((1 - cuts[0] - cuts[2]) * (1 - cuts[1] - cuts[3]))


def test_the_map_holds_whole_numbers_whose_sums_are_exact() -> None:
    maps = _maps()
    assert maps.shape == (SIDE * SIDE, len(VIEWS) * 2 * 64)
    np.testing.assert_array_equal(maps, np.rint(maps))
    # A median halves the sum of two values, so one bit more is needed.
    assert 255 * np.abs(maps).sum(axis=0).max() < 2**52
    assert np.abs(maps).sum(axis=0).min() > 0


def test_hashes_have_one_column_a_view() -> None:
    for count in (0, 1, 3):
        for hashes in view_hashes(random(count, 0)):
            assert hashes.shape == (count, len(VIEWS))
            assert hashes.dtype == np.uint64


@settings(max_examples=15)
@given(count=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_a_batch_is_each_picture_alone_in_any_order(count: int, seed: int) -> None:
    pictures = random(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    together = view_hashes(pictures)
    shuffled = view_hashes(pictures[order])
    alone = [view_hashes(picture[None]) for picture in pictures]
    for kind in (0, 1):
        np.testing.assert_array_equal(shuffled[kind], together[kind][order])
        np.testing.assert_array_equal(np.concatenate([one[kind] for one in alone]), together[kind])


def test_hashes_are_the_same_on_every_machine() -> None:
    """Remembered hashes meet those of later versions; whoever changes these says so."""
    row, column = np.mgrid[:SIDE, :SIDE]
    picture = (row * row * 7 + column * 13 + row * column * 3) % 256
    waves, slopes = view_hashes(picture[None].astype(np.uint8))
    chosen = [0, 3, 8, 16, 20]
    assert [f"{hash_:016x}" for hash_ in waves[0, chosen]] == WAVES
    assert [f"{hash_:016x}" for hash_ in slopes[0, chosen]] == SLOPES


WAVES = [
    "aeab4f0c210baced",
    "96a05aae6114bdf9",
    "8d0f1b09071dcb5f",
    "a6a753cc6143ade1",
    "8eab5fc9610b0dc9",
]
SLOPES = [
    "d3686dcb9623e9a4",
    "28b56a94922562a8",
    "e115ae35c5d7b54c",
    "86eccbb61327b947",
    "db6fcdeb972399b4",
]


def test_waves_of_the_whole_are_nearly_phash() -> None:
    for seed in range(30):
        grey = small(drawn(seed))
        theirs = int(str(imagehash.phash(Image.fromarray(grey[0]))), 16)
        waves, _ = view_hashes(grey)
        assert bits(waves[:, 0], np.array([theirs], np.uint64))[0] <= 4


def test_slopes_of_the_whole_are_gradients_of_its_averages() -> None:
    for seed in range(30):
        grey = small(drawn(seed))
        cells = cv2.resize(grey[0].astype(np.float64), (9, 8), interpolation=cv2.INTER_AREA)
        rising = np.diff(cells, axis=1) > 0
        theirs = int("".join("01"[bit] for bit in rising.ravel().astype(int)), 2)
        _, slopes = view_hashes(grey)
        assert bits(slopes[:, 0], np.array([theirs], np.uint64))[0] <= 4


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_a_view_is_hashed_as_the_picture_that_it_shows(number: int) -> None:
    apart = []
    for seed in range(6):
        pixels = drawn(seed, (256, 256))
        to_pixels = VIEWS[number].matrix.copy()
        to_pixels[:, 2] = VIEWS[number].matrix @ [0.5, 0.5, 1] * 256 - to_pixels[:, :2] @ [128, 128]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        view = np.asarray(cv2.warpAffine(pixels, to_pixels, (256, 256), flags=flags), np.uint8)
        for whole, seen in zip(view_hashes(small(view)), view_hashes(small(pixels)), strict=True):
            apart.append(bits(whole[:, 0], seen[:, number])[0])
    shows_outside = VIEWS[number].degrees and not VIEWS[number].left
    assert max(apart) <= (WAVES_RADIUS if shows_outside else 4)


@pytest.mark.parametrize("share", [0.03, 0.06, 0.1, 0.13, 0.17, 0.2])
def test_a_cropped_copy_is_near_to_some_view(share: float) -> None:
    for seed in range(8):
        assert_near_to_a_view(cropped(drawn(seed), share), drawn(seed))


@pytest.mark.parametrize("degrees", [-4, -3, -2, 2, 3, 4])
def test_a_copy_turned_a_little_is_near_to_some_view(degrees: float) -> None:
    for seed in range(8):
        turned = rotated(drawn(seed), degrees)
        # Black corners, and cut off as people do.
        assert_near_to_a_view(jpeg(turned), drawn(seed))
        assert_near_to_a_view(cropped(turned, 0.08), drawn(seed))


def assert_near_to_a_view(copy: Pixels, original: Pixels) -> None:
    """As `candidates` sees it: the one as a whole, the other under a view, either way round."""
    one, other = view_hashes(small(copy)), view_hashes(small(original))
    assert any(
        (
            (bits(whole[0][:, :1], seen[0]) <= WAVES_RADIUS)
            & (bits(whole[1][:, :1], seen[1]) <= SLOPES_CHECK)
        ).any()
        for whole, seen in ((one, other), (other, one))
    )


def test_other_pictures_are_far() -> None:
    hashes = np.concatenate([view_hashes(small(drawn(seed)))[0] for seed in range(40)])
    apart = bits(hashes[:, None, :1], hashes[None])
    assert (apart[~np.eye(40, dtype=bool)] > WAVES_RADIUS).mean() > 0.999
