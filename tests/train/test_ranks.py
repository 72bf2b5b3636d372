from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as group
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.models.checkpoint import load
from curate.train import TrainSettings, train
from curate.train.ranks import ALONE, Ranks, joined, ranks_of
from tests.train.conftest import Make

SCRIPT = """
import json, os, sys
import pandas as pd
from curate.train import TrainSettings, train
from curate.train.ranks import ranks_of

if __name__ == "__main__":
    table, out, arch, settings = sys.argv[1:]
    ranks = ranks_of(os.environ)
    asked = TrainSettings(**json.loads(settings))
    result = train(pd.read_csv(table, dtype=str), arch, out, asked, ranks=ranks)
    if ranks.first:
        result.history.to_csv(out + ".csv")
    weights = sum(float(value.double().sum()) for value in result.checkpoint.weights.values())
    # In one write, so that the lines of two processes do not mix.
    said = f"{ranks.rank} {result.checkpoint.digest is None} {len(result.failures)} {weights}\\n"
    os.write(1, said.encode())
"""


def two_processes(
    folder: Path, arch: str, table: pd.DataFrame, settings: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    """Train ``two.pt`` in a folder."""
    table.to_csv(folder / "table.csv")
    (folder / "script.py").write_text(SCRIPT)
    # A port of its own choice: other trainings may run on this machine.
    command = [sys.executable, "-m", "torch.distributed.run", "--rdzv-backend=c10d"]
    command += ["--rdzv-endpoint=localhost:0", "--nproc-per-node=2", str(folder / "script.py")]
    command += [str(folder / "table.csv"), str(folder / "two.pt"), arch, json.dumps(settings)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=200,
        check=False,
    )


def test_two_processes_learn_what_one_learns(make_table: Make, tmp_path: Path) -> None:
    table = make_table(train=11, val=4)
    Path(table["path"].iloc[0]).write_bytes(b"not an image")
    # A network without batch statistics: the gradients of two halves are those of the whole.
    settings: dict[str, Any] = {
        "epochs": 2, "batch_size": 8, "size": 32, "device": "cpu", "seed": 3, "lr": 3e-3,
        "augment": "flip(p=0.5)", "accumulate": 2, "freeze": 1, "ema": 0.9,
    }  # fmt: skip
    alone = train(table, "test_vit", tmp_path / "one.pt", TrainSettings(**settings))
    done = two_processes(tmp_path, "test_vit", table, settings)
    assert done.returncode == 0, done.stderr[-3000:]
    numbers = ["epoch", "steps", "loss", "val_loss", "val_accuracy", "val_recall", "lr"]
    together = pd.read_csv(tmp_path / "two.pt.csv")
    pd.testing.assert_frame_equal(alone.history[numbers], together[numbers], rtol=1e-4)
    one, two = load(tmp_path / "one.pt"), load(tmp_path / "two.pt")
    assert one.metrics["test_loss"] == pytest.approx(two.metrics["test_loss"], rel=1e-3)
    # The first writes; both know that an image was lost, whoever it was that could not open it.
    said = sorted(line.rsplit(" ", 1)[0] for line in done.stdout.splitlines())
    assert said == ["0 False 1", "1 True 1"]


def test_all_processes_have_the_same_norms(make_table: Make, tmp_path: Path) -> None:
    table = make_table(train=8, val=1, test=0)
    # One process has no image of val.
    table = table.drop(index=table.index[table["split"] == "val"][1:])
    settings = {"epochs": 1, "batch_size": 8, "size": 32, "device": "cpu", "ema": 0.9}
    done = two_processes(tmp_path, "test_resnet", table, settings)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len({line.split()[-1] for line in done.stdout.splitlines()}) == 1


def test_steps_too_small_for_the_processes(make_table: Make, tmp_path: Path) -> None:
    settings = {"epochs": 1, "batch_size": 3, "size": 32, "device": "cpu"}
    done = two_processes(tmp_path, "test_resnet", make_table(train=3), settings)
    assert done.returncode != 0
    assert "steps of 3 images for 2 processes" in done.stderr


@given(st.lists(st.integers(0, 10**6), max_size=50), st.integers(1, 9))
def test_together_they_have_each_once(positions: list[int], world: int) -> None:
    shares = [Ranks(rank, world).share(np.array(positions, np.int64)) for rank in range(world)]
    assert sorted(np.concatenate(shares).tolist()) == sorted(positions)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_who_this_is() -> None:
    assert ranks_of({}) == ALONE
    told = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert ranks_of(told) == Ranks(3, 4, 1)
    assert not ranks_of(told).first
    assert ALONE.first
    assert ALONE.gathered("a") == ["a"]
    assert ALONE.agreed(7) == 7


@pytest.mark.parametrize(
    "told",
    [
        {"WORLD_SIZE": "2"},
        {"RANK": "-1", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
        {"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
    ],
)
def test_a_world_that_makes_no_sense(told: dict[str, str]) -> None:
    with pytest.raises(InputError, match="WORLD_SIZE"):
        ranks_of(told)


def test_each_process_has_its_gpu_and_gathers_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", done.append)
    monkeypatch.setattr(group, "init_process_group", done.append)
    monkeypatch.setattr(group, "destroy_process_group", lambda: done.append("left"))
    gpu = torch.device("cuda:1")
    with joined(Ranks(1, 2, 1), gpu):
        pass
    with joined(Ranks(1, 2, 1), torch.device("cpu")):
        pass
    assert done == [gpu, "cpu:gloo,cuda:nccl", "left", "gloo", "left"]
