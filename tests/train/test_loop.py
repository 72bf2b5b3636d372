from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import curate.train.learner as learner
from curate.core import paths
from curate.core.errors import CheckpointError, CurateError, InputError, PolicyError
from curate.core.files import read
from curate.core.images import open_picture
from curate.models.checkpoint import Checkpoint, load
from curate.models.preprocess import decode_side, prepare
from curate.models.runner import Plan, Runner
from curate.train import Progress, TrainSettings, train
from curate.train.keep import last_path, rank
from tests.train.conftest import Make

NET = "test_resnet"


def weights_equal(one: Checkpoint, other: Checkpoint) -> bool:
    return one.weights.keys() == other.weights.keys() and all(
        torch.equal(one.weights[key], other.weights[key]) for key in one.weights
    )


def predictions(checkpoint: Checkpoint, table: pd.DataFrame) -> list[str]:
    used = checkpoint.preprocessing
    pixels = [
        prepare(open_picture(read(paths.from_text(path)), decode_side(used)).pixels, used)
        for path in table["path"]
    ]
    best = Runner(checkpoint, Plan()).run(np.stack(pixels)).logits.argmax(axis=1)
    return [checkpoint.classes[at] for at in best]


def test_it_learns_and_tells_the_truth_about_it(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table(train=16, val=4, test=4)
    told: list[Progress] = []
    result = train(
        table,
        NET,
        tmp_path / "a.pt",
        replace(quick, epochs=5, throw_away=True, min_count=35),
        on_progress=told.append,
    )

    assert result.checkpoint.metrics["test_accuracy"] > 0.8
    # What is claimed of the test split is what the file, loaded by itself, does on it.
    found = load(result.path)
    assert found.digest == result.checkpoint.digest
    test = table[table["split"] == "test"]
    right = np.array(predictions(found, test)) == test["label"].to_numpy()
    assert found.metrics["test_accuracy"] == pytest.approx(right.mean())
    assert result.recalls["correct"].sum() == right.sum()
    assert result.recalls["class"].tolist() == ["blue", "green", "red"]

    assert (found.throw_away, found.min_count, found.parent) == (True, 35, None)
    assert found.settings["augment"] == quick.augment
    assert found.versions["torch"].startswith(torch.__version__.split("+")[0])
    assert result.failures.empty
    assert not result.stopped

    history = result.history
    assert list(history.columns) == [
        "epoch", "steps", "loss", "val_loss", "val_accuracy", "val_recall", "seconds",
        "images_per_second", "waited", "lr",
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    best = max(
        history.to_dict("records"), key=lambda row: rank({str(k): v for k, v in row.items()})
    )
    assert result.best_epoch == best["epoch"]
    assert found.metrics["val_accuracy"] == best["val_accuracy"]

    assert [p.epoch for p in told if p.metrics] == [1, 2, 3, 4, 5]
    assert all(p.epochs == 5 and p.of == 48 and p.images <= 48 for p in told)
    assert told[-1].metrics == pytest.approx(history.iloc[-1].to_dict())


def test_the_best_weights_are_calibrated_and_know_what_is_new(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    result = train(make_table(train=12, val=6), NET, tmp_path / "a.safetensors", quick)
    found = load(result.path)
    assert found.temperature != 1.0
    assert found.novelty is not None
    assert found.novelty.classes.shape == (3, found.novelty.width)
    for split in ("val", "test"):
        assert 0 <= found.metrics[f"{split}_ece_calibrated"] <= 1
        assert found.metrics[f"{split}_loss_calibrated"] > 0
    assert found.metrics["val_loss_calibrated"] <= found.metrics["val_loss"] + 0.05
    # The last one is kept as it was after its epoch.
    last = load(result.last)
    assert (last.temperature, last.novelty) == (1.0, None)


def test_the_same_seed_gives_the_same_weights(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table()
    first = train(table, NET, tmp_path / "a.pt", replace(quick, workers=1))
    shuffled = table.sample(frac=1, random_state=5)
    second = train(shuffled, NET, tmp_path / "b.pt", replace(quick, workers=3))
    other = train(table, NET, tmp_path / "c.pt", replace(quick, seed=4))
    assert weights_equal(first.checkpoint, second.checkpoint)
    assert not weights_equal(first.checkpoint, other.checkpoint)
    numbers = ["loss", "val_loss", "val_accuracy", "lr"]
    pd.testing.assert_frame_equal(first.history[numbers], second.history[numbers])


def test_the_callers_random_numbers_are_left_alone(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"]
    train(make_table(train=3), NET, tmp_path / "a.pt", replace(quick, epochs=1))
    after = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"]
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])


def test_the_benchmark_is_never_opened(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table()
    frozen = table.iloc[:1].assign(
        image_id="0" * 32, path="/nonexistent", label="new", split="benchmark"
    )
    result = train(pd.concat([table, frozen]), NET, tmp_path / "a.pt", replace(quick, epochs=1))
    assert result.failures.empty
    assert "new" not in result.checkpoint.classes


def test_images_that_fail_are_rows_and_the_rest_trains(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table()
    for split in ("train", "val", "test"):
        at = table.index[table["split"] == split][0]
        Path(table["path"][at]).write_bytes(b"not an image")
    result = train(table, NET, tmp_path / "a.pt", quick)
    assert len(result.failures) == 3
    assert result.checkpoint.metrics["test_images"] == 8


def test_nothing_that_opens_is_an_error(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table()
    for path in table["path"]:
        Path(path).write_bytes(b"")
    with pytest.raises(PolicyError, match="24 images that cannot be used"):
        train(table, NET, tmp_path / "a.pt", quick)
    assert not (tmp_path / "a.pt").exists()


def test_without_val_the_last_epoch_is_the_best(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    result = train(make_table(val=0, test=0), NET, tmp_path / "a.pt", quick)
    assert result.best_epoch == 3
    assert weights_equal(result.checkpoint, load(result.last))
    assert math.isnan(result.history["val_accuracy"][0])
    assert "val_accuracy" not in result.checkpoint.metrics
    assert "test_accuracy" not in result.checkpoint.metrics
    assert (result.checkpoint.temperature, result.checkpoint.novelty) == (1.0, None)


def test_an_earlier_model_is_the_parent_and_its_body_is_trained_on(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table()
    two = table[table["label"] != "red"]
    first = train(two, NET, tmp_path / "a.safetensors", quick).checkpoint
    second = train(
        table, None, tmp_path / "b.safetensors", replace(quick, size=None), initial=first
    )
    assert second.checkpoint.parent == first.digest
    assert second.checkpoint.arch == first.arch
    assert second.checkpoint.preprocessing == first.preprocessing
    assert second.transplant.classes_new == ("red",)
    # The body moved on, but the statistics of its norms are the parent's.
    body, parent = second.checkpoint.weights, first.weights
    moved = [
        key
        for key in parent
        if not key.startswith("fc.") and not torch.equal(parent[key], body[key])
    ]
    assert moved
    assert not any("running" in key for key in moved)
    assert any("running" in key for key in parent)


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_interrupt_leaves_usable_checkpoints(
    make_table: Make, quick: TrainSettings, tmp_path: Path, epoch: int
) -> None:
    table = make_table()

    def interrupt(progress: Progress) -> None:
        if progress.epoch == epoch and progress.metrics is None and progress.images > 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(table, NET, tmp_path / "a.pt", quick, on_progress=interrupt)
    for path in (tmp_path / "a.pt", tmp_path / "a.last.pt"):
        assert load(path).metrics["epoch"] == epoch - 1
        assert set(predictions(load(path), table)) <= {"blue", "green", "red"}


def test_an_interrupt_before_the_first_step_leaves_nothing(
    make_table: Make, quick: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(learner, "to_input", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(make_table(), NET, tmp_path / "a.pt", quick)
    assert not list(tmp_path.glob("*.pt"))


def test_a_stop_ends_after_the_epoch(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    result = train(make_table(), NET, tmp_path / "a.pt", quick, should_stop=lambda: True)
    assert result.stopped
    assert len(result.history) == 1
    assert "test_accuracy" in result.checkpoint.metrics


def test_a_diverged_training_does_not_replace_good_weights(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    good = train(make_table(), NET, tmp_path / "a.pt", quick)
    with pytest.raises(PolicyError, match=r"diverged at a learning rate of 1e\+30"):
        train(make_table(), NET, tmp_path / "a.pt", replace(quick, lr=1e30))
    assert load(tmp_path / "a.pt").digest == good.checkpoint.digest


@pytest.mark.parametrize(
    ("arch", "name", "settings", "error", "says"),
    [
        ("resnet_18", "a.pt", {}, InputError, "The nearest"),
        (None, "a.pt", {}, InputError, "no architecture"),
        (NET, "a.onnx", {}, InputError, "ends in"),
        (NET, "no/a.pt", {}, InputError, "no folder"),
        (NET, "a.pt", {"device": "gpu"}, InputError, "known are"),
        (NET, "a.pt", {"augment": "swirl(p=1)"}, InputError, "known are"),
        (NET, "a.pt", {"epochs": 0}, PolicyError, "epochs 0"),
        (NET, "a.pt", {"batch_size": 1}, PolicyError, "batch_size 1"),
        (NET, "a.pt", {"lr": 0.0}, PolicyError, "lr 0"),
        (NET, "a.pt", {"lr": math.nan}, PolicyError, "lr nan"),
        (NET, "a.pt", {"weight_decay": -1}, PolicyError, "weight_decay -1"),
        (NET, "a.pt", {"size": 4}, PolicyError, "size 4"),
    ],
)
def test_what_cannot_be_is_said_before_any_image_is_opened(
    tmp_path: Path,
    arch: str | None,
    name: str,
    settings: dict[str, Any],
    error: type[CurateError],
    says: str,
) -> None:
    rows = [(f"i{at}", "/nonexistent", label, "train") for at, label in enumerate("abab")]
    table = pd.DataFrame(rows, columns=["image_id", "path", "label", "split"])
    with pytest.raises(error, match=says):
        train(table, arch, tmp_path / name, TrainSettings(**settings))
    assert not list(tmp_path.iterdir())


def row(epoch: int, accuracy: float, loss: float) -> dict[str, float]:
    return {"epoch": epoch, "val_accuracy": accuracy, "val_loss": loss}


def test_the_better_epoch() -> None:
    assert rank(row(1, 0.9, 5)) > rank(row(2, 0.8, 1))
    assert rank(row(1, 0.9, 1)) > rank(row(2, 0.9, 2))
    assert rank(row(1, 0.9, 9)) > rank(row(2, 0.9, math.nan))
    assert rank(row(2, math.nan, math.nan)) > rank(row(1, math.nan, math.nan))


def test_the_last_lies_beside_the_best() -> None:
    assert last_path(Path("/a/ckpt.v2.pt")) == Path("/a/ckpt.v2.last.pt")


def test_the_shared_weights_are_a_start(
    make_table: Make, quick: TrainSettings, tmp_path: Path, shared: Path
) -> None:
    initial = load(
        shared / "weights" / "mobilenetv2_100_same.in1k.fp16.safetensors",
        classes=shared / "weights" / "imagenet_classes.txt",
    )
    result = train(
        make_table(train=12),
        None,
        tmp_path / "a.pt",
        replace(quick, epochs=2, lr=1e-3),
        initial=initial,
    )
    assert result.transplant.kept == 312
    assert result.checkpoint.licence == "Apache-2.0"
    assert result.checkpoint.preprocessing.mean == (0.5, 0.5, 0.5)
    assert result.checkpoint.metrics["test_accuracy"] > 0.6


def test_a_body_of_another_architecture_is_refused(
    make_table: Make, quick: TrainSettings, tmp_path: Path
) -> None:
    table = make_table(train=3)
    first = train(table, NET, tmp_path / "a.pt", replace(quick, epochs=1)).checkpoint
    with pytest.raises(CheckpointError, match="body"):
        train(table, "test_vit", tmp_path / "b.pt", replace(quick, size=None), initial=first)
