from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.models.scores import log_softmax
from curate.train.calibrate import (
    BOUNDS,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
)

seeds = st.integers(0, 2**32 - 1)


def drawn(
    seed: int, number: int = 4000, classes: int = 5
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits whose softmax is the truth: the right class is drawn from it."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(number, classes)).astype(np.float32) * 2
    chances = np.exp(log_softmax(logits)).cumsum(axis=1)
    targets = (random.random((number, 1)) > chances).sum(axis=1).clip(max=classes - 1)
    return logits, targets


@given(seeds, st.floats(0.2, 5))
@settings(max_examples=15, deadline=None)
def test_an_exaggeration_is_found_and_taken_back(seed: int, factor: float) -> None:
    logits, targets = drawn(seed)
    found = fit_temperature((logits * factor).astype(np.float32), targets)
    assert found == pytest.approx(factor, rel=0.15)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_order_of_images_and_classes_changes_nothing(seed: int) -> None:
    logits, targets = drawn(seed, 200)
    random = np.random.default_rng(seed)
    rows, columns = random.permutation(200), random.permutation(5)
    moved = np.argsort(columns)[targets[rows]]
    again = fit_temperature(logits[rows][:, columns], moved)
    assert again == pytest.approx(fit_temperature(logits, targets), rel=1e-4)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_it_makes_the_images_it_saw_no_less_likely(seed: int) -> None:
    logits, targets = drawn(seed, 500)
    wild = logits * 4
    before = negative_log_likelihood(wild, targets, 1.0)
    assert negative_log_likelihood(wild, targets, fit_temperature(wild, targets)) < before


def test_a_few_images_that_are_all_right_do_not_make_it_certain() -> None:
    logits = np.eye(3, dtype=np.float32) * 4
    found = fit_temperature(logits, np.arange(3))
    sure = np.exp(log_softmax(logits, found)).max(axis=1)
    # Platt: of three right ones the next is right with a chance of four in five.
    assert sure == pytest.approx(4 / 5, abs=1e-3)


def test_without_images_it_stays_uncalibrated() -> None:
    nothing = np.empty((0, 3), np.float32)
    none = np.empty(0, np.int64)
    assert fit_temperature(nothing, none) == 1.0
    assert math.isnan(negative_log_likelihood(nothing, none, 1.0))
    assert math.isnan(calibration_error(nothing, none, 1.0))
    assert fit_temperature(np.full((2, 3), np.nan, np.float32), np.zeros(2, np.int64)) == 1.0


def test_it_stays_in_its_bounds() -> None:
    logits = np.zeros((4, 2), np.float32)
    assert BOUNDS[0] <= fit_temperature(logits, np.zeros(4, np.int64)) <= BOUNDS[1]
    wrong = np.eye(2, dtype=np.float32) * 50
    assert fit_temperature(wrong, np.array([1, 0])) == pytest.approx(BOUNDS[1], rel=1e-3)


def test_calibration_error_of_a_worked_example() -> None:
    # Four images at 0.8, of which two are right: 0.3 too sure. Two at 0.6, all right: 0.4 too shy.
    logits = np.log([[0.8, 0.2]] * 4 + [[0.6, 0.4]] * 2).astype(np.float32)
    targets = np.array([0, 0, 1, 1, 0, 0])
    assert calibration_error(logits, targets, 1.0) == pytest.approx((4 * 0.3 + 2 * 0.4) / 6)


def test_a_certain_answer_is_in_the_last_bin() -> None:
    logits = np.array([[200.0, 0.0]], np.float32)
    assert calibration_error(logits, np.array([0]), 1.0) == 0
    assert calibration_error(logits, np.array([1]), 1.0) == 1


def test_calibrated_logits_have_a_small_error() -> None:
    logits, targets = drawn(1)
    assert calibration_error(logits, targets, 1.0) < 0.03
    assert calibration_error(logits * 4, targets, 1.0) > 0.1
