"""Affinity: whether an image lies with what is labelled, or with the pool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.queues.expectations.affinity import NEAREST, Side, affinity
from curate.queues.filters.spread import directions

laws = settings(max_examples=60, deadline=None)


def around(
    seed: int, number: int, middle: NDArray[np.float64], apart: float = 0.2
) -> NDArray[np.float64]:
    """Features that lie around a point."""
    dice = np.random.default_rng(seed)
    return middle + dice.normal(0, apart, (number, len(middle)))


def side(features: NDArray[np.float64], first: int) -> Side:
    return Side(unit(features), np.arange(first, first + len(features), dtype=np.uint64))


def unit(features: NDArray[np.float64]) -> NDArray[np.float32]:
    return directions(features)[0]


def families(number: int) -> NDArray[np.uint64]:
    return np.arange(number, dtype=np.uint64)


@st.composite
def questions(
    draw: st.DrawFn,
) -> tuple[NDArray[np.float64], NDArray[np.uint64], Side, Side]:
    """Few images in few families, some of them on a side themselves."""
    dice = np.random.default_rng(draw(st.integers(0, 10_000)))
    numbers = [draw(st.integers(low, 8)) for low in (1, 0, 0)]
    rows = [dice.normal(size=(number, 4)) for number in numbers]
    kin = [dice.integers(0, 6, number).astype(np.uint64) for number in numbers]
    return rows[0], kin[0], Side(unit(rows[1]), kin[1]), Side(unit(rows[2]), kin[2])


def test_of_the_class_is_between_the_two_and_of_another_it_is_with_the_pool() -> None:
    here, there = np.array([1.0, 0, 0, 0, 0, 0]), np.array([1.0, 0.8, 0, 0, 0, 0])
    labelled = side(around(1, 40, here), 100)
    # Half of what is taken for the class is of one that the model lacks.
    own, hidden = around(2, 40, here), around(3, 40, there)
    pool = side(np.concatenate([own, hidden]), 0)
    near = affinity(np.concatenate([own, hidden]), families(80), labelled, pool)
    assert abs(np.median(near[:40])) < 0.1
    assert np.median(near[40:]) < -0.3


@laws
@given(questions())
def test_it_lies_between_minus_one_and_one_or_is_missing(
    asked: tuple[NDArray[np.float64], NDArray[np.uint64], Side, Side],
) -> None:
    rows, kin, labelled, pool = asked
    near = affinity(rows, kin, labelled, pool)
    for at in range(len(rows)):
        others = [int((one.families != kin[at]).sum()) for one in (labelled, pool)]
        assert np.isnan(near[at]) == (min(others) < NEAREST)
    assert (np.abs(near[np.isfinite(near)]) <= 1).all()


@laws
@given(questions())
def test_the_two_sides_changed_change_the_sign(
    asked: tuple[NDArray[np.float64], NDArray[np.uint64], Side, Side],
) -> None:
    rows, kin, labelled, pool = asked
    np.testing.assert_allclose(
        affinity(rows, kin, labelled, pool), -affinity(rows, kin, pool, labelled), atol=1e-9
    )


@laws
@given(questions(), st.floats(0.01, 100))
def test_only_directions_count_and_no_order(
    asked: tuple[NDArray[np.float64], NDArray[np.uint64], Side, Side], length: float
) -> None:
    rows, kin, labelled, pool = asked
    turned = Side(pool.features[::-1], pool.families[::-1])
    before = affinity(rows, kin, labelled, pool)
    after = affinity(rows[::-1] * length, kin[::-1], labelled, turned)[::-1]
    np.testing.assert_allclose(before, after, atol=1e-4)


def test_other_shots_of_the_same_scene_tell_nothing() -> None:
    labelled = side(around(1, 10, np.array([1.0, 0, 0])), 100)
    pool = side(around(2, 10, np.array([1.0, 0, 0])), 200)
    image = around(3, 1, np.array([1.0, 0, 0]))
    # A burst of the image itself, all of one family.
    burst = Side(
        np.concatenate([pool.features, unit(np.repeat(image, 5, axis=0))]),
        np.concatenate([pool.families, np.full(5, 7, np.uint64)]),
    )
    alone = np.array([7], np.uint64)
    assert affinity(image, alone, labelled, burst) == pytest.approx(
        affinity(image, alone, labelled, pool)
    )


def test_images_that_are_the_same_everywhere_are_on_neither_side() -> None:
    same = np.ones((4, 3))
    assert affinity(same[:1], families(1), side(same, 10), side(same, 20)) == pytest.approx([0])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_features_without_a_direction_are_at_home_nowhere(value: float) -> None:
    here = around(1, 10, np.array([1.0, 0, 0]))
    rows = np.concatenate([np.full((1, 3), value), here[:1]])
    near = affinity(rows, families(2), side(here, 10), side(here, 30))
    assert np.isnan(near[0])
    assert np.isfinite(near[1])
