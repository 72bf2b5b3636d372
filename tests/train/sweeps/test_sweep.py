"""A sweep: each trial once, whatever comes between, and all of them runs of the library."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.core.errors import CheckpointError, LockedError, PolicyError
from curate.store import run_rows
from curate.store.library import Library
from curate.train import TrainSettings
from curate.train.sweeps.plan import SweepPlan, plan_of
from curate.train.sweeps.sweep import Swept, sweep, trials_of
from tests.train.sweeps.pretended import Made, pretending, quality

GRID = {"lr": [1e-4, 1e-2], "head": ["fresh", "map"]}
RANGE = {"lr": {"low": 1e-6, "high": 1.0, "log": True}}
BASE = TrainSettings(epochs=4, batch_size=8)

Sweeping = Callable[..., Swept]


def plan(method: str = "grid", space: Any = None, **head: Any) -> SweepPlan:
    usual = GRID if method == "grid" else RANGE
    return plan_of({"method": method, "space": space or usual, **head})


@pytest.fixture
def table() -> pd.DataFrame:
    """Ten images of two classes, of which nothing but the names is ever looked at."""
    return pd.DataFrame(
        {
            "image_id": [f"{number:032x}" for number in range(10)],
            "path": [f"/{number}.png" for number in range(10)],
            "label": ["cat", "dog"] * 5,
            "split": ["train"] * 6 + ["val"] * 2 + ["test"] * 2,
        }
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """The settings of the trainings that were pretended."""
    made: Made = []
    monkeypatch.setattr("curate.train.sweeps.trials.train", pretending(made))
    return made


@pytest.fixture
def swept(library: Library, table: pd.DataFrame, made: Made) -> Sweeping:
    def start(asked: SweepPlan, base: TrainSettings = BASE, **more: Any) -> Swept:
        return sweep(library, table, asked, base, "test_resnet", **more)

    return start


def pretend(monkeypatch: pytest.MonkeyPatch, made: Made, **how: Any) -> None:
    monkeypatch.setattr("curate.train.sweeps.trials.train", pretending(made, **how))


def trainings(library: Library) -> list[run_rows.Recorded]:
    with library.reading() as connection:
        return run_rows.recorded(connection, stage="train")[::-1]


def checkpoints(library: Library) -> list[str]:
    return sorted(path.name for path in library.folder.glob("sweeps/*/*"))


def test_a_grid_tries_every_combination_once(swept: Sweeping, made: Made) -> None:
    found = swept(plan())
    assert sorted((one.lr, one.head) for one in made) == [
        (1e-4, "fresh"),
        (1e-4, "map"),
        (1e-2, "fresh"),
        (1e-2, "map"),
    ]
    trials = found.trials
    assert list(trials) == [
        "trial",
        "status",
        "value",
        "lr",
        "head",
        "epochs_trained",
        "seconds",
        "run_id",
        "reason",
    ]
    assert trials["trial"].tolist() == [0, 1, 2, 3]
    assert set(trials["status"]) == {"done"}
    assert trials["value"].tolist() == [pytest.approx(0.9)] * 4
    assert trials["lr"].tolist() == [one.lr for one in made]
    assert trials["epochs_trained"].tolist() == [4] * 4
    assert found.known == 0


def test_every_trial_is_a_run(swept: Sweeping, library: Library) -> None:
    found = swept(plan(), name="mine")
    runs = trainings(library)
    assert [run.run_id for run in runs] == found.trials["run_id"].tolist()
    assert {run.status for run in runs} == {"done"}
    for number, run in enumerate(runs):
        assert run.parameters["sweep"]["name"] == "mine"
        assert run.parameters["sweep"]["trial"] == number
        assert run.parameters["lr"] == found.trials["lr"][number]
        assert run.parameters["arch"] == "test_resnet"
        assert len(run.history) == 4
        assert run.metrics["val_accuracy"] == found.trials["value"][number]
        assert run.digest == f"digest {found.trials['lr'][number]}"
    with library.reading() as connection:
        (whole,) = run_rows.recorded(connection, stage="sweep")
    assert (whole.status, whole.summary) == ("done", {"done": 4, "best": found.best})


def test_the_best_checkpoint_is_kept_alone(swept: Sweeping, library: Library) -> None:
    found = swept(plan(space={"lr": [1e-5, 1e-3, 1e-1]}))
    best = found.trials.loc[found.trials["trial"] == found.best].iloc[0]
    assert best["lr"] == 1e-3
    assert checkpoints(library) == [f"trial-{found.best}.safetensors"]
    assert found.checkpoint is not None
    assert found.settings is not None
    assert found.settings.lr == 1e-3
    assert b"lr=0.001" in found.checkpoint.read_bytes()
    assert found.arch == "test_resnet"


def test_of_equals_the_first_is_the_best(swept: Sweeping) -> None:
    assert swept(plan(space={"head": ["fresh", "map"]})).best == 0


def test_a_low_loss_is_the_best(swept: Sweeping) -> None:
    found = swept(plan(space={"lr": [1e-5, 1e-3, 1e-1]}, metric="val_loss"))
    assert found.settings is not None
    assert found.settings.lr == 1e-3


def test_an_architecture_can_be_tried(swept: Sweeping, library: Library) -> None:
    found = swept(plan(space={"arch": ["test_resnet", "test_vit"]}))
    assert sorted(run.parameters["arch"] for run in trainings(library)) == [
        "test_resnet",
        "test_vit",
    ]
    assert found.arch == found.trials.loc[found.trials["trial"] == found.best, "arch"].item()


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_the_seed_decides_what_is_tried(swept: Sweeping, made: Made, method: str) -> None:
    first = swept(plan(method, trials=12))
    assert len(set(first.trials["lr"])) == 12
    # Another sweep in the same library starts from nothing; here only its settings differ.
    again = swept(plan(method, trials=12), TrainSettings(epochs=4, batch_size=16))
    assert again.known == 0
    assert again.trials["lr"].tolist() == first.trials["lr"].tolist()
    other = swept(plan(method, trials=12, seed=1))
    assert other.trials["lr"].tolist() != first.trials["lr"].tolist()
    assert len(made) == 36


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
def test_an_interrupted_sweep_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    swept: Sweeping,
    library: Library,
    made: Made,
    method: str,
) -> None:
    asked = plan(method, RANGE if method != "grid" else GRID, trials=4)
    pretend(monkeypatch, made, interrupt_at=2)
    with pytest.raises(KeyboardInterrupt):
        swept(asked)
    assert [run.status for run in trainings(library)] == ["done", "done", "interrupted"]
    pretend(monkeypatch, made)
    found = swept(asked)
    assert found.known == 2
    assert found.changed == ()
    # The third was begun twice, with the same values, and counts once.
    assert made[2] == made[3]
    assert found.trials["lr"].tolist() == [one.lr for one in made[:2] + made[3:]]
    assert found.trials["trial"].tolist() == [0, 1, 2, 3]
    assert checkpoints(library) == [f"trial-{found.best}.safetensors"]


def test_what_a_kill_leaves_is_tidied_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, swept: Sweeping, library: Library, made: Made
) -> None:
    # A kill writes nothing down: the run goes on saying that it runs.
    monkeypatch.setattr("curate.train.sweeps.sweep._Sweep.interrupt", lambda self, error: None)
    pretend(monkeypatch, made, interrupt_at=1)
    with pytest.raises(KeyboardInterrupt):
        swept(plan())
    folder = next(library.folder.glob("sweeps/*"))
    (folder / ".trial-1.safetensors.99.tmp").write_bytes(b"half")
    assert "trial-1.last.safetensors" in checkpoints(library)
    pretend(monkeypatch, made)
    found = swept(plan())
    assert found.trials["trial"].tolist() == [0, 1, 2, 3]
    assert checkpoints(library) == [f"trial-{found.best}.safetensors"]


def test_a_sweep_can_be_made_longer(swept: Sweeping, made: Made) -> None:
    first = swept(plan("random", trials=3))
    longer = swept(plan("random", trials=3), trials=5)
    assert (len(first.trials), len(longer.trials), longer.known) == (3, 5, 3)
    assert len(made) == 5
    again = swept(plan("random", trials=5))
    assert len(made) == 5
    pd.testing.assert_frame_equal(again.trials, longer.trials)


def test_a_changed_plan_is_a_new_sweep_and_says_what_changed(swept: Sweeping, made: Made) -> None:
    swept(plan())
    found = swept(plan(space={"lr": [1e-4, 1e-3]}, prune=False))
    assert found.changed == ("prune", "space")
    assert found.known == 0
    assert len(made) == 6
    assert swept(plan(), name="other").changed == ()


def test_other_settings_and_other_images_are_a_new_sweep(
    swept: Sweeping, library: Library, table: pd.DataFrame
) -> None:
    assert swept(plan(), TrainSettings(epochs=3, batch_size=8)).changed == ()
    assert swept(plan()).changed == ("train",)
    fewer = table.drop(index=0)
    found = sweep(library, fewer, plan(), BASE, "test_resnet")
    assert found.changed == ("split", "data")
    assert found.known == 0


def test_another_device_goes_on_with_the_same(swept: Sweeping, made: Made) -> None:
    swept(plan())
    assert swept(plan(), TrainSettings(epochs=4, batch_size=8, workers=1, device="cpu")).known == 4


def test_a_failure_is_a_row_and_the_rest_goes_on(swept: Sweeping, library: Library) -> None:
    found = swept(plan(space={"lr": [1e-3, 10.0, 1e-2]}))
    failed = found.trials[found.trials["lr"] == 10.0].iloc[0]
    assert failed["status"] == "failed"
    assert math.isnan(failed["value"])
    assert failed["reason"].startswith("a loss of nan in epoch 1: the training diverged")
    assert sorted(found.trials["status"]) == ["done", "done", "failed"]
    run = next(run for run in trainings(library) if run.run_id == failed["run_id"])
    assert run.status == "failed"
    assert "diverged" in run.made
    assert swept(plan(space={"lr": [1e-3, 10.0, 1e-2]})).known == 3


def test_where_all_fail_there_is_no_best(swept: Sweeping, library: Library) -> None:
    found = swept(plan(space={"lr": [10.0, 20.0]}))
    assert (found.best, found.settings, found.checkpoint) == (None, None, None)
    assert found.importance.empty
    assert checkpoints(library) == []


def test_any_error_of_a_training_is_a_row(monkeypatch: pytest.MonkeyPatch, swept: Sweeping) -> None:
    def broken(*_given: object, **_more: object) -> None:
        raise RuntimeError("shapes (3, 4) and (5, 6)\nmore of it")

    monkeypatch.setattr("curate.train.sweeps.trials.train", broken)
    assert set(swept(plan()).trials["reason"]) == {"RuntimeError: shapes (3, 4) and (5, 6)"}


@pytest.mark.parametrize("named", [False, True])
def test_a_full_disk_ends_the_sweep(
    monkeypatch: pytest.MonkeyPatch, swept: Sweeping, library: Library, named: bool
) -> None:
    full = OSError(28, "full")

    def train(*_given: object, **_more: object) -> None:
        if named:
            raise CheckpointError("a.pt", "the disk is full", "Make room") from full
        raise full

    monkeypatch.setattr("curate.train.sweeps.trials.train", train)
    with pytest.raises(CheckpointError if named else OSError, match="full"):
        swept(plan())
    assert [run.status for run in trainings(library)] == ["failed"]


def test_a_value_that_is_no_number_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, swept: Sweeping, made: Made
) -> None:
    pretend(monkeypatch, made, judge=lambda settings, epoch: math.nan)
    found = swept(plan())
    assert set(found.trials["reason"]) == {"its val_accuracy is not a number"}
    assert found.best is None
    pd.testing.assert_frame_equal(swept(plan()).trials, found.trials)


def test_who_falls_behind_is_pruned(swept: Sweeping, library: Library) -> None:
    found = swept(plan("random", trials=20))
    pruned = found.trials[found.trials["status"] == "pruned"]
    assert len(pruned) >= 3
    assert pruned["trial"].min() >= 5
    assert pruned["value"].isna().all()
    assert pruned["epochs_trained"].between(2, 3).all()
    assert pruned["reason"].str.contains("is worse than the median of").all()
    done = found.trials[found.trials["status"] == "done"]
    assert set(done["epochs_trained"]) == {4}
    assert checkpoints(library) == [f"trial-{found.best}.safetensors"]
    # What was pruned is over: a later start does not try it again, and reads what this one said.
    pd.testing.assert_frame_equal(swept(plan("random", trials=20)).trials, found.trials)


def test_nobody_is_pruned_where_the_plan_says_so(swept: Sweeping) -> None:
    assert set(swept(plan("random", trials=12, prune=False)).trials["status"]) == {"done"}


def test_steps_are_the_length_of_a_trial(swept: Sweeping, made: Made) -> None:
    swept(plan(space={"batch_size": [2, 4], "accumulate": [1, 2]}, steps=7))
    asked = {(one.batch_size, one.accumulate): (one.steps, one.epochs) for one in made}
    # Six images to train on: three, two, two and one steps an epoch.
    assert asked == {(2, 1): (7, 3), (4, 1): (7, 4), (2, 2): (7, 4), (4, 2): (7, 7)}


def test_importance_is_a_table(swept: Sweeping) -> None:
    found = swept(plan("random", {**RANGE, "smoothing": [0.0, 0.1]}, trials=25, prune=False))
    assert list(found.importance) == ["parameter", "importance"]
    assert found.importance["parameter"].tolist() == ["lr", "smoothing"]
    assert found.importance["importance"].sum() == pytest.approx(1)


def test_trials_are_told(swept: Sweeping) -> None:
    told: list[int] = []
    swept(plan("random", trials=2), on_trial=lambda trial: told.append(trial.told.number))
    swept(plan("random", trials=3), on_trial=lambda trial: told.append(trial.told.number))
    assert told == [0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    ("asked", "given", "count"),
    [
        (plan(), None, 4),
        (plan(trials=3), None, 3),
        (plan(trials=9), None, 4),
        (plan(), 2, 2),
        (plan("random"), None, 20),
        (plan("tpe", trials=50), None, 50),
        (plan("tpe", trials=50), 7, 7),
    ],
)
def test_how_many_trials(asked: SweepPlan, given: int | None, count: int) -> None:
    assert trials_of(asked, given) == count


def test_without_val_there_is_nothing_to_go_by(library: Library, table: pd.DataFrame) -> None:
    with pytest.raises(PolicyError, match="without val"):
        sweep(library, table[table["split"] != "val"], plan(), BASE, "test_resnet")


@pytest.mark.parametrize("stage", ["train", "sweep"])
def test_one_process_trains_on_a_library(
    swept: Sweeping, library: Library, made: Made, stage: str
) -> None:
    with library.locked(stage), pytest.raises(LockedError, match=f"curate {stage}"):
        swept(plan())
    assert not made


def test_pretended_trainings_are_best_at_a_thousandth(tmp_path: Path) -> None:
    found = {lr: quality(TrainSettings(lr=lr, epochs=2), 2) for lr in (1e-4, 1e-3, 1e-2)}
    assert max(found, key=lambda lr: found[lr]) == 1e-3
