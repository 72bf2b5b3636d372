from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from curate.core import paths
from curate.core.errors import PolicyError
from curate.train import TrainSettings
from curate.train.learner import Learner
from curate.train.lr_find import LrFound, find_lr, range_test
from curate.train.prepared import prepared

from .conftest import Make

LRS = np.geomspace(1e-5, 1, 24)


class Scripted:
    """Stands for a learner: gives the losses that it was told to."""

    def __init__(self, losses: list[float]) -> None:
        self.model = nn.Linear(2, 2)
        self.losses = losses
        self.lrs: list[float] = []
        self.restored: list[Any] = []

    def begin(self) -> None:
        self.model.train()

    def snapshot(self) -> dict[str, Any]:
        return {"steps": len(self.lrs)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.restored.append(state)

    def step(self, pixels: Any, targets: Any, lr: float, generator: Any) -> torch.Tensor:
        self.lrs.append(lr)
        return torch.tensor(self.losses[len(self.lrs) - 1], dtype=torch.float64)


def scripted(losses: list[float], lrs: np.ndarray) -> tuple[pd.DataFrame, str, Scripted]:
    learner = Scripted(losses)
    curve, stopped = range_test(cast(Learner, learner), lessons(), lrs, np.random.default_rng(0))
    return curve, stopped, learner


def lessons(size: int = 8, side: int = 32) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give batches of noise without an end."""
    random = np.random.default_rng(5)
    while True:
        pixels = random.integers(0, 256, (size, side, side, 3)).astype(np.uint8)
        yield pixels, random.integers(0, 3, size)


def test_every_rate_gets_a_step() -> None:
    losses = np.linspace(2, 1, 24).tolist()
    curve, stopped, learner = scripted(losses, LRS)
    assert learner.lrs == LRS.tolist()
    assert list(curve.columns) == ["step", "lr", "loss", "smooth"]
    assert curve["step"].tolist() == list(range(1, 25))
    assert curve["loss"].tolist() == losses
    assert curve["smooth"].iloc[0] == 2
    assert stopped == "the upper bound was reached"
    assert learner.restored == [{"steps": 0}]


def test_it_stops_at_four_times_the_lowest() -> None:
    losses = [2.0] * 10 + [1e3] * 14
    curve, stopped, learner = scripted(losses, LRS)
    # The first loss of 1,000 alone makes the smoothed one 93.
    assert len(learner.lrs) == len(curve) == 11
    assert curve["smooth"].iloc[-1] > 4 * curve["smooth"].min()
    assert "4 times the lowest loss" in stopped
    assert f"{LRS[10]:.2g}" in stopped


def test_it_goes_on_below_four_times_the_lowest() -> None:
    curve, stopped, _ = scripted([2.0] * 10 + [7.9] * 14, LRS)
    assert len(curve) == 24
    assert stopped == "the upper bound was reached"


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_no_number_ends_it_without_a_row(odd: float) -> None:
    curve, stopped, learner = scripted([2.0] * 6 + [odd] * 18, LRS)
    assert len(learner.lrs) == 7
    assert len(curve) == 6
    assert np.isfinite(curve.to_numpy()).all()
    assert stopped.startswith(f"diverged at {LRS[6]:.2g}: a loss of")


def test_nothing_at_all_is_an_empty_curve() -> None:
    curve, _, _ = scripted([np.nan], LRS)
    assert list(curve.columns) == ["step", "lr", "loss", "smooth"]
    assert curve.empty


@pytest.fixture
def rich(quick: TrainSettings) -> TrainSettings:
    """Settings with all that a learner can carry along."""
    return replace(quick, ema=0.9, mix="mixup(alpha=0.2)", smoothing=0.1, balance="logits")


@pytest.mark.parametrize("optimizer", ["adamw", "sgd(momentum=0.9)"])
@pytest.mark.parametrize("end", ["whole", "diverged", "interrupted", "failed"])
def test_everything_is_what_it_was(
    make_table: Make, rich: TrainSettings, optimizer: str, end: str
) -> None:
    settings = replace(rich, optimizer=optimizer)
    random = np.random.default_rng(0)
    lrs = LRS * (1e6 if end == "diverged" else 1)

    def told(done: int, smooth: float) -> None:
        if end == "interrupted" and done == 5:
            raise KeyboardInterrupt

    batches = itertools.islice(lessons(), 3 if end == "failed" else None)

    def broken() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from batches
        raise OSError("the disk is gone")

    with prepared(make_table(), "test_resnet", settings) as ready:
        learner = ready.learner
        learner.begin()
        # It has learnt before: the optimiser has moments, the norms have statistics.
        for pixels, targets in itertools.islice(lessons(), 3):
            learner.step(pixels, targets, 1e-3, random)
        before, torch_before = learner.snapshot(), torch.get_rng_state()
        learnt: list[pd.DataFrame] = []
        with contextlib.suppress(KeyboardInterrupt, OSError):
            learnt.append(range_test(learner, broken(), lrs, random, told)[0])
        assert len(learnt) == (end in ("whole", "diverged"))
        assert end != "whole" or len(learnt[0]) == len(lrs)
        assert_same(learner.snapshot(), before)
        assert torch.equal(torch.get_rng_state(), torch_before)
        assert all(parameter.grad is None for parameter in learner.model.parameters())


def test_a_step_after_it_is_the_step_without_it(make_table: Make, rich: TrainSettings) -> None:
    table = make_table()

    def stepped(tested: bool) -> dict[str, Any]:
        with prepared(table, "test_resnet", rich) as ready:
            learner = ready.learner
            if tested:
                range_test(learner, lessons(), LRS, np.random.default_rng(1))
            learner.begin()
            for pixels, targets in itertools.islice(lessons(), 2):
                learner.step(pixels, targets, 1e-3, np.random.default_rng(2))
            return learner.snapshot()

    assert_same(stepped(True), stepped(False))


def assert_same(found: Any, expected: Any) -> None:
    """Compare nested states bit for bit."""
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, Mapping):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


def found_of(table: pd.DataFrame, settings: TrainSettings, **asked: Any) -> LrFound:
    return find_lr(table, "test_resnet", settings, **asked)


def test_a_rate_is_found(make_table: Make, quick: TrainSettings) -> None:
    table = make_table()
    done: list[int] = []
    torch_before = torch.get_rng_state()
    found = found_of(table, quick, on_progress=lambda step, smooth: done.append(step))
    assert torch.equal(torch.get_rng_state(), torch_before)
    curve = found.curve
    assert done == curve["step"].tolist()
    np.testing.assert_array_equal(curve["lr"], np.geomspace(1e-7, 100, 113)[: len(curve)])
    assert "diverged" in found.stopped
    lrs = dict(zip(found.suggestions["name"], found.suggestions["lr"], strict=True))
    # Three colours are learnt at some rate between; AdamW at 1 is far off.
    assert all(1e-5 < lr < 0.5 for lr in lrs.values())
    assert found.failures.empty


def test_it_depends_on_nothing_but_the_arguments(make_table: Make, quick: TrainSettings) -> None:
    table = make_table(train=4)
    first = found_of(table, quick, steps=20)
    torch.manual_seed(99)
    again = found_of(table[::-1].reset_index(drop=True), replace(quick, workers=1), steps=20)
    pd.testing.assert_frame_equal(first.curve, again.curve, check_exact=True)
    pd.testing.assert_frame_equal(first.suggestions, again.suggestions, check_exact=True)
    other = found_of(table, replace(quick, seed=4), steps=20)
    assert not np.array_equal(first.curve["loss"].to_numpy(), other.curve["loss"].to_numpy())


def test_val_and_test_are_never_opened(make_table: Make, quick: TrainSettings) -> None:
    table = make_table()
    for path in table.loc[table["split"] != "train", "path"]:
        os.remove(paths.from_text(path))
    found = found_of(table, quick, steps=20)
    assert found.failures.empty


def test_small_rates_alone_suggest_nothing(make_table: Make, quick: TrainSettings) -> None:
    found = found_of(make_table(), replace(quick, augment=""), low=1e-9, high=1e-8, steps=30)
    assert found.stopped == "the upper bound was reached"
    assert len(found.curve) == 30
    assert found.suggestions["lr"].isna().all()
    assert found.suggestions["reason"].str.contains("stays flat|wanders").all()


def test_an_image_that_does_not_open_is_a_row(make_table: Make, quick: TrainSettings) -> None:
    table = make_table()
    train = table.loc[table["split"] == "train"]
    with open(paths.from_text(train["path"].iloc[0]), "wb") as file:
        file.write(b"no image")
    found = found_of(table, quick, steps=20)
    assert found.failures["image_id"].tolist() == [train["image_id"].iloc[0]]
    assert len(found.curve) > 5


def test_no_image_that_opens_is_an_error(make_table: Make, quick: TrainSettings) -> None:
    table = make_table(train=3, val=0, test=0)
    for path in table["path"]:
        os.remove(paths.from_text(path))
    with pytest.raises(PolicyError, match="9 images that cannot be used"):
        found_of(table, quick, steps=20)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"low": 0.0}, "from 0 to 100"),
        ({"low": 1.0, "high": 0.1}, "from 1 to 0.1"),
        ({"high": float("inf")}, "from 1e-07 to inf"),
        ({"low": float("nan")}, "from nan"),
        ({"steps": 19}, "19 steps"),
    ],
)
def test_bounds_that_make_no_curve_are_refused_first(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        find_lr(pd.DataFrame(), "test_resnet", **asked)
