"""Laws of the edits: pure, readable, and the same photo still."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.edits import EDITS, ON_REQUEST, STRENGTHS, amounts, apply

KINDS = [*EDITS, *ON_REQUEST]
EVERY = [(kind, strength) for kind in KINDS for strength in range(len(STRENGTHS))]
# What takes its change from chance may draw the same amount twice; these place or pick something.
DRAWN = ["crop", "noise", "caption"]


def photo(width: int = 120, height: int = 80) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(rows / 9 + k) * np.cos(columns / 13 - k) for k in range(3)]
    return Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8))


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def grey(picture: Image.Image) -> np.ndarray:
    small = picture.convert("L").resize((16, 16), Image.Resampling.BOX)
    return np.asarray(small, float).ravel()


def test_there_are_twenty_kinds_and_two_on_request() -> None:
    assert (len(EDITS), len(ON_REQUEST), len(STRENGTHS)) == (20, 2, 3)
    assert not EDITS.keys() & ON_REQUEST.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_its_amounts(kind: str) -> None:
    assert amounts(kind).endswith(".")


@pytest.mark.parametrize(("kind", "strength"), EVERY)
def test_the_same_draws_give_the_same_file_and_leave_the_photo(kind: str, strength: int) -> None:
    picture = photo()
    before = picture.tobytes()
    first = apply(kind, picture, strength, np.random.default_rng(7))
    second = apply(kind, picture, strength, np.random.default_rng(7))
    assert first == second
    assert picture.tobytes() == before


@pytest.mark.parametrize(("kind", "strength"), EVERY)
def test_every_edit_changes_the_pixels(kind: str, strength: int) -> None:
    picture = photo()
    edited = decoded(apply(kind, picture, strength, np.random.default_rng(7)).data).convert("RGB")
    assert edited.size != picture.size or edited.tobytes() != picture.tobytes()


@pytest.mark.parametrize("kind", DRAWN)
def test_other_draws_give_another_file(kind: str) -> None:
    files = {apply(kind, photo(), 1, np.random.default_rng(seed)).data for seed in range(4)}
    assert len(files) > 1


@pytest.mark.parametrize(("kind", "strength"), EVERY)
@pytest.mark.parametrize("size", [(32, 32), (33, 90)])
def test_small_photos_can_be_edited(kind: str, strength: int, size: tuple[int, int]) -> None:
    edited = decoded(apply(kind, photo(*size), strength, np.random.default_rng(3)).data)
    assert min(edited.size) >= 8


@pytest.mark.parametrize("kind", ["jpeg", "webp", "palette", "shrink", "enlarge", "squash", "blur"])
def test_what_moves_nothing_keeps_the_picture(kind: str) -> None:
    picture = photo()
    for strength in range(3):
        edited = decoded(apply(kind, picture, strength, np.random.default_rng(7)).data)
        assert np.corrcoef(grey(picture), grey(edited))[0, 1] > 0.97


def test_a_straightened_photo_shows_no_corner() -> None:
    white = Image.new("RGB", (200, 120), (255, 255, 255))
    for strength in range(3):
        edited = decoded(apply("rotate", white, strength, np.random.default_rng(1)).data)
        assert np.asarray(edited.convert("L")).min() > 245
        assert edited.width / edited.height == pytest.approx(200 / 120, rel=0.03)


def test_crops_grow_with_the_strength() -> None:
    areas = [
        np.prod(decoded(apply("crop", photo(), strength, np.random.default_rng(1)).data).size)
        for strength in range(3)
    ]
    assert areas[0] > areas[1] > areas[2] > 0.7 * 120 * 80
