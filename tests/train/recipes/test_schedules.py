from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.train.recipes.schedules import KINDS, schedule_of

RECIPES = [
    *KINDS,
    "one-cycle(start=0.4, div=5)",
    "cyclic(cycles=1, low=0.0)",
    "cyclic(cycles=7, low=0.5)",
    "step(every=0.7, factor=0.5)",
    "plateau(factor=0.5, patience=1)",
]
FALLING = [recipe for recipe in RECIPES if not recipe.startswith(("one-cycle", "cyclic(cycles=7"))]

recipes = st.sampled_from(RECIPES)
lengths = st.floats(0.01, 200)
warm_ups = st.just(0.0) | st.floats(1e-3, 300)
shares = st.floats(0, 1)
losses = st.lists(st.floats(0, 10) | st.just(math.nan), max_size=40)


def lr(recipe: str, *arguments: Any) -> float:
    return schedule_of(recipe).lr(*arguments)


@given(recipes, shares, lengths, warm_ups, st.floats(1e-6, 10), losses)
def test_the_rate_lies_between_nothing_and_the_peak(
    recipe: str, share: float, epochs: float, warm_up: float, peak: float, val: list[float]
) -> None:
    found = lr(recipe, share * epochs, epochs, warm_up, peak, val)
    assert 0 <= found <= peak * (1 + 1e-12)
    # Twice the peak is twice the rate, and asking changes nothing.
    assert lr(recipe, share * epochs, epochs, warm_up, 2 * peak, val) == pytest.approx(2 * found)
    assert lr(recipe, share * epochs, epochs, warm_up, peak, val) == found


@given(recipes, lengths, warm_ups, losses)
def test_the_warm_up_is_a_line_to_the_peak_without_a_jump(
    recipe: str, epochs: float, warm_up: float, val: list[float]
) -> None:
    if recipe.startswith("one-cycle"):
        assert lr(recipe, 0.1, epochs, warm_up, 1.0) == lr(recipe, 0.1, epochs, 0.0, 1.0)
        return
    end = min(warm_up, epochs / 2)
    for share in (0.0, 0.25, 0.5, 0.999):
        if share * end < end:
            found = lr(recipe, share * end, epochs, warm_up, 1.0, val)
            assert found == pytest.approx(share, abs=1e-6)
    assert lr(recipe, end, epochs, warm_up, 1.0, val) == pytest.approx(1)


@given(st.sampled_from(FALLING), lengths, warm_ups, shares, shares, losses)
def test_after_the_warm_up_the_rate_never_rises(
    recipe: str, epochs: float, warm_up: float, one: float, other: float, val: list[float]
) -> None:
    if recipe == "cyclic":
        recipe = "cyclic(cycles=1)"
    start = min(warm_up, epochs / 2)
    early, late = (start + share * (epochs - start) for share in sorted((one, other)))
    before, after = (lr(recipe, at, epochs, warm_up, 1.0, val) for at in (early, late))
    assert after <= before + 1e-12


@given(recipes, lengths, warm_ups, shares, losses, losses)
def test_the_future_changes_nothing(
    recipe: str, epochs: float, warm_up: float, share: float, val: list[float], more: list[float]
) -> None:
    done = share * epochs
    seen = (val + [1.0] * 200)[: math.floor(done)]
    now = lr(recipe, done, epochs, warm_up, 1.0, seen)
    assert lr(recipe, done, epochs, warm_up, 1.0, seen + more) == now


@given(st.sampled_from(["cosine", "one-cycle", "cyclic"]), st.integers(1, 30), warm_ups)
def test_these_go_without_jumps(recipe: str, epochs: int, warm_up: float) -> None:
    at = np.linspace(0, epochs, 401)
    rates = np.array([lr(recipe, float(done), epochs, warm_up, 1.0) for done in at])
    # The warm-up may be as short as it likes; after it a step is as small as the steepest line.
    after = rates[at >= min(warm_up, epochs / 2)]
    assert np.abs(np.diff(after)).max() < 0.03


def test_one_cycle_is_that_of_fastai() -> None:
    # combined_cos(0.25, 1 / 25, 1, 1e-5) of fastai 2.8.12.
    theirs = {0: 0.04, 0.1: 0.371672, 0.25: 1.0, 0.5: 0.750002, 0.75: 0.250008, 0.9: 0.043237}
    for share, expected in theirs.items():
        assert lr("one-cycle", 20 * share, 20, 1, 1.0) == pytest.approx(expected, abs=1.1e-5)
    assert lr("one-cycle", 20, 20, 1, 1.0) == 0


def test_the_cosine_is_half_way_in_the_middle() -> None:
    found = [lr("cosine", at, 11, 1, 0.2) for at in (0.5, 1, 3.5, 6, 8.5, 11)]
    cosine = [0.2 * 0.5 * (1 + math.cos(math.pi * share)) for share in (0, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx([0.1, *cosine])


def test_the_cycles_end_at_their_foot() -> None:
    at = [0, 0.5, 1, 2, 3, 4, 5, 6]
    found = [lr("cyclic(cycles=3, low=0.2)", done, 6, 1, 1.0) for done in at]
    assert found == pytest.approx([0, 0.5, 1, 0.2, 1, 0.2, 1, 0.2])


def test_steps_are_counted_from_the_end_of_the_warm_up() -> None:
    found = [lr("step(every=2, factor=0.1)", done, 8, 1, 1.0) for done in (1, 2.99, 3, 4.99, 5, 7)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.001])


def test_a_plateau_lowers_the_rate_once_and_waits_again() -> None:
    #      warm-up, lower, none,  none, lower,  none, none, none, none
    val = [9.0, 5.0, 5.0, 6.0, 4.0, 4.0, math.nan, 4.5, 4.5, 4.5]
    found = [
        lr("plateau(factor=0.5, patience=2)", done + 0.5, 20, 1, 1.0, val) for done in range(11)
    ]
    assert found == [0.5, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_without_val_a_plateau_is_never_reached() -> None:
    recipe = "plateau(patience=1)"
    assert lr(recipe, 9.5, 10, 1, 1.0, [math.nan] * 10) == lr(recipe, 9.5, 10, 1, 1.0) == 1.0


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("", "one name"),
        ("cosin", "Did you mean cosine"),
        ("onecycle", "Did you mean one-cycle"),
        ("cosine(low=0.1)", "does not take"),
        ("one-cycle(start=0)", "from 0.01 to 0.99"),
        ("one-cycle(div=0.5)", "div=0.5"),
        ("cyclic(cycles=0)", "cycles=0"),
        ("cyclic(cycles=1.5)", "whole number"),
        ("step(every=0)", "every=0"),
        ("step(factor=1.1)", "factor=1.1"),
        ("plateau(patience=0)", "patience=0"),
    ],
)
def test_what_cannot_be_is_refused(recipe: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        schedule_of(recipe)
