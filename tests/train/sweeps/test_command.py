"""The command that trains as a trial did."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from curate.cli.main import answer
from curate.store.library import opened
from curate.train import TrainSettings
from curate.train.sweeps.command import command_of

OTHER = TrainSettings(
    epochs=7,
    batch_size=24,
    accumulate=2,
    lr=0.0003471829012345678,
    weight_decay=0.01,
    optimizer="sgd(momentum=0.9, nesterov=True)",
    schedule="one-cycle",
    warm_up=0.5,
    freeze=2,
    head="map",
    rename=(("old name", "new=name"), ("a", "b")),
    balance="effective",
    smoothing=0.0,
    mix="mixup(alpha=0.2)",
    precision="fp32",
    compile=True,
    ema=0.999,
    patience=3,
    steps=2000,
    size=64,
    seed=5,
    augment="",
    pretrained=True,
)
"""No field has its usual value, but for those that say where a training runs, and a cutoff."""


class Caught(Exception):
    """Ends a command where its training would begin."""


def trained_by(command: str, place: Path) -> tuple[str | None, TrainSettings]:
    """Give the command that was written to the command line, and see what it would train."""
    with opened(place, make=True):
        pass
    seen: dict[str, Any] = {}

    def train(table: object, arch: str | None, out: object, settings: TrainSettings, **_: object):  # type: ignore[no-untyped-def]  # never returns
        seen.update(arch=arch, settings=settings)
        raise KeyboardInterrupt

    asked = type("Asked", (), {"table": pd.DataFrame({"split": ["train"]}), "min_count": 40})
    asked.sought = ()  # type: ignore[attr-defined]  # a stand-in
    with patch("curate.train.train", train), patch("curate.cli.train.asked_of") as asking:
        asking.return_value = asked
        answer(shlex.split(command)[1:])
    return seen["arch"], replace(seen["settings"], min_count=None)


def test_of_the_usual_settings_it_is_short() -> None:
    assert command_of(TrainSettings(), "resnet18") == "curate train --arch resnet18 -o ckpt.pt"


def test_it_names_what_is_unusual() -> None:
    said = command_of(
        TrainSettings(lr=1e-4, optimizer="sgd(momentum=0.9)", smoothing=0.0), "resnet18"
    )
    assert said == (
        "curate train --arch resnet18 --lr 0.0001 --optimizer 'sgd(momentum=0.9)' "
        "--smoothing 0.0 -o ckpt.pt"
    )


def test_what_curate_toml_says_is_usual_too() -> None:
    usual = TrainSettings(epochs=5, smoothing=0.0)
    said = command_of(TrainSettings(epochs=20, smoothing=0.0), "resnet18", usual=usual)
    assert said == "curate train --arch resnet18 --epochs 20 -o ckpt.pt"


def test_a_body_that_is_kept_is_named() -> None:
    assert command_of(TrainSettings(), None, "my model.pt", out="next.pt") == (
        "curate train --from 'my model.pt' -o next.pt"
    )


def test_a_cutoff_goes_with_a_throw_away_model_only() -> None:
    assert "--min-count" not in command_of(TrainSettings(min_count=40), "resnet18")
    said = command_of(TrainSettings(min_count=35, throw_away=True), "resnet18")
    assert "--throw-away --min-count 35" in said


@pytest.mark.parametrize("settings", [TrainSettings(), OTHER])
def test_typed_in_it_trains_with_these_settings(tmp_path: Path, settings: TrainSettings) -> None:
    command = command_of(settings, "test_resnet")
    assert trained_by(command, tmp_path) == ("test_resnet", settings)


def test_every_setting_is_tested() -> None:
    usual = TrainSettings()
    same = {name for name in vars(usual) if getattr(usual, name) == getattr(OTHER, name)}
    assert same == {"augment_classes", "workers", "device", "throw_away", "min_count"}
