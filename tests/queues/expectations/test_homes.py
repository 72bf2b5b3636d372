"""Homes: what an affinity says of whether an image is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.homes import AT_HOME, FEW, Homes, homes

laws = settings(max_examples=40, deadline=None)
NONE = pd.DataFrame({"affinity": pd.Series([], dtype="float64")})


def rows(*affinities: float | None) -> pd.DataFrame:
    return pd.DataFrame({"affinity": pd.Series(affinities, dtype="float64")})


def drawn(seed: int, number: int, middle: float) -> pd.DataFrame:
    return rows(*np.random.default_rng(seed).normal(middle, 0.05, number))


def begun(held: pd.DataFrame, lacks: pd.DataFrame = NONE) -> Homes:
    return homes(held, np.ones(len(held)), lacks)


def test_at_home_speaks_for_known_and_away_against() -> None:
    found = begun(drawn(1, 100, 0.0), drawn(2, 50, -0.4))
    home, between, away = found.speak_for_known(rows(0.0, -0.2, -0.4))
    assert home > 2
    assert away < -2
    assert away < between < home


def test_before_any_other_is_known_they_are_believed_to_be_farther_from_home() -> None:
    found = begun(drawn(1, 100, 0.0))
    assert found.others.mean[0] < found.known.mean[0] - found.known.spread[0, 0] ** 0.5
    assert found.speak_for_known(rows(0.0))[0] > 0


def test_the_others_are_found_where_the_pool_has_them() -> None:
    pool = pd.concat([drawn(3, 200, 0.0), drawn(4, 100, -0.5)], ignore_index=True)
    unsure = np.concatenate([np.zeros(200), np.ones(100)])
    found = begun(drawn(1, 100, 0.0)).again(NONE, pool, unsure)
    assert found.others.mean[0] == pytest.approx(-0.5, abs=0.03)


@laws
@given(st.lists(st.none() | st.floats(-1, 1), max_size=20))
def test_what_is_missing_says_nothing(affinities: list[float | None]) -> None:
    table = rows(*affinities)
    said = begun(drawn(1, 100, 0.0), drawn(2, 50, -0.4)).speak_for_known(table)
    assert (said[table["affinity"].isna()] == 0).all()
    assert np.isfinite(said).all()


@laws
@given(st.floats(AT_HOME, 1), st.floats(AT_HOME, 1))
def test_more_than_at_home_nobody_is(one: float, other: float) -> None:
    found = begun(drawn(1, 100, 0.0), drawn(2, 50, -0.4))
    first, second = found.speak_for_known(rows(one, other))
    assert first == second


@laws
@given(st.integers(0, FEW - 1), st.lists(st.floats(-1, 1), max_size=10))
def test_few_held_out_images_say_nothing(number: int, affinities: list[float]) -> None:
    found = begun(drawn(1, number, 0.0), drawn(2, 50, -0.4))
    table = rows(*affinities)
    assert (found.speak_for_known(table) == 0).all()
    assert found.again(NONE, table, np.ones(len(table))) is found


def test_a_heavier_image_counts_for_more() -> None:
    held = pd.concat([drawn(1, 50, 0.0), drawn(2, 50, -0.6)], ignore_index=True)
    weights = np.concatenate([np.full(50, 1.9), np.full(50, 0.1)])
    assert homes(held, weights, NONE).known.mean[0] > begun(held).known.mean[0] + 0.1
