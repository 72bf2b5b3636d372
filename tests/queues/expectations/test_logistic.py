"""Lines through odds, on hits that are drawn with known odds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.logistic import chance_of, line, log_odds, shift

laws = settings(max_examples=20, deadline=None)


@laws
@given(st.floats(-1.5, 1.5), st.floats(0.3, 2), st.integers(0, 99))
def test_a_line_through_odds_is_found(offset: float, slope: float, seed: int) -> None:
    dice = np.random.default_rng(seed)
    odds = dice.normal(0, 1.5, 4000)
    hit = dice.uniform(size=4000) < chance_of(offset + slope * odds)
    assert line(odds, hit) == pytest.approx((offset, slope), abs=0.25)


@laws
@given(st.floats(-2, 2), st.integers(0, 99))
def test_a_shift_of_odds_is_found(by: float, seed: int) -> None:
    dice = np.random.default_rng(seed)
    odds = dice.normal(0, 1, 4000)
    hit = dice.uniform(size=4000) < chance_of(odds + by)
    assert shift(chance_of(odds), hit) == pytest.approx(by, abs=0.25)


@laws
@given(st.floats(0.001, 0.999), st.floats(0, 1), st.integers(1, 400))
def test_a_shift_is_the_mode_however_far_off_it_was(said: float, share: float, looks: int) -> None:
    hit = np.arange(looks) < share * looks
    chances = np.full(looks, said)
    by = shift(chances, hit)
    # The posterior has no slope there.
    assert hit.sum() - chance_of(log_odds(chances) + by).sum() == pytest.approx(by, abs=1e-4)


@laws
@given(st.floats(0, 8), st.floats(0.1, 3), st.floats(0.05, 0.95), st.integers(0, 99))
def test_a_line_is_the_mode_however_sure_the_model_was(
    middle: float, spread: float, right: float, seed: int
) -> None:
    dice = np.random.default_rng(seed)
    odds = dice.normal(middle, spread, 300)
    hit = dice.uniform(size=300) < right
    begin, slope = line(odds, hit)
    left = hit - chance_of(begin + slope * odds)
    assert left.sum() == pytest.approx(begin, abs=1e-4)
    assert (left * odds).sum() == pytest.approx(slope - 1, abs=1e-4)


@laws
@given(st.integers(0, 99), st.integers(1, 60))
def test_a_weight_is_so_many_of_the_same(seed: int, number: int) -> None:
    dice = np.random.default_rng(seed)
    odds, hit = dice.normal(0, 2, number), dice.uniform(size=number) < 0.7
    times = dice.integers(0, 4, number)
    weighed = line(odds, hit, times.astype(np.float64))
    assert weighed == pytest.approx(line(np.repeat(odds, times), np.repeat(hit, times)), abs=1e-6)


def test_without_hits_or_misses_nothing_changes_and_with_one_kind_little() -> None:
    none, never = np.array([]), np.zeros(20, bool)
    assert shift(none, none > 0) == 0
    assert line(none, none > 0) == (0, 1)
    assert -3 < shift(np.full(20, 0.5), never) < -1
    assert -3 < line(np.zeros(20), never)[0] < -1


@laws
@given(st.floats(0, 1))
def test_odds_and_chances_are_each_other_s_way_back(chance: float) -> None:
    kept = min(max(chance, 1e-4), 1 - 1e-4)
    assert chance_of(log_odds(np.array([chance])))[0] == pytest.approx(kept)
