from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models.scores import log_softmax
from curate.train.calibrate import (
    BOUNDS,
    WANTED,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    thresholds_of,
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


def answers(seed: int, number: int = 400) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of which several are equal, that are right about as often as they say."""
    random = np.random.default_rng(seed)
    scores = random.beta(4, 1, number).round(random.integers(1, 8))
    return scores, random.random(number) < scores


def rows(
    scores: NDArray[np.float64], right: NDArray[np.bool_], wanted: Sequence[float] = WANTED
) -> list[dict[str, Any]]:
    table = thresholds_of(scores, right, wanted)
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


@given(seeds, st.sampled_from([0, 1, 9, 10, 60, 400]))
@settings(max_examples=60, deadline=None)
def test_a_threshold_keeps_its_word_and_none_lower_does(seed: int, number: int) -> None:
    scores, right = answers(seed, number)
    for row in rows(scores, right):
        lower = scores < row["threshold"] if row["reason"] == "" else np.ones(number, bool)
        for score in np.unique(scores[lower]):
            above = right[scores >= score]
            assert above.sum() - 1 < row["precision"] * len(above)
        if row["reason"]:
            assert np.isnan(row["threshold"])
            assert row["images"] == 0
            continue
        above = right[scores >= row["threshold"]]
        assert above.sum() - 1 >= row["precision"] * len(above) - 1e-6
        assert row["images"] == len(above)
        assert row["coverage"] == pytest.approx(len(above) / number)
        assert row["measured"] == pytest.approx(above.mean())
        assert 0 < row["lower"] < row["measured"]
        assert row["threshold"] == round(row["threshold"], 6)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_order_of_images_does_not_move_a_threshold(seed: int) -> None:
    scores, right = answers(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    assert thresholds_of(scores, right).equals(thresholds_of(scores[order], right[order]))


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_who_wants_more_gets_fewer_images(seed: int) -> None:
    table = thresholds_of(*answers(seed)).dropna(subset=["threshold"])
    assert table["threshold"].is_monotonic_increasing
    assert table["images"].is_monotonic_decreasing


@pytest.mark.parametrize(("wanted", "least"), [(0.9, 10), (0.95, 20), (0.99, 100)])
def test_so_many_images_have_to_be_right_at_least(wanted: float, least: int) -> None:
    for number in (least - 1, least):
        (row,) = rows(np.linspace(0.5, 1, number), np.ones(number, bool), [wanted])
        if number < least:
            assert row["reason"] == f"{least} images are needed, and there are {number}"
        else:
            assert (row["threshold"], row["images"]) == (0.5, number)


def test_a_threshold_of_a_worked_example() -> None:
    # From 0.6 on 29 of 31 are right, which is 0.935; from 0.7 on 29 of 30.
    scores = np.array([0.9] * 29 + [0.7, 0.6, 0.5, 0.4])
    right = np.array([True] * 29 + [False] * 4)
    lower, higher = rows(scores, right, [0.9, 0.95])
    assert (lower["threshold"], lower["images"], lower["reason"]) == (0.6, 31, "")
    assert lower["measured"] == pytest.approx(29 / 31)
    assert lower["coverage"] == pytest.approx(31 / 33)
    assert (higher["threshold"], higher["images"]) == (0.9, 29)
    # All of 29 right: the bound solves p ** 29 = 0.05.
    assert higher["lower"] == pytest.approx(0.05 ** (1 / 29))


def test_scores_that_are_equal_stand_together() -> None:
    scores = np.full(40, 0.8)
    right = np.arange(40) < 30
    (row,) = rows(scores, right, [0.9])
    assert row["reason"] == (
        "of no 10 images or more that score highest are enough right: at most 75.0%"
    )


def test_without_images_there_is_no_threshold() -> None:
    table = thresholds_of(np.array([np.nan]), np.array([True]))
    assert tuple(table["precision"]) == WANTED
    assert table["threshold"].isna().all()
    assert table["reason"].iloc[0] == "10 images are needed, and there are 0"
    assert list(table) == [
        "precision",
        "threshold",
        "images",
        "coverage",
        "measured",
        "lower",
        "reason",
    ]


@pytest.mark.parametrize("wanted", [0, 1, 1.5, math.nan])
def test_a_precision_that_is_none_is_refused(wanted: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        thresholds_of(np.ones(3), np.ones(3, bool), [wanted])


def test_a_threshold_holds_on_fresh_images() -> None:
    held = []
    for seed in range(30):
        threshold = rows(*answers(seed, 1000), [0.9])[0]["threshold"]
        scores, right = answers(seed + 1000, 20_000)
        held.append(right[scores >= threshold].mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.01)
