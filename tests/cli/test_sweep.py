"""`curate sweep`: what it asks for, and what it says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from curate.cli.main import EXPECTED, INTERRUPTED, answer
from curate.models import checkpoint
from curate.train import TrainSettings
from curate.train.sweeps.sweep import Swept

SWEEP = """
method = "grid"
epochs = 2

[train]
arch = "test_resnet"
size = 32
batch_size = 8

[space]
lr = [3e-3, 1e-4]
"""


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A library with a split of two classes."""
    random = np.random.default_rng(1)
    for name, colour in (("blue", (40, 60, 200)), ("red", (200, 50, 40))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.normal(colour, 40, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    assert answer(["scan", "photos", "--labels", "folder"]) == 0
    assert answer(["split", "--min-count", "5", "--val", "0.2", "--test", "0.1"]) == 0
    capsys.readouterr()
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return tmp_path


def swept(best: int | None = 0, **more: Any) -> Swept:
    trials = pd.DataFrame(
        {
            "trial": [0, 1],
            "status": ["done", "failed"],
            "value": [0.5, np.nan],
            "lr": [3e-3, 1e-4],
            "epochs_trained": [2, 0],
            "seconds": [1.0, 2.0],
            "run_id": [3, 4],
            "reason": ["", "it diverged"],
        }
    )
    found: dict[str, Any] = {
        "trials": trials,
        "importance": pd.DataFrame({"parameter": ["lr"], "importance": [1.0]}),
        "best": best,
        "arch": "test_resnet",
        "settings": None if best is None else TrainSettings(lr=3e-3),
        "checkpoint": Path("/a/trial-0.safetensors"),
        "known": 0,
        "changed": (),
    }
    return Swept(**{**found, **more})


def test_the_whole_way(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["sweep", "sweep.toml", "--json", "--csv", "trials.csv"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in said["trials"]] == ["done", "done"]
    assert said["metric"] == "val_accuracy"
    assert list(pd.read_csv("trials.csv")["lr"]) == [row["lr"] for row in said["trials"]]
    best = said["trials"][said["best"]]
    assert best["value"] == max(row["value"] for row in said["trials"])

    # The command that it names makes the checkpoint that it kept.
    command = shlex.split(said["next"])
    assert answer(command[1:]) == 0
    kept = checkpoint.load(said["checkpoint"])
    made = checkpoint.load("ckpt.pt")
    assert made.metrics["val_loss"] == kept.metrics["val_loss"]
    assert all(torch.equal(kept.weights[key], made.weights[key]) for key in kept.weights)
    capsys.readouterr()

    # A second start has nothing to do.
    assert answer(["sweep", "sweep.toml"]) == 0
    assert "2 known from before" in capsys.readouterr().out


def test_what_the_verb_is_asked(place: Path) -> None:
    (place / "curate.toml").write_text("[train]\nsmoothing = 0.0\nepochs = 9\n")
    given = ["sweep", "sweep.toml", "--trials", "3", "--jobs", "2", "--device", "cpu"]
    with patch("curate.train.sweeps.sweep.sweep", return_value=swept()) as verb:
        assert answer(given) == 0
    _, table, plan, base, arch = verb.call_args.args
    asked = verb.call_args.kwargs
    assert set(table["split"]) == {"train", "val", "test"}
    assert (plan.method, list(plan.space)) == ("grid", ["lr"])
    assert (base.epochs, base.smoothing, base.size, base.device) == (2, 0.0, 32, "cpu")
    assert (arch, asked["initial"]) == ("test_resnet", None)
    assert (asked["trials"], asked["jobs"], asked["name"]) == (3, 2, "sweep")


def test_a_file_with_faults_begins_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "sweep.toml").write_text('method = "gird"\n[space]\nlrr = [1]\n')
    assert answer(["sweep", "sweep.toml"]) == EXPECTED
    said = capsys.readouterr().err
    assert "2 faults" in said
    assert "did you mean 'lr'?" in said
    assert not (place / ".curate/sweeps").exists()


def test_people_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("curate.train.sweeps.sweep.sweep", return_value=swept(changed=("space", "data"))):
        assert answer(["sweep", "sweep.toml"]) == 0
    said = capsys.readouterr().out
    assert "A new sweep: since the last one of this name, space, data changed." in said
    assert "2 trials: 1 done, 1 failed" in said
    assert "Trial 1 failed: it diverged" in said
    assert "trial-0.safetensors" in said
    assert "Those of the other trials were taken away." in said
    assert "Next: curate train --arch test_resnet --lr 0.003 -o ckpt.pt" in said


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_where_all_failed_that_is_an_error(
    place: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    with patch("curate.train.sweeps.sweep.sweep", return_value=swept(best=None, checkpoint=None)):
        assert answer(["sweep", "sweep.toml", *option]) == EXPECTED
    heard = capsys.readouterr()
    assert "no trial came to its end" in heard.err
    assert "it diverged" in heard.out


def test_ctrl_c_says_that_it_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("curate.train.sweeps.trials.train", side_effect=KeyboardInterrupt):
        assert answer(["sweep", "sweep.toml"]) == INTERRUPTED
    assert "the same command goes on from here" in capsys.readouterr().err
