"""Alike is what shows the same thing, whatever was done to it; not what shows nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.images import Pixels
from curate.duplicates.likeness import (
    SURE,
    Likeness,
    aligned,
    best_likeness,
    is_blank,
    likeness,
    texture,
)
from curate.duplicates.pictures import COMPARED_SIDE, chained, inverted
from curate.duplicates.views import STARTS, View

from .made import EDITS, HERE, SYMMETRIC, blank, clipped, cropped, drawn, jpeg, part, transposed

PLAIN = [(0, 0, 0), (255, 255, 255), (120, 170, 230), (90, 90, 90)]


def similarity(first: Pixels, second: Pixels) -> float:
    return best_likeness(part(first), part(second), HERE).similarity


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_is_itself(seed: int) -> None:
    same = best_likeness(part(drawn(seed)), part(drawn(seed)), HERE)
    assert same.similarity == pytest.approx(1, abs=1e-5)
    assert same.colour == pytest.approx(1)
    assert same.overlap == 1
    np.testing.assert_array_equal(same.matrix, HERE)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_alike_from_either_side(edit: str) -> None:
    for seed in range(8):
        one, other = drawn(seed), EDITS[edit](drawn(seed))
        there, back = similarity(one, other), similarity(other, one)
        assert min(there, back) >= 0.8
        assert there == pytest.approx(back, abs=0.1)


@settings(max_examples=60)
@given(first=st.integers(0, 10**6), second=st.integers(0, 10**6))
def test_other_pictures_are_unlike(first: int, second: int) -> None:
    if first != second:
        assert similarity(drawn(first), drawn(second)) < 0.5


@pytest.mark.parametrize("symmetry", SYMMETRIC)
def test_what_is_turned_is_unlike_unless_it_is_turned_back(symmetry: str) -> None:
    turned = transposed(drawn(1), SYMMETRIC[symmetry])
    assert similarity(drawn(1), turned) < 0.5


@pytest.mark.parametrize("colour", PLAIN, ids=str)
def test_nothing_is_like_nothing(colour: tuple[int, int, int]) -> None:
    """A blank sky is not "equal" to another, nor to itself."""
    noise = np.random.default_rng(0).normal(0, 2, (108, 144, 3))
    for first in (blank(colour), jpeg(blank(colour)), clipped(blank(colour) + noise)):
        assert is_blank(part(first))
        assert similarity(first, first) == 0
        for other in PLAIN:
            assert similarity(first, blank(other)) == 0
        assert similarity(first, drawn(1)) < 0.1
        assert similarity(drawn(1), first) < 0.1


def test_a_sky_with_a_bird_is_not_blank_sky() -> None:
    """Little to see is too little, though the little is the same."""
    sky = blank((120, 170, 230))
    sky[50:54, 60:66] = (20, 20, 20)
    assert is_blank(part(sky))
    assert similarity(sky, blank((120, 170, 230))) == 0


def test_texture_grows_with_what_there_is_to_see() -> None:
    shades = [
        texture(part(clipped((drawn(1) - 128.0) * share + 128))) for share in (0, 0.1, 0.3, 1)
    ]
    assert shades == sorted(shades)
    assert shades[0] < 0.01
    assert 0.5 < shades[-1] <= 1
    assert not is_blank(part(drawn(1)))


@settings(max_examples=30)
@given(seed=st.integers(0, 500), gain=st.floats(0.3, 1), level=st.floats(0, 1))
def test_brightness_and_contrast_do_not_count(seed: int, gain: float, level: float) -> None:
    """Any that clips nothing."""
    copy = np.asarray(drawn(seed) * gain + level * (1 - gain) * 255, np.uint8)
    assert similarity(drawn(seed), copy) > 0.98


@settings(max_examples=30)
@given(first=st.integers(0, 30), second=st.integers(0, 30), view=st.integers(0, len(STARTS) - 1))
def test_similarity_is_a_share(first: int, second: int, view: int) -> None:
    found = best_likeness(part(drawn(first)), part(drawn(second)), STARTS[view].matrix)
    assert 0 <= found.similarity <= 1 + 1e-6
    assert 0 <= found.colour <= 1
    assert 0 <= found.overlap <= 1
    assert -1.001 <= found.structure <= 1.001
    assert -1.001 <= found.correlation <= 1.001
    # Refined, where that is better; never worse than the guess.
    guess = likeness(part(drawn(first)), part(drawn(second)), STARTS[view].matrix)
    assert found.similarity >= guess.similarity


@given(
    structure=st.floats(-1, 1),
    correlation=st.floats(-1, 1),
    colour=st.floats(0, 1),
    overlap=st.floats(0, 1),
    weight=st.floats(0, 1),
)
def test_the_rule_of_similarity(
    structure: float, correlation: float, colour: float, overlap: float, weight: float
) -> None:
    found = Likeness(structure, correlation, colour, overlap, weight, HERE).similarity
    worse = min(structure, correlation)
    if overlap < 0.5 or weight < 0.15 or worse < 0 or (colour < 0.25 and worse < SURE):
        assert found == 0
    else:
        assert found == worse


def test_copies_in_other_colours_pass() -> None:
    for seed in range(8):
        pixels = drawn(seed)
        light = np.array([0.3, 0.59, 0.11])
        recoloured = {
            "grey": np.repeat(clipped(pixels @ light)[..., None], 3, axis=2),
            "sepia": clipped((pixels @ light)[..., None] * [0.95, 0.8, 0.6] + 10),
            "warmer": clipped(pixels * [1.1, 1.0, 0.8]),
            "channels changed": np.ascontiguousarray(pixels[..., [1, 2, 0]] // 3 + pixels // 3 * 2),
        }
        for name, copy in recoloured.items():
            assert similarity(pixels, copy) >= 0.8, name
            assert similarity(copy, pixels) >= 0.8, name


def caps(colours: list[tuple[int, int, int]], noise: int) -> Pixels:
    """Grey scenery and four patches; the noise is what lies between two photos of one shelf."""
    ground = np.repeat(drawn(3)[..., [1]], 3, axis=2).astype(float) * 0.6 + 50
    for number, colour in enumerate(colours):
        top, left = 10 + 50 * (number // 2), 12 + 68 * (number % 2)
        # Colour without light: what is seen in grey stays.
        shift = np.array(colour) - np.dot(colour, [0.299, 0.587, 0.114])
        ground[top : top + 40, left : left + 50] += shift
    spots = np.random.default_rng(noise).normal(0, 40 if noise else 0, ground.shape[:2])
    return clipped(ground + spots[..., None])


RED, BLUE, GREEN, WHITE = (140, 20, 20), (40, 40, 180), (20, 110, 20), (90, 90, 90)


def test_a_red_cap_is_not_a_blue_cap() -> None:
    shelf = [RED, BLUE, WHITE, WHITE]
    for other in ([BLUE, BLUE, RED, RED], [WHITE, WHITE, RED, BLUE], [GREEN, GREEN, RED, GREEN]):
        seen = best_likeness(part(caps(shelf, 0)), part(caps(other, 1)), HERE)
        assert 0.8 < min(seen.structure, seen.correlation) < SURE
        assert seen.colour < 0.5
    swapped = best_likeness(part(caps(shelf, 0)), part(caps(shelf[2:] + shelf[:2], 1)), HERE)
    assert swapped.colour < 0.25
    assert swapped.similarity == 0
    # As much noise, and no contradiction.
    same = best_likeness(part(caps(shelf, 0)), part(caps(shelf, 1)), HERE)
    assert same.colour > 0.9
    assert same.similarity > 0.8


def test_half_of_the_first_must_be_covered() -> None:
    """A detail of a picture is that picture; a picture is not one of its details."""
    whole, detail = part(drawn(1, (288, 216))), part(cropped(drawn(1, (288, 216)), 0.4))
    inside = View(0.2, 0.2, 0.2, 0.2).matrix
    assert likeness(detail, whole, inside).similarity > 0.8
    back = likeness(whole, detail, inverted(inside))
    assert back.overlap == pytest.approx(0.36, abs=0.03)
    assert back.similarity == 0
    nowhere = likeness(whole, detail, np.array([[1.0, 0, 5], [0, 1, 5]]))
    assert nowhere.overlap == 0
    assert nowhere.similarity == 0


@pytest.mark.parametrize("share", [0.05, 0.1, 0.16, 0.2])
def test_the_map_says_where_the_one_lies_in_the_other(share: float) -> None:
    for seed in range(6):
        whole, inner = drawn(seed, (288, 216)), cropped(drawn(seed, (288, 216)), share)
        found = best_likeness(part(inner), part(whole), STARTS[2].matrix)
        real = View(share / 2, share / 2, share / 2, share / 2).matrix
        corners = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
        assert np.abs(found.matrix @ corners - real @ corners).max() < 0.03
        back = best_likeness(part(whole), part(inner), inverted(found.matrix))
        assert back.similarity >= 0.8
        np.testing.assert_allclose(chained(back.matrix, found.matrix), HERE, atol=0.03)


def test_a_map_is_refined() -> None:
    whole = part(drawn(2, (288, 216)))
    detail = part(cropped(drawn(2, (288, 216)), 0.1))
    real = View(0.05, 0.05, 0.05, 0.05).matrix
    found = aligned(detail, whole, HERE)
    assert found is not None
    assert np.abs(found - real).max() < 0.01 < np.abs(HERE - real).max()


def test_what_cannot_be_aligned_stays_where_it_was() -> None:
    nothing = part(blank((90, 90, 90)))
    found = best_likeness(nothing, part(drawn(1)), HERE)
    assert found.similarity == 0
    np.testing.assert_array_equal(found.matrix, HERE)
    # Nothing of the first lies on the second.
    assert aligned(part(drawn(1)), part(drawn(2)), np.array([[1.0, 0, 9], [0, 1, 9]])) is None


def test_the_same_on_every_call() -> None:
    one, other = part(drawn(1)), part(EDITS["turned a little"](drawn(1)))
    first, second = (best_likeness(one, other, HERE) for _ in range(2))
    assert first.similarity == second.similarity
    np.testing.assert_array_equal(first.matrix, second.matrix)
    assert one.pixels.shape == (COMPARED_SIDE, COMPARED_SIDE, 3)
