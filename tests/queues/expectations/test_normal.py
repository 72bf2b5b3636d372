"""Normal distributions of few numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.normal import PRIOR_PLACE, PRIOR_POINTS, Normal, fitted

laws = settings(max_examples=30, deadline=None)
BELIEVED = Normal(np.zeros(2), np.array([[1.0, 0.3], [0.3, 0.5]]))


def points(number: int, far: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(far, 0.5, (number, 2))


def test_the_density_is_that_of_the_textbook() -> None:
    # Of a standard normal: -log(2 pi) - |x|² / 2.
    said = Normal(np.zeros(2), np.eye(2)).log_density(np.array([[0.0, 0.0], [1.0, 2.0]]))
    np.testing.assert_allclose(said, -np.log(2 * np.pi) - np.array([0, 2.5]))
    wide = Normal(np.zeros(2), 4 * np.eye(2)).log_density(np.array([[2.0, 4.0]]))
    np.testing.assert_allclose(wide, said[1] - np.log(4))


def test_without_points_it_is_what_was_believed() -> None:
    none = fitted(points(3, 5.0), np.zeros(3), BELIEVED)
    np.testing.assert_allclose(none.mean, BELIEVED.mean)
    np.testing.assert_allclose(none.spread, BELIEVED.spread, atol=1e-5)


@laws
@given(st.integers(1, 200), st.floats(-20, 20), st.integers(0, 9))
def test_the_mean_is_as_if_one_believed_point_were_among_them(
    number: int, far: float, seed: int
) -> None:
    some = points(number, far, seed)
    said = fitted(some, np.ones(number), BELIEVED)
    among = np.vstack([some, BELIEVED.mean])

    assert PRIOR_PLACE == 1
    np.testing.assert_allclose(said.mean, among.mean(axis=0), atol=1e-9)
    own = (among - said.mean).T @ (among - said.mean) + PRIOR_POINTS * BELIEVED.spread
    np.testing.assert_allclose(said.spread, own / (number + PRIOR_POINTS), atol=1e-5)


@laws
@given(st.floats(3, 30), st.integers(0, 9))
def test_a_few_dozen_points_far_off_do_not_reach_back(far: float, seed: int) -> None:
    said = fitted(points(32, far, seed), np.ones(32), BELIEVED)
    back = (said.mean - BELIEVED.mean) / np.sqrt(np.diag(said.spread))
    assert (back > 3).all()


@laws
@given(st.lists(st.integers(0, 3), min_size=4, max_size=12))
def test_a_weight_is_so_many_of_the_same(times: list[int]) -> None:
    some = points(len(times), 1.0)
    one = fitted(some, np.array(times, np.float64), BELIEVED)
    other = fitted(np.repeat(some, times, axis=0), np.ones(sum(times)), BELIEVED)
    assert one.mean == pytest.approx(other.mean)
    np.testing.assert_allclose(one.spread, other.spread)
