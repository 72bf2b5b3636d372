"""A draw is a function of the seed, the name and the stream, and of nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.core.chance import fraction, fractions, generator

SEEDS = st.integers(-(2**63), 2**63)


@given(SEEDS, st.text(st.characters(exclude_categories=["Cs"])), st.text(max_size=5))
def test_a_fraction_is_in_range_and_stays(seed: int, name: str, stream: str) -> None:
    drawn = fraction(seed, name, stream)
    assert 0 <= drawn < 1
    assert drawn == fraction(seed, name, stream)


@given(SEEDS, st.lists(st.text(max_size=8), max_size=20), st.text(max_size=5))
def test_many_at_once_are_the_single_draws(seed: int, names: list[str], stream: str) -> None:
    single = [fraction(seed, name, stream) for name in names]
    assert fractions(seed, names, stream).tolist() == single
    assert fractions(seed, names[::-1], stream).tolist() == single[::-1]


def test_draws_never_change_between_versions() -> None:
    # A split made by an earlier version must come out the same: these numbers are a promise.
    assert fraction(7, "0123456789abcdef", "split") == 0.929097893626373
    assert fraction(0, "") == 0.75975038403976
    assert generator(7, "a").random() == 0.25528769771341786


def test_fractions_are_uniform() -> None:
    drawn = fractions(1, (str(n) for n in range(20_000)))
    counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
    # 1,000 are expected in each; chi-squared with 19 degrees of freedom stays below 50.
    assert ((counts - 1000) ** 2 / 1000).sum() < 50


def test_seeds_and_streams_are_independent() -> None:
    names = [str(n) for n in range(5_000)]
    rows = np.array([fractions(s, names, t) for s in (0, 1) for t in ("", "split")])
    correlation = np.corrcoef(rows) - np.eye(4)
    assert np.abs(correlation).max() < 0.05


def test_seed_stream_and_name_are_kept_apart() -> None:
    drawn = {fraction(1, "23"), fraction(12, "3"), fraction(1, "3", "2"), fraction(1, "", "23")}
    assert len(drawn) == 4


def test_names_that_are_not_utf_8_have_a_draw_too() -> None:
    assert fraction(1, "a\udcff") != fraction(1, "a")


def test_a_generator_of_its_own_for_each_name() -> None:
    first = generator(1, "a").random(4)
    assert np.array_equal(first, generator(1, "a").random(4))
    assert not np.array_equal(first, generator(1, "b").random(4))
    assert not np.array_equal(first, generator(2, "a").random(4))
    assert not np.array_equal(first, generator(1, "a", "other").random(4))
