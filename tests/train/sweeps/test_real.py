"""Sweeps of real trainings, in this process and in others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch

from curate.models import checkpoint
from curate.store import run_rows
from curate.store.library import Library
from curate.train import TrainSettings, train
from curate.train.sweeps.plan import SweepPlan, plan_of
from curate.train.sweeps.sweep import sweep
from tests.train.conftest import Make


def plan(**head: Any) -> SweepPlan:
    space = {"lr": [3e-3, 1e-4], "smoothing": [0.0, 0.1]}
    return plan_of({"method": "grid", "space": space, **head})


@pytest.fixture
def base(quick: TrainSettings) -> TrainSettings:
    return replace(quick, lr=None)


def test_a_trial_is_the_training_that_its_settings_give(
    library: Library, make_table: Make, base: TrainSettings
) -> None:
    table = make_table()
    found = sweep(library, table, plan(steps=4, trials=2), base, "test_resnet")
    assert found.checkpoint is not None
    assert found.settings is not None
    assert (found.settings.steps, found.settings.epochs) == (4, 2)
    again = train(table, found.arch, library.root / "again.safetensors", found.settings)
    kept = checkpoint.load(found.checkpoint)
    weights = again.checkpoint.weights
    assert all(torch.equal(kept.weights[key], weights[key]) for key in weights)
    best = found.trials.set_index("trial").loc[found.best]
    assert best["value"] == pytest.approx(again.checkpoint.metrics["val_accuracy"])


def test_two_processes_try_each_combination_once(
    library: Library, make_table: Make, base: TrainSettings
) -> None:
    # An architecture that there is and that cannot be built is a row, there as here.
    space = {"lr": [3e-3, 1e-4], "arch": ["test_resnet", "test_resnet(depth=3)"]}
    asked = plan_of({"method": "grid", "space": space, "steps": 2})
    table = make_table()
    found = sweep(library, table, asked, base, None, jobs=2)
    trials = found.trials
    assert trials["trial"].tolist() == [0, 1, 2, 3]
    assert len(trials[["lr", "arch"]].drop_duplicates()) == 4
    wrong = trials["arch"] == "test_resnet(depth=3)"
    assert set(trials.loc[~wrong, "status"]) == {"done"}
    assert set(trials.loc[wrong, "status"]) == {"failed"}
    assert trials.loc[wrong, "reason"].str.contains("depth").all()
    assert trials["run_id"].is_unique
    alone = sweep(library, table, asked, base, None)
    assert alone.known == 4
    pd.testing.assert_frame_equal(alone.trials, trials)


_KILLED = """
import sys
import pandas as pd
from pathlib import Path
from curate.store.library import opened
from curate.train import TrainSettings
from curate.train.sweeps.sweep import sweep
from tests.train.sweeps.test_real import plan

with opened(Path(sys.argv[1])) as library:
    base = TrainSettings(epochs=3, batch_size=8, size=32, device="cpu", seed=3)
    sweep(library, pd.read_pickle(sys.argv[2]), plan(), base, "test_resnet", jobs=2)
"""


def test_a_killed_sweep_of_two_processes_goes_on(
    library: Library, make_table: Make, base: TrainSettings
) -> None:
    table = make_table()
    table.to_pickle(library.root / "table.pkl")
    given = [str(library.root), str(library.root / "table.pkl")]
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, *given],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not _ended(library) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    before = _ended(library)
    assert before, said
    found = sweep(library, table, plan(), base, "test_resnet")
    assert found.known == before
    assert found.trials["trial"].tolist() == [0, 1, 2, 3]
    assert len(found.trials[["lr", "smoothing"]].drop_duplicates()) == 4
    with library.reading() as connection:
        statuses = {run.status for run in run_rows.recorded(connection, stage="train")}
    assert "running" not in statuses


def _ended(library: Library) -> int:
    with library.reading() as connection:
        rows = run_rows.recorded(connection, stage="train")
    return sum("sweep" in row.summary for row in rows)
