"""Shifts of odds, in all and by group: found where they were planted, and shared where few know."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.logistic import chance_of, log_odds
from curate.queues.expectations.shifts import Shifts, shifts

laws = settings(max_examples=20, deadline=None)

answers = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9, 1.0, float("nan")]),
        st.booleans(),
        st.sampled_from("abc"),
    ),
    max_size=60,
)
Rows = list[tuple[float, bool, str]]
CHANCES = pd.Series(np.linspace(0, 1, 41))


def learnt(rows: Rows) -> Shifts:
    """What answers teach: how likely each was to hit, whether it did, and its group."""
    table = pd.DataFrame(rows, columns=["chance", "hit", "group"])
    return shifts(table["chance"].astype("float64"), table["hit"].astype(bool), table["group"])


def said(found: Shifts, group: str) -> list[float]:
    """What becomes of `CHANCES` in a group."""
    return found.of(CHANCES, pd.Series(group, CHANCES.index)).to_list()


def test_nothing_is_shifted_without_answers() -> None:
    found = learnt([])
    assert found == Shifts()
    assert said(found, "a") == pytest.approx(CHANCES.to_list(), abs=2e-4)
    assert learnt([(float("nan"), True, "a")]) == Shifts()


@laws
@given(answers)
def test_the_mode_has_no_slope(rows: Rows) -> None:
    found = learnt(rows)
    left = {name: -by for name, by in found.own.items()}
    for chance, hit, group in rows:
        if not np.isnan(chance):
            odds = log_odds(np.array([chance])) + found.common + found.own[group]
            left[group] += hit - float(chance_of(odds)[0])
    assert list(left.values()) == pytest.approx([0] * len(left), abs=1e-5)
    # What is left in no group, nor for all.
    assert found.common == pytest.approx(sum(found.own.values()), abs=1e-5)


@laws
@given(answers, st.integers(0, 99))
def test_the_order_of_answers_does_not_matter(rows: Rows, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(rows))
    assert learnt([rows[at] for at in order]) == learnt(rows)


@laws
@given(answers, st.sampled_from("abcd"))
def test_what_comes_out_is_a_chance_and_keeps_its_order_within_a_group(
    rows: Rows, group: str
) -> None:
    found = said(learnt(rows), group)
    assert (np.diff(found) >= 0).all()
    assert min(found) >= 0
    assert max(found) <= 1


@laws
@given(answers, st.sampled_from([0.05, 0.5, 0.9]), st.booleans(), st.sampled_from("abc"))
def test_a_hit_lowers_no_group_and_a_miss_raises_none(
    rows: Rows, at: float, hit: bool, group: str
) -> None:
    before, after = learnt(rows), learnt([*rows, (at, hit, group)])
    for other in "abcd":
        moved = np.subtract(said(after, other), said(before, other))
        assert (moved >= -1e-7).all() if hit else (moved <= 1e-7).all()


@laws
@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 99))
def test_planted_shifts_are_found(one: float, other: float, seed: int) -> None:
    dice = np.random.default_rng(seed)
    odds, second = dice.normal(0, 1, 4000), dice.uniform(size=4000) < 0.5
    hit = dice.uniform(size=4000) < chance_of(odds + np.where(second, other, one))
    groups = pd.Series(np.where(second, "b", "a"))
    found = shifts(pd.Series(chance_of(odds)), pd.Series(hit), groups)
    assert found.common + found.own["a"] == pytest.approx(one, abs=0.3)
    assert found.common + found.own["b"] == pytest.approx(other, abs=0.3)


def test_a_group_with_few_answers_keeps_near_to_the_others() -> None:
    found = learnt([(0.5, True, "a")] * 50 + [(0.5, True, "c")] * 50 + [(0.5, False, "b")])
    assert found.own["b"] < 0 < found.own["a"]
    assert found.common + found.own["b"] > 0
    many = learnt([(0.5, True, "a")] * 50 + [(0.5, True, "c")] * 50 + [(0.5, False, "b")] * 50)
    assert many.common + many.own["b"] < -2
    # A group of which nobody knows has the common one.
    assert said(found, "d")[20] == pytest.approx(float(chance_of(np.array([found.common]))[0]))


def test_very_many_answers_that_were_all_thought_impossible_are_climbed_to() -> None:
    found = learnt([(0.0, True, "a")] * 5000 + [(1.0, False, "b")] * 5000)
    assert found.common + found.own["a"] > 5
    assert found.common + found.own["b"] < -5


def test_what_is_missing_stays_so_and_so_does_its_place() -> None:
    found = learnt([(0.5, True, "a")] * 9)
    asked = pd.Series([float("nan"), 0.5], index=[7, 3], name="expected")
    moved = found.of(asked, pd.Series(["a", None], index=[7, 3]))
    assert list(moved.index) == [7, 3]
    assert moved.name == "expected"
    assert moved.isna().to_list() == [True, False]
    assert moved[3] == pytest.approx(float(chance_of(np.array([found.common]))[0]))
