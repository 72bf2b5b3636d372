"""What a sweep tries, and the file that says so."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import ConfigError, FaultsError
from curate.train.sweeps.plan import plan_of, read_plan
from curate.train.sweeps.space import (
    Choices,
    Range,
    Space,
    as_content,
    combinations,
    without_choices,
)

WHOLE = """
method = "tpe"
trials = 30
metric = "val_recall"
steps = 2000
seed = 3
prune = false

[train]
arch = "resnet18"
smoothing = 0.0
rename = [["antelope", "gazelle"]]

[space]
lr = {low = 1e-5, high = 1, log = true}
batch_size = {low = 8, high = 64}
optimizer = ["adamw", "sgd(momentum=0.9)"]
"""


def faults_of(**content: Any) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        plan_of({"method": "random", "space": {"lr": [1e-3]}, **content})
    return caught.value.faults


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(WHOLE)
    plan = read_plan(path)
    assert (plan.method, plan.trials, plan.metric, plan.steps) == ("tpe", 30, "val_recall", 2000)
    assert (plan.seed, plan.prune, plan.arch, plan.initial) == (3, False, "resnet18", None)
    assert plan.train == {"smoothing": 0.0, "rename": (("antelope", "gazelle"),)}
    assert plan.space == {
        "lr": Range(1e-5, 1, log=True),
        "batch_size": Range(8, 64, whole=True),
        "optimizer": Choices(("adamw", "sgd(momentum=0.9)")),
    }


def test_what_is_usual() -> None:
    plan = plan_of({"method": "grid", "space": {"lr": [1e-3]}})
    assert (plan.trials, plan.metric, plan.steps, plan.epochs) == (None, "val_accuracy", None, None)
    assert (plan.seed, plan.prune, dict(plan.train)) == (0, True, {})


def test_from_is_the_model_whose_body_is_kept() -> None:
    plan = plan_of(
        {"method": "grid", "space": {"head": ["fresh", "map"]}, "train": {"from": "a.pt"}}
    )
    assert (plan.initial, plan.arch, dict(plan.train)) == ("a.pt", None, {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"method": "gird"}, "method: input should be 'grid', 'random' or 'tpe'"),
        ({"tials": 3}, "tials: unknown key; did you mean 'trials'?"),
        ({"trials": 0}, "trials: input should be greater than or equal to 1"),
        ({"metric": "test_accuracy"}, "metric: input should be 'val_accuracy'"),
        ({"trials": "3"}, "trials: input should be a valid integer"),
        ({"train": {"epohcs": 3}}, "train.epohcs: unknown key; did you mean 'epochs'?"),
        ({"train": {"seed": "x"}}, "train.seed: input should be a valid integer"),
        ({"train": {"steps": 3}}, "train.steps: unknown key"),
        ({"train": {"device": "cpu"}}, "train.device: unknown key"),
        ({"train": {"rename": [["a"]]}}, "train.rename.0: list should have at least 2 items"),
        ({"train": {"schedule": "cosinus"}}, "train.schedule: schedule 'cosinus'"),
        ({"train": {"optimizer": "adamv"}}, "train.optimizer: optimizer 'adamv'"),
        ({"train": 3}, "train: is a table"),
        ({"space": {}}, "space: no parameter to try"),
        ({"space": []}, "space: is a table"),
        ({"space": {"lrr": [1.0]}}, "space.lrr: unknown key; did you mean 'lr'?"),
        ({"space": {"steps": [1, 2]}}, "space.steps: unknown key"),
        ({"space": {"lr": []}}, "space.lr: an empty list"),
        ({"space": {"lr": 3}}, "space.lr: is a list of choices, or a table with low and high"),
        ({"space": {"lr": [1e-3, 1e-3]}}, "space.lr: a value stands twice"),
        ({"space": {"lr": [1e-3, -1]}}, "space.lr: lr -1: it is a finite number above 0"),
        ({"space": {"lr": ["a"]}}, "space.lr: 'a': input should be a valid number"),
        ({"space": {"batch_size": [8.5]}}, "space.batch_size: 8.5: input should be a valid int"),
        ({"space": {"mix": ["blend"]}}, "space.mix: mixing 'blend'"),
        ({"space": {"augment": ["flop(p=1)"]}}, "space.augment: "),
        ({"space": {"arch": ["resnet81"]}}, "space.arch: architecture 'resnet81'"),
        ({"space": {"balance": ["nine"]}}, "space.balance: balance 'nine': known are"),
        ({"space": {"head": {"low": 1, "high": 2}}}, "space.head: is not a number"),
        ({"space": {"lr": {"low": 1e-3}}}, "space.lr.high: is missing"),
        ({"space": {"lr": {"low": 1, "hihg": 2}}}, "space.lr.hihg: unknown key; did you mean"),
        ({"space": {"lr": {"low": 1.0, "high": 1.0}}}, "space.lr: low 1.0 is not below high 1.0"),
        ({"space": {"freeze": {"low": 0, "high": 3, "log": True}}}, "space.freeze: low 0, and"),
        ({"space": {"freeze": {"low": 0.5, "high": 3}}}, "space.freeze: 0.5: input should be"),
        ({"train": {"lr": 1.0}}, "lr: is fixed under [train] and tried under [space]"),
        ({"steps": 3, "epochs": 3}, "steps and epochs: both say how long a trial is"),
        ({"steps": 3, "train": {"epochs": 3}}, "steps and train.epochs: both say"),
        ({"epochs": 3, "space": {"epochs": [1, 2]}}, "epochs and space.epochs: both say"),
        (
            {"train": {"from": "a.pt"}, "space": {"arch": ["resnet18"]}},
            "space.arch: the model under train.from has its architecture",
        ),
        (
            {"method": "grid", "space": {"lr": {"low": 1e-3, "high": 1}}},
            "space.lr: a grid has no end of values",
        ),
    ],
)
def test_a_fault_is_named(content: dict[str, Any], said: str) -> None:
    faults = faults_of(**content)
    assert any(fault.startswith(said) for fault in faults), faults


def test_faults_come_together() -> None:
    faults = faults_of(tials=1, train={"epohcs": 3}, space={"lr": [-1], "head": ["old"]})
    assert len(faults) == 4


def test_a_missing_method_is_named() -> None:
    with pytest.raises(FaultsError, match="method: is missing"):
        plan_of({"space": {"lr": [1e-3]}})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("method = ")
    with pytest.raises(FaultsError, match=r"a\.toml"):
        read_plan(tmp_path / "a.toml")


values = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from("abc"), values, min_size=1), st.integers(0, 9))
def test_every_combination_once(lists: dict[str, list[int]], seed: int) -> None:
    space = {name: Choices(tuple(some)) for name, some in lists.items()}
    found = combinations(space, seed)
    every = [dict(zip(lists, taken, strict=True)) for taken in itertools.product(*lists.values())]
    assert sorted(map(str, found)) == sorted(map(str, every))


def test_the_order_of_a_grid_follows_from_the_seed_alone() -> None:
    space = {"lr": Choices((1e-4, 1e-3, 1e-2)), "head": Choices(("fresh", "map"))}
    turned = {name: Choices(part.values[::-1]) for name, part in reversed(space.items())}
    assert combinations(space, 3) == combinations(turned, 3)
    assert combinations(space, 3) != combinations(space, 4)


def test_a_range_has_no_list() -> None:
    space: Space = {"lr": Range(1e-4, 1, log=True), "head": Choices(("map",))}
    assert without_choices(space) == ["lr"]
    assert as_content(space) == {"lr": {"low": 1e-4, "high": 1, "log": True}, "head": ["map"]}
