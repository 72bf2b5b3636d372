from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.augment.policy import DEFAULT, KINDS, Pixels, compile_policy
from curate.core.errors import InputError
from curate.models.recipe import parse


def picture(height: int = 40, width: int = 48) -> Pixels:
    """A bright quarter on a slope of colours: every step changes it, and one sees which."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows * 3, columns * 3, (rows + columns) * 2], axis=2).astype(np.uint8)
    pixels[: height // 2, : width // 2] = (230, 60, 90)
    return pixels


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(0, 1000), st.integers(8, 70), st.integers(8, 70))
@settings(deadline=None, max_examples=40)
def test_the_same_generator_gives_the_same_pixels(seed: int, height: int, width: int) -> None:
    before = picture(height, width)
    # Two policies: nothing may be remembered from one picture to the next either.
    one, other = compile_policy(DEFAULT), compile_policy(DEFAULT)
    other(picture(), generator(seed + 1))
    first, second = one(before, generator(seed)), other(before, generator(seed))
    assert np.array_equal(first, second)
    assert first.shape == before.shape
    assert first.dtype == np.uint8
    assert np.array_equal(before, picture(height, width))


def test_different_generators_give_different_pixels() -> None:
    policy = compile_policy(DEFAULT)
    variants = {policy(picture(), generator(seed)).tobytes() for seed in range(20)}
    assert len(variants) == 20


@pytest.mark.parametrize(
    "step",
    [
        "flip(p=0.5)",
        "rotate(limit=10)",
        "zoom(min=0.85, max=1.15)",
        "colour(brightness=0.15, contrast=0.15, saturation=0.15, hue=0.02)",
    ],
)
def test_every_step_draws_from_the_generator_alone(step: str) -> None:
    assert step in DEFAULT
    policy = compile_policy(step)
    random.seed(3)
    python, legacy = random.getstate(), np.random.get_state(legacy=False)["state"]["key"]
    first = [policy(picture(), generator(seed)) for seed in range(12)]
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], legacy)
    random.seed(4)
    again = [policy(picture(), generator(seed)) for seed in range(12)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({pixels.tobytes() for pixels in first}) > 1


def test_a_flip_is_a_flip() -> None:
    assert np.array_equal(compile_policy("flip(p=1)")(picture(), generator()), picture()[:, ::-1])
    assert np.array_equal(compile_policy("flip(p=0)")(picture(), generator()), picture())


def test_the_empty_recipe_changes_nothing() -> None:
    assert np.array_equal(compile_policy("")(picture(), generator()), picture())


def test_no_black_corners_come_in() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    for recipe in ("rotate(limit=45)", "zoom(min=0.3, max=0.5)"):
        assert (compile_policy(recipe)(white, generator()) == 255).all()


def test_the_default_leaves_a_picture_recognisable() -> None:
    policy = compile_policy(DEFAULT)
    for seed in range(30):
        changed = policy(picture(), generator(seed)).astype(float)
        nearer = min(
            np.abs(changed - original).mean() for original in (picture(), picture()[:, ::-1])
        )
        assert nearer < 40


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("flop(p=0.5)", "Did you mean flip"),
        ("mosaic(n=4)", "known are flip, rotate, zoom, colour, vflip, rot90"),
        ("flip", "takes exactly p"),
        ("flip(p=0.5, q=1)", "takes exactly p"),
        ("flip(p=1.5)", r"p lies in 0…1"),
        ("flip(p='often')", r"p lies in 0…1"),
        ("flip(p=True)", r"p lies in 0…1"),
        ("zoom(min=0, max=1)", "min lies in"),
        ("zoom(min=1.2, max=0.8)", "min is not above max"),
        ("rotate(limit=1e999)", "limit lies in"),
        ("rotate(limit=x)", "literals"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(recipe: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        compile_policy(recipe)


def test_the_default_has_no_step_that_needs_a_picture_without_an_upper_side() -> None:
    named = {call.name for call in parse(DEFAULT)}
    assert named == {"flip", "rotate", "zoom", "colour"}
    assert named < KINDS.keys()


def test_a_library_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="known are albumentations, torchvision"):
        compile_policy("flip(p=1)", "kornia")


def test_threads_may_share_a_policy() -> None:
    policy = compile_policy(DEFAULT)
    alone = [policy(picture(), generator(seed)).tobytes() for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        shared = pool.map(lambda seed: policy(picture(), generator(seed)).tobytes(), range(40))
        assert list(shared) == alone


def test_importing_asks_no_server() -> None:
    program = (
        "import urllib.request as u\n"
        "def no(*args, **kw): raise SystemExit('asked a server')\n"
        "u.OpenerDirector.open = no\n"
        "import curate.augment.with_albumentations"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("NO_ALBUMENTATIONS_UPDATE", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
