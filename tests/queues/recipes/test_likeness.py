"""Likeness: a group that is as classes are is likely one, and what is loose or far is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.recipes.likeness import FEWEST, Likeness, learnt

laws = settings(max_examples=50, deadline=None)
values = st.floats(-1, 1)
classes = st.lists(values, min_size=FEWEST, max_size=20)

USUAL = Likeness(np.array([0.5, 0.6, 0.7, 0.6, 0.6]), np.array([0.3, 0.4, 0.5, 0.4, 0.4]))


@laws
@given(tight=classes, seed=st.integers(0, 99), low=values, high=values, near=values)
def test_tighter_and_nearer_is_never_less_likely(
    tight: list[float], seed: int, low: float, high: float, near: float
) -> None:
    low, high = sorted([low, high])
    random = np.random.default_rng(seed)
    known = Likeness(np.array(tight), random.uniform(-1, 1, len(tight)))

    assert 0 <= known.of(low, near) <= known.of(high, near) <= 1
    assert known.of(near, low) <= known.of(near, high)


def test_a_group_like_the_classes_is_a_class_and_others_are_not() -> None:
    assert USUAL.of(0.6, 0.4) > 0.9
    assert USUAL.of(0.1, 0.4) < 0.5
    assert USUAL.of(0.6, -0.2) < 0.5
    assert USUAL.of(0.1, -0.2) < 0.1


@pytest.mark.parametrize("number", range(FEWEST))
def test_with_few_classes_nobody_can_say(number: int) -> None:
    few = np.linspace(0.4, 0.6, number)
    assert Likeness(few, few).of(-1, -1) == 0.5


def test_classes_that_are_all_alike_leave_no_doubt() -> None:
    same = np.full(5, 0.5)
    assert Likeness(same, same).of(0.4, 0.5) < 1e-3
    assert Likeness(same, same).of(0.5, 0.5) > 0.9


def test_what_is_learnt_by_hand() -> None:
    # Two images 60 degrees apart, two alike, and a class of one, which says nothing.
    half = np.sqrt(3) / 2
    taught = np.array([[1, 0], [0.5, half], [0, 1], [0, 1], [-1, 0]], np.float32)
    found = learnt(taught, np.array([0, 0, 1, 1, 2]))

    assert found.tight == pytest.approx([0.5, 1.0], abs=1e-6)
    # The mean of the first lies at 30 degrees, the second at 90.
    assert found.near == pytest.approx([0.5, 0.5], abs=1e-6)


@laws
@given(seed=st.integers(0, 99))
def test_numbers_and_images_without_a_direction_do_not_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(12, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    numbers = np.repeat([0, 1, 2], 4)
    found = learnt(rows, numbers)
    more = np.concatenate([rows, np.zeros((2, 6), np.float32)])
    other = learnt(more, np.concatenate([10 * numbers + 3, [3, 99]]))

    assert other.tight == pytest.approx(found.tight, abs=1e-5)
    assert other.near == pytest.approx(found.near, abs=1e-5)


def test_without_images_nothing_is_learnt() -> None:
    found = learnt(np.zeros((2, 4), np.float32), np.array([0, 1]))
    assert found.of(0.9, 0.9) == 0.5
