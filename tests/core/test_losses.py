"""What would be lost at each threshold is estimated from answers, and nothing is made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import PolicyError
from curate.core.losses import FEW, LOSS_COLUMNS, THRESHOLDS, bounds, losses

laws = settings(max_examples=20, deadline=None)


def told(answered: pd.DataFrame, scores: pd.Series, thresholds: Any = THRESHOLDS) -> Any:
    """Estimate losses in a pool of these scores; cells may be compared with anything."""
    up_to = [int((scores <= edge).sum()) for edge in thresholds]
    return losses(answered, up_to, len(scores), thresholds)


def decided(*said: tuple[float, str, int], recipe: str | None = "random") -> pd.DataFrame:
    """Answers by (score, answer, how many)."""
    rows = [(score, answer, recipe) for score, answer, number in said for _ in range(number)]
    return pd.DataFrame(rows, columns=["score", "answer", "recipe"])


def pool(**numbers: int) -> pd.Series:
    """Scores of a pool: so many of each, as ``s15=3`` for three of 0.15."""
    scores = [int(name[1:]) / 100 for name, number in numbers.items() for _ in range(number)]
    return pd.Series(scores, dtype="float64")


@st.composite
def answers(draw: st.DrawFn) -> pd.DataFrame:
    row = st.tuples(
        st.sampled_from([0.05, 0.1, 0.15, 0.3, 0.95]),
        st.sampled_from(["kudu", "unknown", "rejected"]),
        st.sampled_from(["random", "low-score", "low-count", None]),
    )
    rows = draw(st.lists(row, max_size=60))
    return pd.DataFrame(rows, columns=["score", "answer", "recipe"])


def test_each_bucket_is_estimated_by_its_own_answers() -> None:
    said = decided((0.05, "rejected", 90), (0.05, "kudu", 10), (0.15, "kudu", 15))
    said = pd.concat([said, decided((0.15, "rejected", 5))])
    table = told(said, pool(s5=1_000, s15=200, s90=800), [0.1, 0.2])

    assert tuple(table.columns) == LOSS_COLUMNS
    assert table["pool_images"].to_list() == [1_000, 1_200]
    assert table["share"].to_list() == [0.5, 0.6]
    assert table["looked"].to_list() == [100, 120]
    assert table["wanted_lost"].to_list() == pytest.approx([100, 250])
    # Clopper and Pearson for 10 of 100: 4.9 % to 17.6 %.
    assert table.loc[0, ["low", "high"]].to_list() == pytest.approx([49.0, 176.2], abs=0.1)
    assert table.loc[1, "low"] < 250 < table.loc[1, "high"]
    assert table["sample"].to_list() == ["fair", "fair"]


def test_where_nobody_looked_nobody_knows() -> None:
    said = decided((0.05, "rejected", 20))
    table = told(said, pool(s5=10, s25=10, s35=10), [0.1, 0.2, 0.3, 0.4])

    assert table["wanted_lost"].isna().to_list() == [False, False, True, True]
    assert table[["low", "high"]].isna().all(axis=1).to_list() == [False, False, True, True]
    assert table["sample"].to_list() == ["fair", "fair", "none", "none"]
    # All twenty were rejected; that is no promise.
    assert table.loc[0, ["wanted_lost", "low"]].to_list() == [0, 0]
    assert 1 < table.loc[0, "high"] < 2


def test_without_answers_all_is_missing_and_without_a_pool_nothing_is_lost() -> None:
    nothing = decided()
    assert told(nothing, pool(s5=3))["wanted_lost"].isna().all()
    table = told(nothing, pool())
    assert (table[["pool_images", "wanted_lost", "high", "share"]] == 0).all(axis=None)


def test_unknown_is_wanted() -> None:
    table = told(decided((0.05, "unknown", 20)), pool(s5=10), [0.1])
    assert table.loc[0, "wanted_lost"] == 10


def test_a_fair_sample_is_preferred_where_there_is_one() -> None:
    biased = decided((0.05, "kudu", 100), recipe="low-count")
    fair, few = (decided((0.05, "rejected", number)) for number in (FEW, FEW - 1))
    scores = pool(s5=100)

    with_fair = told(pd.concat([biased, fair]), scores, [0.1])
    assert with_fair.loc[0, ["wanted_lost", "looked", "sample"]].to_list() == [0, FEW, "fair"]
    without = told(pd.concat([biased, few]), scores, [0.1])
    assert without.loc[0, "wanted_lost"] > 90
    assert without.loc[0, "sample"] == "all"
    unnamed = told(decided((0.05, "kudu", 50), recipe=None), scores, [0.1])
    assert unnamed.loc[0, "sample"] == "all"


def test_a_threshold_includes_its_score() -> None:
    table = told(decided((0.1, "kudu", 10)), pool(s10=4, s11=1), [0.1, 0.2])
    assert table["pool_images"].to_list() == [4, 5]
    assert table["looked"].to_list() == [10, 10]


@laws
@given(answers(), st.integers(0, 99))
def test_bounds_hold_the_estimate_and_the_order_does_not_matter(
    said: pd.DataFrame, seed: int
) -> None:
    scores = pool(s5=7, s10=3, s15=9, s30=2)
    table = told(said, scores)
    known = table.dropna(subset=["wanted_lost"])

    assert (known["low"] <= known["wanted_lost"] + 1e-9).all()
    assert (known["wanted_lost"] <= known["high"] + 1e-9).all()
    assert (known["high"] <= known["pool_images"]).all()
    assert known["wanted_lost"].is_monotonic_increasing
    assert (known["low"] >= 0).all()
    pd.testing.assert_frame_equal(table, told(said.sample(frac=1, random_state=seed), scores))


def test_the_bounds_hold_the_truth_as_often_as_they_say() -> None:
    """Of all numbers of hits that a share of 30 % can give, by how likely each is."""
    from scipy.stats import binom

    hits = np.arange(41)
    low, high = bounds(hits, np.full(41, 40))
    inside = (low <= 0.3) & (high >= 0.3)

    assert binom.pmf(hits[inside], 40, 0.3).sum() >= 0.95
    assert (low[0], high[40]) == (0, 1)
    assert [float(bound[0]) for bound in bounds(np.array([0]), np.array([0]))] == [0, 1]


@pytest.mark.parametrize("thresholds", [[], [0.2, 0.1], [0.1, 0.1], [-0.1], [1.1]])
def test_thresholds_rise_between_0_and_1(thresholds: list[float]) -> None:
    with pytest.raises(PolicyError, match="they rise, from 0 to 1"):
        told(decided(), pool(s5=1), thresholds)
