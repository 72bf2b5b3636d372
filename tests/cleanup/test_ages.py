"""Ages are never more than the clock says, nor more than is believed of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cleanup.ages import BELIEVED, LEAST_RUNS, ages

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
GRACE = 30 * DAY


def aged(
    moved: datetime, ends: list[datetime], now: datetime, grace: timedelta = GRACE, run_id: int = 1
) -> pd.Series:
    items = pd.DataFrame({"item": [7], "run_id": [run_id], "moved_at": [moved]})
    runs = pd.DataFrame({"run_id": range(2, 2 + len(ends)), "ended_at": ends})
    return ages(items, runs, now, grace).iloc[0]


def daily(days: int) -> list[datetime]:
    return [START + day * DAY for day in range(1, days)]


def test_a_library_used_every_day_ages_with_the_clock() -> None:
    assert (
        aged(START, daily(30), START + 29 * DAY)["reason"] == "has not been in quarantine for 30d"
    )
    found = aged(START, daily(30), START + 30 * DAY)
    assert found["reason"] == ""
    assert found["wall"] == found["believed"] == 30 * DAY
    assert found["runs"] == 29


@pytest.mark.parametrize("jump", [3650 * DAY, -365 * DAY])
def test_a_clock_that_jumps_purges_nothing_early(jump: timedelta) -> None:
    ends = [START + DAY, START + 2 * DAY + jump, START + 3 * DAY + jump]
    found = aged(START, ends, START + 4 * DAY + jump)
    assert found["reason"] != ""
    assert found["believed"] <= BELIEVED + 3 * DAY


def test_a_clock_that_jumps_there_and_back_gains_a_week_at_most() -> None:
    ends = [START + DAY, START + 3650 * DAY, START + 2 * DAY]
    assert aged(START, ends, START + 3 * DAY)["believed"] == BELIEVED + 2 * DAY


def test_runs_must_have_been_completed_since() -> None:
    assert "fewer than 2 runs" in aged(START, [], START + 7 * DAY, DAY)["reason"]
    assert "fewer than 2 runs" in aged(START, daily(2), START + 7 * DAY, DAY)["reason"]
    assert aged(START, daily(3), START + 7 * DAY, DAY)["reason"] == ""
    # Those before the move do not count.
    assert "fewer than 2 runs" in aged(START, daily(3), START + 7 * DAY, DAY, run_id=9)["reason"]


def test_a_library_that_nobody_uses_does_not_age() -> None:
    found = aged(START, daily(3), START + 100 * DAY)
    assert found["believed"] == 2 * DAY + BELIEVED
    assert found["reason"].startswith("the clock went on by more than is believed")


hours = st.integers(-100_000, 100_000)
clocks = st.lists(hours, max_size=8)


@settings(max_examples=60)
@given(clocks, hours, hours, st.integers(0, 800), st.integers(0, 10))
def test_laws_of_ages(steps: list[int], moved: int, now: int, grace: int, run_id: int) -> None:
    hour = timedelta(hours=1)
    ends = [START + step * hour for step in steps]
    found = aged(START + moved * hour, ends, START + now * hour, grace * hour, run_id)
    since = [end for number, end in enumerate(ends, start=2) if number > run_id]
    path = [START + moved * hour, *since, START + now * hour]
    most = min(BELIEVED, grace * hour / (LEAST_RUNS + 1))
    steps_of = [min(max(end - start, 0 * hour), most) for start, end in pairwise(path)]
    by_hand = sum(steps_of, 0 * hour)
    assert found["believed"] == by_hand
    assert found["believed"] <= BELIEVED * (len(since) + 1)
    assert found["runs"] == len(since)
    may = found["reason"] == ""
    assert may == (
        found["wall"] >= grace * hour and by_hand >= grace * hour and len(since) >= LEAST_RUNS
    )


@settings(max_examples=25)
@given(clocks, st.lists(st.tuples(hours, st.integers(0, 10)), max_size=5))
def test_items_do_not_touch_each_other(steps: list[int], moved: list[tuple[int, int]]) -> None:
    hour = timedelta(hours=1)
    runs = pd.DataFrame(
        {"run_id": range(2, 2 + len(steps)), "ended_at": [START + s * hour for s in steps]}
    )
    items = pd.DataFrame(
        {
            "item": range(len(moved)),
            "run_id": [run for _, run in moved],
            "moved_at": [START + at * hour for at, _ in moved],
        }
    )
    together = ages(items, runs.sample(frac=1, random_state=1), START, GRACE)
    for place in range(len(moved)):
        alone = ages(items.iloc[[place]], runs, START, GRACE).iloc[0]
        assert together.iloc[place].to_dict() == alone.to_dict()
