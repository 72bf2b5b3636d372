"""A policy that contradicts itself is refused, with value, rule and remedy."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest

from curate.core.errors import PolicyError
from curate.splits import SplitPolicy, lowered


@pytest.mark.parametrize(
    ("bad", "value", "rule"),
    [
        ({"min_count": 0}, "min-count 0", "at least one image"),
        ({"min_count": -3}, "min-count -3", "at least one image"),
        ({"max_count": -1}, "max-count -1", "below the min-count of 40"),
        ({"max_count": 39}, "max-count 39", "below the min-count of 40"),
        ({"val": -0.1}, "val -0.1", "between 0 and 1"),
        ({"test": 1.5}, "test 1.5", "a whole number from 1"),
        ({"sub_min_count": -1}, "sub-min-count -1", "not negative"),
        ({"sub_max_count": 0}, "sub-max-count 0", "nothing would be left"),
        ({"sub_max_count": 4, "sub_min_count": 5}, "sub-max-count 4", "sub-min-count of 5"),
        ({"keep": "best"}, "keep 'best'", "no such rule"),
        ({"count": "files"}, "count 'files'", "no such rule"),
        ({"benchmark": nan}, "benchmark nan", "between 0 and 1"),
        ({"val": inf}, "val inf", "between 0 and 1"),
        ({"val": 0.5, "test": 0.5}, "val 0.5 + test 0.5 + benchmark 0.0", "add up to 1 and leave"),
        ({"val": 0.7, "test": 0.2, "benchmark": 0.1}, "benchmark 0.1", "nothing to train on"),
        ({"val": 0.6, "test": 0.6}, "val 0.6 + test 0.6", "add up to 1.2"),
        ({"staged_share": 1.5}, "staged share 1.5", "between 0 and 1"),
        ({"staged_share": nan}, "staged share nan", "between 0 and 1"),
    ],
)
def test_refused(bad: dict[str, Any], value: str, rule: str) -> None:
    with pytest.raises(PolicyError) as caught:
        SplitPolicy(**bad)
    assert value in caught.value.value
    assert rule in caught.value.rule
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize(
    "good",
    [
        {"min_count": 1, "max_count": 1},
        {"max_count": None, "min_count": 5000},
        {"val": 0, "test": 0},
        {"val": 0.33, "test": 0.33, "benchmark": 0.33},
        {"staged_share": 0},
        {"staged_share": 1},
        {"seed": -7},
        {"val": 5, "test": 7, "benchmark": 0.5},
        {"val": 50, "test": 50.0},
    ],
)
def test_accepted(good: dict[str, Any]) -> None:
    wishes = SplitPolicy(**good).wishes(np.array([0, 1, 7, 100]))
    assert (wishes >= 0).all()
    assert wishes.sum(axis=1) == pytest.approx([0, 1, 7, 100])


def test_wishes_follow_the_order_of_splits() -> None:
    policy = SplitPolicy(val=0.1, test=0.2, benchmark=0.3)
    assert policy.wishes(np.array([10]))[0] == pytest.approx((4, 1, 2, 3))
    assert policy.asked == (True, True, True, True)
    assert SplitPolicy(val=0, test=3).asked == (True, False, True, False)


def test_a_whole_number_is_that_many_images_of_each_class() -> None:
    policy = SplitPolicy(val=5, test=10, benchmark=0.1)
    wishes = policy.wishes(np.array([100, 1000]))
    assert wishes.tolist() == [[75, 5, 10, 10], [885, 5, 10, 100]]


def test_a_class_too_small_for_the_counts_shares_out_in_their_proportion() -> None:
    assert SplitPolicy(val=5, test=10).wishes(np.array([9])).tolist() == [[0, 3, 6, 0]]


def test_one_is_a_count_and_not_a_share() -> None:
    assert SplitPolicy(val=1, test=0).wishes(np.array([9])).tolist() == [[8, 1, 0, 0]]


def test_a_throw_away_policy_differs_in_its_cutoff_only() -> None:
    policy = SplitPolicy(min_count=40, max_count=50, seed=7)
    assert lowered(policy, 35) == SplitPolicy(min_count=35, max_count=50, seed=7)


@pytest.mark.parametrize("min_count", [40, 41])
def test_a_throw_away_cutoff_must_be_lower(min_count: int) -> None:
    with pytest.raises(PolicyError, match="Give a --min-count of 39 or less"):
        lowered(SplitPolicy(min_count=40), min_count)


def test_a_throw_away_cutoff_is_checked_like_any_other() -> None:
    with pytest.raises(PolicyError, match="min-count 0"):
        lowered(SplitPolicy(), 0)
