"""Where a subject is, and whether a zoom would lose it."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.augment.checks.subjects import boxed, subject_verdicts
from curate.augment.saliency import NOBODY, Subject, salience, subject_in, subject_of
from curate.core.images import Pixels

ZOOM = (0.85, 1.15)


def planted(side: float, x: float = 0.5, y: float = 0.5, seed: int = 0) -> Pixels:
    """Draw a speckled disc of this part of the frame's side on a calm ground."""
    random = np.random.default_rng(seed)
    ground = random.normal((70, 110, 60), 4, (120, 160, 3))
    speckles = random.normal((200, 80, 120), 30, (120, 160, 3))
    mask = np.zeros((120, 160), np.uint8)
    axes = (round(160 * side / 2), round(120 * side / 2))
    cv2.ellipse(mask, (round(160 * x), round(120 * y)), axes, 0, 0, 360, 1, -1)
    return np.where(mask[..., None] > 0, speckles, ground).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [0.2, 0.3, 0.5, 0.7])
def test_the_side_of_a_subject_is_found(side: float) -> None:
    found = subject_of(planted(side))
    assert found.side == pytest.approx(side, abs=0.06)
    assert found.contact == 0


@pytest.mark.parametrize(("x", "y"), [(0.05, 0.5), (0.95, 0.5), (0.5, 0.02), (0.5, 0.98)])
def test_a_cut_subject_touches_the_border(x: float, y: float) -> None:
    assert subject_of(planted(0.6, x, y)).contact > 0.2


def test_a_larger_photo_says_the_same() -> None:
    small = planted(0.4)
    large = np.asarray(cv2.resize(small, (640, 480)), np.uint8)
    assert subject_of(large).side == pytest.approx(subject_of(small).side, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 2, 3), (120, 160, 3)])
def test_where_nothing_stands_out_there_is_nobody(shape: tuple[int, int, int]) -> None:
    found = subject_of(np.full(shape, 90, np.uint8))
    assert np.isnan(found.side)
    assert np.isnan(found.contact)


def test_salience_lies_between_0_and_1() -> None:
    values = salience(planted(0.4))
    assert (values.min(), values.max()) >= (0, 0)
    assert values.max() == 1
    assert values.dtype == np.float32


def test_specks_are_not_the_subject() -> None:
    values = np.zeros((60, 80), np.float32)
    values[20:40, 30:50] = 1
    values[2:4, 70:72] = 1
    found = subject_in(values)
    assert found.side == pytest.approx(20 / np.sqrt(60 * 80), abs=0.03)


@pytest.mark.parametrize(
    ("text", "side", "contact"),
    [
        ("10 20 50 25", np.sqrt(0.5 * 0.25), 0),
        ("[10, 20, 50, 25]", np.sqrt(0.5 * 0.25), 0),
        ("0.1 0.2 0.5 0.25", np.sqrt(0.5 * 0.25), 0),
        ("0 20 50 25", np.sqrt(0.5 * 0.25), 0.25),
        ("60 80 50 25", np.sqrt(0.4 * 0.2), 0.4),
        ("0 0 1 1", 1, 1),
    ],
)
def test_boxes_in_pixels_and_in_parts(text: str, side: float, contact: float) -> None:
    found = boxed(text, 100, 100)
    assert (found.side, found.contact) == pytest.approx((side, contact))


@pytest.mark.parametrize("text", ["", "1 2 3", "0 0 0 5", "200 0 10 10", "0 0 -5 5", "nan 0 1 1"])
def test_what_is_no_box_is_nobody(text: str) -> None:
    assert boxed(text, 100, 100) is NOBODY


def subjects(*found: Subject) -> pd.DataFrame:
    rows = [(f"i{n}", "cat", one.side, one.contact, "box") for n, one in enumerate(found)]
    return pd.DataFrame(rows, columns=["image_id", "class", "side", "contact", "source"])


def test_small_and_cut_subjects_are_unsafe() -> None:
    table = subjects(Subject(0.2, 0), Subject(0.6, 0), Subject(0.6, 0.3), Subject(0.2, 0.3), NOBODY)
    rows = subject_verdicts(table, ZOOM)
    assert list(zip(rows["image_id"], rows["transform"], strict=True)) == [
        ("i0", "zoom out"),
        ("i2", "zoom in"),
        ("i3", "zoom in"),
    ]
    assert rows["figure"].iloc[0] == pytest.approx(0.17)
    assert "20% of the frame's side (box), 17% zoomed out by 0.85" in rows["reason"].iloc[0]


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (1.0, 1.3), (0.85, 1.0)])
def test_only_what_the_recipe_does_is_unsafe(zoom: tuple[float, float]) -> None:
    rows = subject_verdicts(subjects(Subject(0.2, 0), Subject(0.6, 0.3)), zoom)
    expected = {"zoom out"} if zoom[0] < 1 else {"zoom in"} if zoom[1] > 1 else set()
    assert set(rows["transform"]) == expected


@given(side=st.floats(0.01, 1), least=st.floats(0.1, 1))
def test_zooming_out_less_loses_no_more(side: float, least: float) -> None:
    table = subjects(Subject(side, 0))
    milder = min(1.0, least * 1.2)
    assert len(subject_verdicts(table, (milder, 1))) <= len(subject_verdicts(table, (least, 1)))
