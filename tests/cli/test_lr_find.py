from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from curate.cli.main import EXPECTED, INTERRUPTED, answer
from curate.store import schema
from curate.store.library import opened
from curate.train import TrainSettings
from curate.train.lr_find import LrFound
from curate.train.suggest import smoothed, suggestions
from tests.conftest import MakePhoto
from tests.splits.made import put, tell

SMALL = ["--arch", "test_resnet", "--size", "32", "--batch-size", "8"]
COLOURS = {"blue": (40, 60, 200), "red": (200, 50, 40)}


def found(falls: bool = True) -> LrFound:
    """Give what a range test may find."""
    lrs = np.geomspace(1e-7, 100, 100)[:80]
    x = np.log10(lrs)
    losses = 2 - falls * 1.2 / (1 + np.exp(-2 * (x + 3))) + np.where(x > -1, 9 * (x + 1) ** 3, 0)
    columns = {"step": range(1, 81), "lr": lrs, "loss": losses, "smooth": smoothed(losses)}
    curve = pd.DataFrame(columns)
    failures = pd.DataFrame(
        [("i", "bad.png", "train", "no image")], columns=["image_id", "path", "stage", "reason"]
    )
    return LrFound(curve, suggestions(lrs, curve["smooth"]), "diverged at 1: enough", failures)


@pytest.fixture
def library(tmp_path: Path, photo: MakePhoto) -> Path:
    """A library of two classes with a split."""
    photos = [
        photo(f"photos/{name}/{seed}.png", seed, (40, 40), (colour[0], colour[1], colour[2] + seed))
        for name, colour in COLOURS.items()
        for seed in range(10)
    ]
    with opened(tmp_path, make=True) as made:
        for image_id, path in zip(put(made, *photos), photos, strict=True):
            tell(made, image_id, label=path.parent.name)
    assert answer(["split", "--min-count", "3"]) == 0
    return tmp_path


@pytest.fixture
def finder() -> Iterator[MagicMock]:
    with patch("curate.train.lr_find.find_lr", return_value=found()) as called:
        yield called


def runs(place: Path) -> list[Any]:
    with opened(place) as opened_library, opened_library.reading() as connection:
        query = sa.select(schema.runs).where(schema.runs.c.stage == "lr-find")
        return list(connection.execute(query))


def said_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert answer(["lr-find", *arguments]) == 0
    return capsys.readouterr().out


def test_it_asks_for_what_it_is_told(library: Path, finder: MagicMock) -> None:
    (library / "curate.toml").write_text("[train]\nbatch_size = 9\nweight_decay = 0.1\n")
    line = (
        "--arch resnet10t --size 48 --optimizer sgd --seed 4 --device cpu --smoothing 0 "
        "--weight-decay 0.2 --mix mixup(alpha=0.2) --low 1e-5 --high 1 --steps 40"
    )
    assert answer(["lr-find", *line.split()]) == 0
    table, recipe, settings, initial, low, high, steps, told = finder.call_args.args
    assert set(table["label"]) == {"blue", "red"}
    assert recipe == "resnet10t"
    expected = TrainSettings(
        size=48,
        optimizer="sgd",
        seed=4,
        device="cpu",
        smoothing=0,
        weight_decay=0.2,
        mix="mixup(alpha=0.2)",
        batch_size=9,
        min_count=3,
    )
    assert settings == expected
    assert initial is None
    assert (low, high, steps) == (1e-5, 1, 40)
    told(1, 2.0)


def test_it_shows_curve_and_suggestions(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_of(SMALL, capsys)
    assert "\x1b" not in said
    assert "Loss by learning rate: test_resnet" in said
    assert "⠒ smoothed  • single batches" in said
    assert "80 steps; diverged at 1: enough" in said
    lr = f"{finder.return_value.suggestions['lr'].iloc[0]:.2g}"
    assert f"│ {lr}  valley" in said
    rows = [line.split() for line in said.splitlines()]
    assert ["valley", lr] in [row[:2] for row in rows]
    assert "1 image could not be used:" in said
    assert ["bad.png", "no", "image"] in rows


def test_it_names_the_training(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*SMALL, "--optimizer", "sgd(momentum=0.9)", "--seed", "5"]
    lr = f"{finder.return_value.suggestions['lr'].iloc[0]:.2g}"
    following = (
        "Next: curate train --arch test_resnet --size 32 --batch-size 8 "
        f"--optimizer 'sgd(momentum=0.9)' --seed 5 --lr {lr} -o ckpt.pt"
    )
    assert following in said_of(given, capsys)
    # The bounds and the outputs are no options of a training.
    more = ["--low", "1e-6", "--plot", "a.svg", "--csv", "a.csv"]
    assert following in said_of([*given, *more], capsys)


def test_a_curve_that_says_nothing_leads_to_a_training_too(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    finder.return_value = found(falls=False)
    said = said_of(["--throw-away", "--min-count", "2"], capsys)
    assert "the loss only rises" in said
    assert "Next: curate train --throw-away --min-count 2 -o ckpt.pt" in said


def test_json_is_all_that_is_printed(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    finder.return_value = found(falls=False)
    said = json.loads(said_of([*SMALL, "--json"], capsys))
    assert said["stopped"] == "diverged at 1: enough"
    assert said["curve"][0].keys() == {"step", "lr", "loss", "smooth"}
    assert len(said["curve"]) == 80
    assert [row["name"] for row in said["suggestions"]] == ["valley", "steepest", "minimum"]
    assert said["suggestions"][0]["lr"] is None
    assert said["failures"][0]["path"] == "bad.png"
    assert said["next"].startswith("curate train")


def test_files_are_written(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_of(["--csv", "a.csv", "--parquet", "a.parquet", "--plot", "a.png"], capsys)
    assert "Drew the curve: a.png" in said
    assert list(pd.read_csv("a.csv").columns) == ["step", "lr", "loss", "smooth"]
    assert len(pd.read_parquet("a.parquet")) == 80
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_that_cannot_be_is_refused_first(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["lr-find", "--plot", "a.gif"]) == EXPECTED
    assert answer(["lr-find", "--plot", "nowhere/a.png"]) == EXPECTED
    assert "a plot ends in .png, .svg, .html" in capsys.readouterr().err
    finder.assert_not_called()


def test_the_run_is_in_the_library(library: Path, finder: MagicMock) -> None:
    assert answer(["lr-find", *SMALL, "--steps", "30", "--high", "1"]) == 0
    (run,) = runs(library)
    parameters, summary = json.loads(run.parameters), json.loads(run.summary)
    assert run.status == "done"
    assert parameters["arch"] == "test_resnet"
    assert (parameters["low"], parameters["high"], parameters["steps"]) == (1e-7, 1, 30)
    assert parameters["batch_size"] == 8
    assert len(summary["curve"]) == 80
    assert summary["suggestions"][0]["name"] == "valley"
    assert summary["stopped"] == "diverged at 1: enough"


def test_a_library_without_a_split_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path, make=True):
        pass
    assert answer(["lr-find"]) == EXPECTED
    assert "Run `curate split` first" in capsys.readouterr().err


def test_a_small_network_is_tested(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(said_of([*SMALL, "--steps", "20", "--device", "cpu", "--json"], capsys))
    assert said["curve"][0]["lr"] == 1e-7
    assert len(said["curve"]) <= 20
    (run,) = runs(library)
    assert json.loads(run.summary)["curve"] == said["curve"]


def test_an_interrupted_test_does_not_promise_to_go_on(
    library: Path, finder: MagicMock, capsys: pytest.CaptureFixture[str]
) -> None:
    finder.side_effect = KeyboardInterrupt
    assert answer(["lr-find", *SMALL]) == INTERRUPTED
    assert "begins anew" in capsys.readouterr().err
    assert [run.status for run in runs(library)] == ["interrupted"]
