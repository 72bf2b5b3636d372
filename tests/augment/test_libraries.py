"""One recipe, two libraries: albumentations and torchvision make the same pictures."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from curate.augment.policy import DEFAULT, LIBRARIES, Colour, Pixels, Warp, compile_policy
from curate.augment.with_torchvision import change
from tests.pictures import picture

Point = NDArray[np.float64]

EXTREMES = {
    "flip(p=1)": 0,
    "vflip(p=1)": 0,
    "rot90(p=1)": 0,
    "rotate(limit=10)": 0.2,
    "rotate(limit=180)": 0.2,
    "zoom(min=1.2, max=1.2)": 0.2,
    "zoom(min=0.85, max=0.85)": 0.2,
    "zoom(min=0.2, max=0.2)": 0.5,
    "zoom(min=4, max=4)": 0.2,
    "rotate(limit=30) zoom(min=0.6, max=1.6)": 0.2,
    # Grey is rounded otherwise: half a step of 255.
    "colour(brightness=0.5, contrast=0, saturation=0, hue=0)": 0.6,
    "colour(brightness=0, contrast=0.5, saturation=0, hue=0)": 1.0,
    "colour(brightness=0, contrast=0, saturation=0.5, hue=0)": 1.0,
    # OpenCV's bytes have 180 hues.
    "colour(brightness=0, contrast=0, saturation=0, hue=0.5)": 2.0,
    DEFAULT: 2.0,
}
"""Recipes, and how far the two may be from each other: the mean over all values of 0…255."""

both = pytest.mark.parametrize("library", list(LIBRARIES))


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def asymmetric(size: tuple[int, int] = (64, 64)) -> Pixels:
    """A picture that no flip and no turn leaves as it is."""
    pixels = picture(3, size).copy()
    pixels[: size[1] // 3, : size[0] // 4] = (250, 10, 10)
    return pixels


@pytest.mark.parametrize("recipe", EXTREMES)
@pytest.mark.parametrize("size", [(64, 64), (90, 60), (41, 77)])
def test_both_make_the_same_picture(recipe: str, size: tuple[int, int]) -> None:
    before = asymmetric(size)
    one, other = (compile_policy(recipe, library) for library in LIBRARIES)
    apart = [
        np.abs(one(before, generator(n)).astype(float) - other(before, generator(n))).mean()
        for n in range(8)
    ]
    assert max(apart) <= EXTREMES[recipe]


@both
@given(
    seed=st.integers(0, 1000),
    width=st.integers(8, 60),
    height=st.integers(8, 60),
    recipe=st.sampled_from([*EXTREMES, ""]),
)
@settings(max_examples=25)
def test_shape_type_and_pixels_follow_from_the_generator(
    library: str, seed: int, width: int, height: int, recipe: str
) -> None:
    before = asymmetric((width, height))
    kept = before.copy()
    random.seed(seed + 1)
    torch.manual_seed(seed + 1)
    first = compile_policy(recipe, library)(before, generator(seed))
    random.seed(seed + 2)
    torch.manual_seed(seed + 2)
    second = compile_policy(recipe, library)(before, generator(seed))
    assert np.array_equal(first, second)
    assert first.shape == before.shape
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    assert np.array_equal(before, kept)


@both
@pytest.mark.parametrize(
    "recipe",
    [
        "",
        "flip(p=0)",
        "vflip(p=0) rot90(p=0)",
        "rotate(limit=0)",
        "zoom(min=1, max=1)",
        "rotate(limit=0) zoom(min=1, max=1)",
        "colour(brightness=0, contrast=0, saturation=0, hue=0)",
    ],
)
def test_recipes_that_change_nothing_change_nothing(library: str, recipe: str) -> None:
    made = compile_policy(recipe, library)(asymmetric(), generator(0))
    # A hue goes there and back through whole numbers.
    assert np.abs(made.astype(int) - asymmetric()).max() <= (3 if "colour" in recipe else 0)


@both
def test_mirrors_and_turns_are_what_they_say(library: str) -> None:
    before = asymmetric()
    assert np.array_equal(
        compile_policy("flip(p=1)", library)(before, generator(0)), before[:, ::-1]
    )
    assert np.array_equal(compile_policy("vflip(p=1)", library)(before, generator(0)), before[::-1])
    turns = {np.rot90(before, -quarters).tobytes() for quarters in (1, 2, 3)}
    policy = compile_policy("rot90(p=1)", library)
    assert {policy(before, generator(seed)).tobytes() for seed in range(30)} == turns


@both
def test_what_is_not_square_is_turned_by_a_half_or_not_at_all(library: str) -> None:
    before = asymmetric((60, 40))
    policy = compile_policy("rot90(p=1)", library)
    made = {policy(before, generator(seed)).tobytes() for seed in range(30)}
    assert made == {before.tobytes(), np.rot90(before, 2).tobytes()}


@both
def test_a_zoom_keeps_the_proportions_of_things(library: str) -> None:
    """A square stays one: the same scale across and down."""
    before = np.zeros((120, 120, 3), np.uint8)
    before[50:70, 50:70] = 255
    policy = compile_policy("zoom(min=0.7, max=1.4)", library)
    sizes = set()
    for seed in range(20):
        bright = policy(before, generator(seed))[:, :, 0] > 127
        across, down = bright.any(0).sum(), bright.any(1).sum()
        assert abs(int(across) - int(down)) <= 1
        sizes.add(int(across))
    assert min(sizes) < 18
    assert max(sizes) > 22


@both
def test_zoomed_in_it_is_a_window_and_zoomed_out_the_middle(library: str) -> None:
    before = np.zeros((100, 100, 3), np.uint8)
    before[45:55, 45:55] = 255
    places = {}
    for recipe in ("zoom(min=1.5, max=1.5)", "zoom(min=0.5, max=0.5)"):
        policy = compile_policy(recipe, library)
        centres = []
        for seed in range(20):
            rows, columns = np.nonzero(policy(before, generator(seed))[:, :, 0] > 127)
            centres.append((rows.mean(), columns.mean()))
        places[recipe] = np.array(centres) - 49.5
    inside, outside = places.values()
    assert np.abs(outside).max() < 0.6
    assert np.abs(inside).max() > 10
    # A window never leaves the picture: the middle moves by a quarter at most.
    assert np.abs(inside).max() <= 25.5


@given(hue=st.floats(-0.5, 0.5), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_a_hue_moves_as_torchvision_moves_it(hue: float, seed: int) -> None:
    before = noise(seed)
    ours = change(before, [Colour(1, 1, 1, hue)])
    floats = v2.adjust_hue(torch.from_numpy(before).permute(2, 0, 1) / 255, hue)
    theirs = (floats.permute(1, 2, 0) * 255).numpy()
    # Rounded to whole numbers, and nothing else.
    assert np.abs(ours - theirs).max() <= 0.51


@given(
    brightness=st.floats(0, 2),
    contrast=st.floats(0, 2),
    saturation=st.floats(0, 2),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_a_colour_becomes_what_torchvision_makes_of_bytes(
    brightness: float, contrast: float, saturation: float, seed: int
) -> None:
    before = noise(seed)
    ours = change(before, [Colour(brightness, contrast, saturation, 0)])
    theirs = torch.from_numpy(before).permute(2, 0, 1)
    theirs = v2.adjust_brightness(theirs, brightness)
    theirs = v2.adjust_contrast(theirs, contrast)
    theirs = v2.adjust_saturation(theirs, saturation).permute(1, 2, 0)
    # It cuts off, at every step and in the grey, where others round.
    assert np.abs(ours.astype(int) - theirs.numpy()).max() <= 4


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(1, 3),
    right=st.floats(-0.2, 0.2),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_a_warp_moves_as_torchvision_moves_it(
    degrees: float, scale: float, right: float, seed: int
) -> None:
    """Within the picture; what torchvision makes of the border has one colour."""
    before = picture(seed % 5, (48, 32))
    shape = (2, 0, 1)
    ours = change(before, [Warp(degrees, scale, right)])
    asked = {"angle": degrees, "translate": [right * 48, 0.0], "scale": scale, "shear": [0.0, 0.0]}
    bilinear = InterpolationMode.BILINEAR
    floats = torch.from_numpy(before.copy()).permute(shape).float()
    theirs = v2.affine(floats, **asked, interpolation=bilinear)
    # How much of each pixel comes from within.
    inside = v2.affine(torch.ones(1, 32, 48), **asked, interpolation=bilinear)[0] > 0.9999
    assert inside.sum() > 100
    apart = np.abs(ours.transpose(shape) - theirs.numpy()).max(0)
    assert apart[inside.numpy()].max() <= 1


@both
def test_a_grey_picture_stays_grey_whatever_its_hue(library: str) -> None:
    grey = np.repeat(noise(1)[:, :, :1], 3, axis=2)
    made = compile_policy("colour(brightness=0, contrast=0, saturation=0.5, hue=0.5)", library)
    assert np.array_equal(made(grey, generator(3)), grey)


@both
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_the_smallest_pictures_keep_their_shape(library: str, size: tuple[int, int]) -> None:
    before = asymmetric(size)
    made = compile_policy(DEFAULT, library)(before, generator(0))
    assert made.shape == before.shape


def noise(seed: int) -> Pixels:
    """Every hue, and every grey."""
    drawn = generator(seed).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    drawn[:8] = drawn[:8, :, :1]
    drawn[8:16, :, 1] = drawn[8:16, :, 2]
    return drawn


def test_two_warps_are_one() -> None:
    """A point goes where it would go by one and then by the other."""
    one = Warp(degrees=20, scale=1.3, right=0.1, down=-0.05)
    other = Warp(degrees=-50, scale=0.8, right=-0.2, down=0.3)
    height, width = 40, 100
    both_at_once = one.then(other, height, width)
    point = np.array([13.0, -7.0])
    assert moved(both_at_once, point, height, width) == pytest.approx(
        moved(other, moved(one, point, height, width), height, width)
    )


def moved(warp: Warp, point: Point, height: int, width: int) -> Point:
    """Move a point, measured from the centre of the picture."""
    angle = np.radians(warp.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(warp.scale * turn @ point + [warp.right * width, warp.down * height])
