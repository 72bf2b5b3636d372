"""Spread and standing: orders by features, against oracles that look at every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.filters.spread import directions, spread
from curate.queues.recipes.standing import standing

laws = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, count: int, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return 1 - directions(rows)[0] @ directions(others)[0].T


@laws
@given(seed=seeds, count=st.integers(1, 30), covered=st.integers(0, 4))
def test_each_row_is_the_farthest_from_all_before_it(seed: int, count: int, covered: int) -> None:
    rows, start = drawn(seed, count), drawn(seed + 1, covered)
    order = spread(rows, count, start)

    assert sorted(order) == list(range(count))
    for place in range(0 if covered else 1, count):
        before = np.concatenate([start, rows[order[:place]]])
        far = distances(rows[order[place:]], before).min(axis=1)
        assert far[0] >= far.max() - 1e-5


@laws
@given(seed=seeds, count=st.integers(1, 30), wanted=st.integers(0, 40))
def test_a_shorter_spread_is_the_beginning_of_a_longer_one(
    seed: int, count: int, wanted: int
) -> None:
    rows = drawn(seed, count)
    assert spread(rows, wanted).tolist() == spread(rows, 99)[:wanted].tolist()


@laws
@given(seed=seeds, count=st.integers(1, 20))
def test_the_best_choice_is_at_most_twice_as_near(seed: int, count: int) -> None:
    """Gonzalez' bound; angles are a metric, and the farthest by cosine is the farthest by angle."""
    rows = drawn(seed, count, 3)
    order = spread(rows, 3)
    angles = np.arccos(np.clip(1 - distances(rows, rows), -1, 1))
    reached = angles[:, order].min(axis=1).max()
    trios = np.random.default_rng(seed).integers(0, count, (200, 3))
    best = min(angles[:, trio].min(axis=1).max() for trio in trios)
    assert reached <= 2 * best + 1e-3


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 0.0, 1e300])
def test_rows_without_a_direction_are_never_chosen(broken: float) -> None:
    rows = drawn(1, 6)
    rows[2] = broken
    # The largest number that float32 cannot hold is as good as infinite.
    assert sorted(spread(rows, 9)) == [0, 1, 3, 4, 5]
    assert sorted(standing(rows)) == [0, 1, 3, 4, 5]
    assert len(spread(rows, 9, np.full((2, 6), broken))) == 5


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_one(count: int) -> None:
    assert spread(drawn(0, count), 5).tolist() == list(range(count))
    assert standing(drawn(0, count)).tolist() == list(range(count))
    assert spread(drawn(0, 4), 0).tolist() == []


def test_only_directions_count() -> None:
    rows = drawn(3, 12)
    lengths = np.exp(drawn(4, 12, 1))
    assert spread(rows, 12).tolist() == spread(rows * lengths, 12).tolist()
    assert standing(rows).tolist() == standing(rows * lengths).tolist()


def heaps(sizes: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tight heaps of so many images each, and which heap each row is of, shuffled."""
    random = np.random.default_rng(seed)
    middles = random.normal(size=(len(sizes), 32))
    of = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return middles[of] + random.normal(0, 0.2, (len(of), 32)), of


def test_the_largest_heaps_are_stood_for_first_and_each_once() -> None:
    rows, of = heaps((40, 30, 20, 10, 1, 1))
    assert of[standing(rows)[:4]].tolist() == [0, 1, 2, 3]


def test_lone_images_come_early_by_spread_alone() -> None:
    rows, of = heaps((40, 30, 20, 10, 1, 1))
    assert set(of[spread(rows, 6)]) == set(range(6))


def test_what_is_labelled_covers_its_heap() -> None:
    rows, of = heaps((40, 30, 20))
    order = of[standing(rows, rows[of == 0][:3])]
    assert set(order[:2]) == {1, 2}
    assert of[spread(rows, 1, rows[of != 2])].tolist() == [2]


@laws
@given(seed=seeds, count=st.integers(2, 25))
def test_each_standing_row_covers_most_of_what_is_left(seed: int, count: int) -> None:
    rows = drawn(seed, count)
    centred = directions(rows)[0] - directions(rows)[0].mean(axis=0)
    # Of fewer rows than NEIGHBOURS, the farthest row is the floor.
    cosines = 1 - distances(centred, centred)
    gained = np.maximum(cosines - cosines.min(axis=1, keepdims=True), 0)
    order = standing(rows)
    assert sorted(order) == list(range(count))
    had = np.zeros(count)
    for at in order:
        gains = np.maximum(gained - had[:, None], 0).sum(axis=0)
        assert gains[at] >= gains.max() - 1e-4
        had = np.maximum(had, gained[:, at])
