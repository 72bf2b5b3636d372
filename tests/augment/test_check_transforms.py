"""What is done to pictures, and what recipes come to."""

from __future__ import annotations

import numpy as np
import pytest

from curate.augment.checks.transforms import (
    AS_IT_IS,
    FLIP,
    TURNS,
    UPSIDE_DOWN,
    reached_by,
    transforms_of,
    turned,
    zoom_of,
)
from curate.augment.policy import DEFAULT, compile_policy
from curate.core.errors import InputError
from tests.pictures import picture

PIXELS = picture(3, (64, 64))


def test_the_usual_recipe_reaches_all_but_turns() -> None:
    assert set(transforms_of(DEFAULT)) == reached_by(DEFAULT) | {*TURNS, UPSIDE_DOWN}
    assert len(transforms_of(DEFAULT)) == 14


def test_flips_and_turns_are_always_tried() -> None:
    assert set(transforms_of("")) == {*TURNS, FLIP, UPSIDE_DOWN}
    assert reached_by("") == frozenset()


@pytest.mark.parametrize("name", transforms_of(DEFAULT))
def test_the_shape_stays(name: str) -> None:
    for size in ((64, 64), (50, 70)):
        made = transforms_of(DEFAULT)[name].change(picture(1, size))
        assert made.shape == picture(1, size).shape
        assert made.dtype == np.uint8


@pytest.mark.parametrize("name", [AS_IT_IS, FLIP, UPSIDE_DOWN, *TURNS])
def test_the_inverse_undoes(name: str) -> None:
    transforms = transforms_of("")
    undo = transforms[transforms[name].inverse].change
    np.testing.assert_array_equal(undo(transforms[name].change(PIXELS)), PIXELS)


def test_a_turn_is_clockwise() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0, 0] = 255
    assert turned(pixels, 1)[0, -1].max() == 255


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        (FLIP, "flip(p=1)"),
        (UPSIDE_DOWN, "vflip(p=1)"),
        ("zoom out", "zoom(min=0.7, max=0.7)"),
    ],
)
def test_an_end_is_what_training_does(name: str, recipe: str) -> None:
    expected = compile_policy(recipe)(PIXELS, np.random.default_rng(0))
    np.testing.assert_array_equal(transforms_of(recipe)[name].change(PIXELS), expected)


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("flip(p=0)", set()),
        ("flip(p=0.1)", {FLIP}),
        ("vflip(p=0.5)", {UPSIDE_DOWN}),
        ("rot90(p=0.5)", {"turn 90", "turn 180", "turn 270"}),
        ("rotate(limit=0)", set()),
        ("rotate(limit=10)", {"rotate left", "rotate right"}),
        ("rotate(limit=90)", {"rotate left", "rotate right", "turn 90", "turn 270"}),
        ("zoom(min=0.8, max=1)", {"zoom out"}),
        ("zoom(min=1, max=1.2)", {"zoom in"}),
        ("colour(brightness=0, contrast=0, saturation=0.1, hue=0)", {"dark", "bright"}),
        ("colour(brightness=0, contrast=0, saturation=0, hue=0.1)", {"hue down", "hue up"}),
    ],
)
def test_what_a_recipe_may_come_to(recipe: str, names: set[str]) -> None:
    assert reached_by(recipe) == names
    assert names <= set(transforms_of(recipe))


def test_the_ends_of_the_zoom() -> None:
    assert zoom_of("zoom(min=0.5, max=2)") == (0.5, 2.0)
    assert zoom_of("flip(p=1)") == (1.0, 1.0)


def test_dark_is_darker_than_bright() -> None:
    transforms = transforms_of(DEFAULT)
    means = [transforms[name].change(PIXELS).mean() for name in ("dark", AS_IT_IS, "bright")]
    assert means == sorted(means)
    assert means[0] < means[2] - 10


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(InputError, match="known are"):
        transforms_of("mosaic(n=4)")


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("vflip(p=0.5)", {UPSIDE_DOWN}),
        ("rot90(p=0.5)", {*TURNS[1:]}),
        ("flip(p=0.5) vflip(p=0.5)", {FLIP, UPSIDE_DOWN, "turn 180"}),
        ("flip(p=0.5) rot90(p=0.5)", {FLIP, UPSIDE_DOWN, *TURNS[1:]}),
        ("vflip(p=0.5) rot90(p=0.5)", {FLIP, UPSIDE_DOWN, *TURNS[1:]}),
        ("flip(p=0.5) flip(p=0)", {FLIP}),
        ("flip(p=0) vflip(p=0) rot90(p=0)", set()),
        ("rotate(limit=60) rotate(limit=60)", {"rotate left", "rotate right", *TURNS[1::2]}),
        ("zoom(min=0.8, max=1) zoom(min=1, max=1)", {"zoom out"}),
    ],
)
def test_what_flips_turns_and_repeated_steps_come_to(recipe: str, expected: set[str]) -> None:
    assert reached_by(recipe) == expected


def test_a_policy_reaches_what_it_says_and_no_other_orientation() -> None:
    pixels = picture(3, (32, 32)).copy()
    pixels[:9, :5] = (250, 10, 10)
    tried = {name: one.change(pixels) for name, one in transforms_of("").items()}
    for recipe in ("flip(p=0.5) vflip(p=0.5)", "rot90(p=0.5)", "vflip(p=0.5)", "flip(p=0.5)"):
        policy = compile_policy(recipe)
        made = [policy(pixels, np.random.default_rng(seed)) for seed in range(60)]
        came = {name for name, one in tried.items() if any((one == m).all() for m in made)}
        assert came - {AS_IT_IS} == reached_by(recipe)


def test_two_zooms_are_checked_as_one() -> None:
    assert zoom_of("zoom(min=0.8, max=1.2) zoom(min=0.5, max=2)") == pytest.approx((0.4, 2.4))
