"""Limits: what is unusual or a lot stops and asks; what is usual does not."""

from __future__ import annotations

from curate.cleanup.limits import REMEMBERED, stops, usual
from curate.cleanup.policy import Policy

POLICY = Policy((), max_share=0.1, surge=10)


def test_a_rule_that_wants_ten_times_its_usual_amount_stops() -> None:
    earlier = [{"blank": 4}, {"blank": 6}, {"blank": 5, "other": 900}]
    assert stops(POLICY, {"blank": 50}, 10_000, earlier) == []
    (stop,) = stops(POLICY, {"blank": 51}, 10_000, earlier)
    assert (stop.limit, stop.rule) == ("surge", "blank")
    assert stop.reason == "rule blank wants 51 images, 10 times its usual 5"


def test_nights_without_work_do_not_make_the_next_one_unusual() -> None:
    earlier = [{"blank": 0}, {}, {"blank": 0}, {"blank": 40}]
    assert usual(earlier, "blank") == 40
    assert stops(POLICY, {"blank": 60}, 10_000, earlier) == []


def test_only_the_last_plans_say_what_is_usual() -> None:
    earlier = [{"blank": 2}] * REMEMBERED + [{"blank": 1_000}] * 50
    assert usual(earlier, "blank") == 2


def test_a_rule_that_never_wanted_anything_has_no_usual_amount() -> None:
    assert usual([], "blank") is None
    assert usual([{"other": 3}, {"blank": 0}], "blank") is None
    assert stops(POLICY, {"blank": 999}, 10_000, []) == []


def test_all_rules_together_may_take_their_share_of_the_pool_and_no_more() -> None:
    assert stops(POLICY, {"one": 5, "two": 5}, 100, []) == []
    (stop,) = stops(POLICY, {"one": 5, "two": 6}, 100, [])
    assert (stop.limit, stop.rule) == ("max_share", "")
    assert stop.reason == "11 of 100 images of the pool would go in one run, more than 10%"
    assert stops(POLICY, {}, 0, []) == []
    assert len(stops(POLICY, {"one": 1}, 0, [])) == 1


def test_all_limits_that_are_passed_are_told() -> None:
    found = stops(POLICY, {"one": 60, "two": 2}, 100, [{"one": 3}])
    assert [stop.limit for stop in found] == ["surge", "max_share"]
