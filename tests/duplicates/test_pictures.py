"""The looks at an image: margins that are there and none that are not, and what lies where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.core.images import Pixels, to_jpeg
from curate.duplicates.likeness import best_likeness
from curate.duplicates.pictures import (
    COMPARED_SIDE,
    SYMMETRIES,
    chained,
    inverted,
    margins,
    parts,
    shown,
    symmetries,
)
from curate.duplicates.views import SIDE, Affine

from .made import (
    EDITS,
    HERE,
    SYMMETRIC,
    as_seen,
    blank,
    drawn,
    framed,
    jpeg,
    part,
    resized,
    transposed,
)

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 20, 30),
    "blue": (20, 40, 220),
}
WIDTH, HEIGHT = 144, 108


def close(found: tuple[int, ...], real: tuple[int, ...]) -> bool:
    """As wide as it is, and at most the two lines more that the edge is blurred over."""
    return all(
        0 <= one - other <= (2 if other else 0) for one, other in zip(found, real, strict=True)
    )


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
@pytest.mark.parametrize(
    "sides",
    [
        (12, 12, 12, 12),
        (30, 30, 0, 0),
        (0, 0, 40, 40),
        (20, 0, 0, 0),
        (0, 20, 0, 0),
        (0, 0, 20, 0),
        (0, 0, 0, 20),
        (5, 25, 9, 30),
    ],
    ids=str,
)
def test_a_margin_is_found(sides: tuple[int, int, int, int], colour: tuple[int, int, int]) -> None:
    for seed in range(3):
        assert close(margins(framed(drawn(seed), *sides, colour)), sides)


@pytest.mark.parametrize("colour", [COLOURS["black"], COLOURS["white"]], ids=str)
@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize(
    "sides", [(30, 30, 30, 30), (60, 60, 0, 0), (0, 0, 90, 90), (40, 0, 0, 0)], ids=str
)
def test_a_margin_is_found_in_a_thumbnail(
    sides: tuple[int, int, int, int], colour: tuple[int, int, int], quality: int
) -> None:
    """JPEG blurs the edge, a thumbnail is smaller, and then it is JPEG once more."""
    for seed in range(2):
        photo = jpeg(framed(drawn(seed, (480, 360)), *sides, colour), quality)
        small = as_seen(photo)
        found = margins(small)
        real = [side * max(small.shape) / max(photo.shape) for side in sides]
        assert all(
            abs(one - other) <= 4 if other else one == 0
            for one, other in zip(found, real, strict=True)
        )


@settings(max_examples=40)
@given(
    sides=st.tuples(*[st.just(0) | st.integers(6, 40)] * 4),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    seed=st.integers(0, 1000),
)
def test_any_margin_is_found(
    sides: tuple[int, int, int, int], colour: tuple[int, int, int], seed: int
) -> None:
    assert close(margins(framed(drawn(seed), *sides, colour)), sides)


def test_the_framed_copy_shows_its_picture() -> None:
    for seed, colour in enumerate(COLOURS.values()):
        looks = parts(jpeg(framed(drawn(seed, (480, 360)), 40, 90, 60, 40, colour), 85))
        assert sorted(looks) == [0, 1]
        assert best_likeness(looks[1], part(drawn(seed, (480, 360))), HERE).similarity >= 0.9
        assert looks[1].symmetry == ""


@pytest.mark.parametrize("edit", EDITS)
def test_no_margin_is_invented(edit: str) -> None:
    for seed in range(15):
        if not edit.startswith("turned"):
            assert margins(EDITS[edit](drawn(seed))) == (0, 0, 0, 0)
            assert sorted(parts(EDITS[edit](drawn(seed)))) == [0]


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_a_plain_picture_has_none(colour: tuple[int, int, int]) -> None:
    assert margins(blank(colour)) == (0, 0, 0, 0)
    assert margins(jpeg(blank(colour))) == (0, 0, 0, 0)
    noise = np.random.default_rng(0).integers(0, 5, (HEIGHT, WIDTH, 1))
    assert margins((blank(colour) // 2 + noise).astype(np.uint8)) == (0, 0, 0, 0)
    # A plain picture in a frame of another colour shows nothing in its frame either.
    assert margins(framed(blank(colour), 9, 9, 9, 9, (90, 160, 90))) == (0, 0, 0, 0)


def test_a_sliver_is_none() -> None:
    for sides in ((1, 0, 0, 0), (0, 1, 0, 1), (1, 1, 1, 1)):
        assert margins(framed(drawn(1), *sides, (0, 0, 0))) == (0, 0, 0, 0)


def test_what_covers_a_third_is_no_margin() -> None:
    assert margins(framed(drawn(1), 80, 0, 0, 0, (0, 0, 0)))[0] == 0


@given(height=st.integers(1, 12), width=st.integers(1, 12), seed=st.integers(0, 99))
def test_margins_leave_something_of_tiny_pictures(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 2, (height, width, 1), dtype=np.uint8) * 255
    top, bottom, left, right = margins(np.repeat(pixels, 3, axis=2))
    assert top + bottom < height
    assert left + right < width
    for look in parts(np.repeat(pixels, 3, axis=2), tuple(SYMMETRIES)).values():
        assert look.pixels.shape == (COMPARED_SIDE, COMPARED_SIDE, 3)


@pytest.mark.parametrize("symmetry", SYMMETRIC)
def test_margins_turn_with_the_picture(symmetry: str) -> None:
    top, bottom, left, right = 8, 14, 20, 26
    place = {
        "mirrored": (top, bottom, right, left),
        "upside down": (bottom, top, left, right),
        "turned left": (right, left, top, bottom),
        "turned by half": (bottom, top, right, left),
        "turned right": (left, right, bottom, top),
        "mirrored and turned left": (left, right, top, bottom),
        "mirrored and turned right": (right, left, bottom, top),
    }
    picture = framed(drawn(5), top, bottom, left, right, (0, 0, 0))
    assert close(margins(transposed(picture, SYMMETRIC[symmetry])), place[symmetry])


def test_symmetries_that_are_looked_for() -> None:
    assert symmetries(flips=False, turns=False) == ("",)
    assert symmetries(flips=True, turns=False) == ("", "mirrored", "upside down")
    assert set(symmetries(flips=False, turns=True)) == {
        "", "turned left", "turned by half", "turned right",
    }  # fmt: skip
    assert set(symmetries(flips=True, turns=True)) == set(SYMMETRIES)


def test_a_number_says_what_a_part_is() -> None:
    plain, margin = drawn(2), framed(drawn(2), 12, 12, 12, 12, (255, 255, 255))
    everything = parts(margin, tuple(SYMMETRIES))
    assert sorted(everything) == list(range(16))
    assert sorted(parts(plain, tuple(SYMMETRIES))) == list(range(0, 16, 2))
    for number, look in everything.items():
        assert list(SYMMETRIES)[number // 2] == look.symmetry
    # The same number whatever else is asked, and in whatever order.
    some = parts(margin, ("turned right", "", "mirrored"))
    assert sorted(some) == [0, 1, 2, 3, 10, 11]
    for number, look in some.items():
        np.testing.assert_array_equal(look.pixels, everything[number].pixels)
        np.testing.assert_array_equal(look.placed, everything[number].placed)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_symmetry_says_where_each_pixel_lies(symmetry: str) -> None:
    upright = drawn(3, (COMPARED_SIDE, COMPARED_SIDE))
    look = parts(upright, (symmetry,))[2 * list(SYMMETRIES).index(symmetry)]
    for row in range(0, COMPARED_SIDE, 7):
        for column in range(0, COMPARED_SIDE, 5):
            point = (np.array([column, row]) + 0.5) / COMPARED_SIDE
            x, y = look.placed @ [*point, 1] * COMPARED_SIDE
            np.testing.assert_array_equal(look.pixels[row, column], upright[int(y), int(x)])


@pytest.mark.parametrize("symmetry", SYMMETRIC)
def test_a_symmetry_is_what_it_is_called(symmetry: str) -> None:
    """A part of a picture looks as the copy that is turned as the part says."""
    pixels = drawn(4)
    look = parts(pixels, (symmetry,))[2 * list(SYMMETRIES).index(symmetry)]
    copy = part(transposed(pixels, SYMMETRIC[symmetry]))
    assert np.abs(look.pixels.astype(int) - copy.pixels).mean() < 1
    assert best_likeness(copy, look, HERE).similarity > 0.99
    assert best_likeness(copy, part(pixels), HERE).similarity < 0.5


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_part_lies_where_it_says(symmetry: str) -> None:
    pixels = framed(drawn(6), 12, 20, 8, 30, (0, 0, 0))
    height, width = pixels.shape[:2]
    large = resized(pixels, (4 * width, 4 * height)).astype(float)
    number = 2 * list(SYMMETRIES).index(symmetry)
    for look in (parts(pixels, (symmetry,))[number], parts(pixels, (symmetry,))[number + 1]):
        assert look.symmetry == symmetry
        steps = (np.arange(COMPARED_SIDE) + 0.5) / COMPARED_SIDE
        y, x = np.meshgrid(steps, steps, indexing="ij")
        there_x, there_y = look.placed @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        assert min(there_x.min(), there_y.min()) > 0
        assert max(there_x.max(), there_y.max()) < 1
        found = large[(there_y * 4 * height).astype(int), (there_x * 4 * width).astype(int)]
        assert np.abs(look.pixels.reshape(-1, 3) - found).mean() < 12


affine = st.builds(
    lambda turn, scale, shear, x, y: np.array(
        [
            [scale * np.cos(turn), shear - scale * np.sin(turn), x],
            [scale * np.sin(turn), scale * np.cos(turn), y],
        ]
    ),
    st.floats(0, 6.3),
    st.floats(0.3, 3),
    st.floats(-0.1, 0.1),
    st.floats(-2, 2),
    st.floats(-2, 2),
)


@given(
    outer=affine, middle=affine, inner=affine, point=st.tuples(st.floats(-2, 2), st.floats(-2, 2))
)
def test_maps_chain_and_turn_back(
    outer: Affine, middle: Affine, inner: Affine, point: tuple[float, float]
) -> None:
    here = np.array([*point, 1])
    then = np.array([*(inner @ here), 1])
    np.testing.assert_allclose(chained(outer, inner) @ here, outer @ then, atol=1e-9)
    np.testing.assert_allclose(
        chained(chained(outer, middle), inner), chained(outer, chained(middle, inner)), atol=1e-9
    )
    np.testing.assert_allclose(chained(outer, HERE), outer, atol=1e-12)
    np.testing.assert_allclose(chained(HERE, outer), outer, atol=1e-12)
    for both in (chained(inverted(outer), outer), chained(outer, inverted(outer))):
        np.testing.assert_allclose(both, HERE, atol=1e-9)
    np.testing.assert_allclose(
        inverted(chained(outer, inner)), chained(inverted(inner), inverted(outer)), atol=1e-8
    )


def test_symmetries_are_a_group() -> None:
    """What is turned twice is turned once in another way, or not at all."""
    known = {tuple(matrix.ravel()) for matrix in SYMMETRIES.values()}
    assert len(known) == len(SYMMETRIES) == 8
    for one in SYMMETRIES.values():
        assert tuple((inverted(one) + 0.0).round(9).ravel()) in known
        for other in SYMMETRIES.values():
            assert tuple((chained(one, other) + 0.0).round(9).ravel()) in known


def test_grey_and_hashed_pictures() -> None:
    look = part(drawn(7))
    assert look.grey.shape == (COMPARED_SIDE, COMPARED_SIDE)
    assert look.hashed.shape == (SIDE, SIDE)
    theirs = np.asarray(Image.fromarray(look.pixels).convert("L"), int)
    assert np.abs(theirs - look.grey).max() <= 1
    halves = look.grey.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    assert np.abs(halves - look.hashed).max() <= 0.5


def test_thumbnails_are_shown() -> None:
    thumbnails = {
        "a": to_jpeg(drawn(1), 95),
        "b": to_jpeg(framed(drawn(2), 9, 9, 9, 9, (0, 0, 0)), 95),
    }
    looks = shown(thumbnails, ("", "mirrored"))
    assert {image_id: sorted(of) for image_id, of in looks.items()} == {
        "a": [0, 2],
        "b": [0, 1, 2, 3],
    }
    assert best_likeness(looks["a"][0], part(drawn(1)), HERE).similarity > 0.95


def test_a_picture_is_not_written_to() -> None:
    def fingerprint(pixels: Pixels) -> bytes:
        return pixels.tobytes()

    pixels = framed(drawn(8), 12, 12, 12, 12, (0, 0, 0))
    before = fingerprint(pixels)
    for look in parts(pixels, tuple(SYMMETRIES)).values():
        look.pixels[:] = 0
    assert fingerprint(pixels) == before
