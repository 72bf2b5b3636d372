"""What the next trial takes, and which trial has fallen behind."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import pytest

from curate.core.errors import InputError
from curate.train.sweeps.plan import SweepPlan, plan_of
from curate.train.sweeps.search import BEFORE_PRUNING, Search, Told, importance_of
from curate.train.sweeps.space import Values

SPACE = {
    "lr": {"low": 1e-6, "high": 1, "log": True},
    "batch_size": {"low": 8, "high": 64},
    "head": ["fresh", "map"],
}


def plan(method: str, **head: Any) -> SweepPlan:
    return plan_of({"method": method, "space": SPACE, **head})


def accuracy(values: Values) -> float:
    return 1 - 0.1 * abs(math.log10(float(values["lr"])) + 3)


def searched(
    search: Search, numbers: range, judge: Callable[[Values], float] = accuracy
) -> list[Told]:
    told = []
    for number in numbers:
        values = search.ask(number)
        told.append(Told(number, "done", values, judge(values), (judge(values),)))
        search.tell(told[-1])
    return told


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_what_is_asked_lies_in_the_space(method: str) -> None:
    for told in searched(Search(plan(method)), range(25)):
        assert 1e-6 <= float(told.values["lr"]) <= 1
        assert told.values["batch_size"] in range(8, 65)
        assert told.values["head"] in ("fresh", "map")


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_the_same_seed_asks_the_same(method: str) -> None:
    asked = [one.values for one in searched(Search(plan(method)), range(15))]
    assert asked == [one.values for one in searched(Search(plan(method)), range(15))]
    assert asked != [one.values for one in searched(Search(plan(method, seed=1)), range(15))]
    assert len({str(values) for values in asked}) == 15


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_later_start_asks_what_the_first_would_have(method: str) -> None:
    whole = searched(Search(plan(method)), range(16))
    again = Search(plan(method))
    for told in whole[:12]:
        again.tell(told)
    assert searched(again, range(12, 16)) == whole[12:]


def test_also_with_failures_and_pruned_ones() -> None:
    def run(search: Search, numbers: range) -> list[Told]:
        made = []
        for number in numbers:
            values = search.ask(number)
            by_epoch = tuple(accuracy(values) * epoch / 4 for epoch in (1, 2, 3, 4))
            status, told_of = "done", by_epoch
            for epoch in (1, 2, 3):
                if search.falls_behind(number, epoch, by_epoch[:epoch]):
                    status, told_of = "pruned", by_epoch[:epoch]
                    break
            if number % 5 == 4:
                status, told_of = "failed", by_epoch[:3]
            value = by_epoch[-1] if status == "done" else None
            made.append(Told(number, status, values, value, told_of))
            search.tell(made[-1])
        return made

    whole = run(Search(plan("tpe")), range(22))
    assert {told.status for told in whole} == {"done", "pruned", "failed"}
    again = Search(plan("tpe"))
    for told in whole[:15]:
        again.tell(told)
    assert run(again, range(15, 22)) == whole[15:]


def test_a_grid_is_asked_in_its_order() -> None:
    asked = plan_of({"method": "grid", "space": {"lr": [1e-3, 1e-2], "head": ["fresh", "map"]}})
    found = [one.values for one in searched(Search(asked), range(4))]
    assert len({str(values) for values in found}) == 4
    assert Search(asked).ask(2) == found[2]


def test_tpe_draws_where_the_good_ones_lie() -> None:
    told = searched(Search(plan("tpe")), range(40))
    early = sum(accuracy(one.values) for one in told[:10]) / 10
    late = sum(accuracy(one.values) for one in told[-10:]) / 10
    assert late > early + 0.05


def test_tpe_stays_away_from_failures() -> None:
    search = Search(plan("tpe"))
    failed = []
    for number in range(50):
        values = search.ask(number)
        bad = float(values["lr"]) > 1e-4
        failed.append(bad)
        search.tell(Told(number, "failed" if bad else "done", values, None if bad else 0.5, ()))
    assert sum(failed[-20:]) < sum(failed[:20])


def behind(search: Search, others: int, values: tuple[float, ...]) -> str:
    for number in range(others):
        told = Told(number, "done", search.ask(number), 0.8, (0.4, 0.6, 0.8))
        search.tell(told)
    search.ask(others)
    said = ""
    for epoch in range(1, len(values) + 1):
        said = said or search.falls_behind(others, epoch, values[:epoch])
    return said


def test_a_trial_below_the_median_is_pruned_and_told_why() -> None:
    said = behind(Search(plan("random")), 5, (0.1, 0.2))
    assert said == (
        "val_accuracy 0.2000 after epoch 2 is worse than the median of 5 trials at that point"
    )


@pytest.mark.parametrize(
    ("others", "values"),
    [
        (BEFORE_PRUNING, (0.1,)),  # the warm-up
        (BEFORE_PRUNING, (0.5, 0.7)),  # ahead
        (BEFORE_PRUNING, (0.7, 0.1)),  # was ahead
        (BEFORE_PRUNING, (0.1, math.nan)),  # not known
        (BEFORE_PRUNING - 1, (0.1, 0.1)),  # too few to compare with
    ],
)
def test_others_are_not(others: int, values: tuple[float, ...]) -> None:
    assert not behind(Search(plan("random")), others, values)


def test_nothing_is_pruned_where_the_plan_says_so() -> None:
    assert not behind(Search(plan("random", prune=False)), 9, (0.1, 0.1, 0.1))


def test_a_low_loss_is_good() -> None:
    assert not behind(Search(plan("random", metric="val_loss")), 9, (0.1, 0.1, 0.1))
    assert behind(Search(plan("random", metric="val_loss")), 9, (2.0, 2.0))


def test_the_parameter_that_matters_is_the_important_one() -> None:
    asked = plan("random")
    found = importance_of(searched(Search(asked), range(60)), asked.space, asked.metric)
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.7
    assert sum(found.values()) == pytest.approx(1)


def test_importance_does_not_depend_on_the_order_of_trials() -> None:
    asked = plan("random")
    told = searched(Search(asked), range(20))
    found = importance_of(told, asked.space, asked.metric)
    assert importance_of(told[::-1], asked.space, asked.metric) == found


def test_nothing_is_said_of_trials_that_all_came_to_the_same() -> None:
    asked = plan("random")
    told = searched(Search(asked), range(9), lambda values: 0.5)
    assert importance_of(told, asked.space, asked.metric) == {}
    assert importance_of(told[:1], asked.space, asked.metric) == {}


def test_without_optuna_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refusing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "optuna":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(InputError, match=r"curate\[sweep\]"):
        Search(plan("random"))
