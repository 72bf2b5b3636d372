"""Processes that train: what they say arrives, and so does their death."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import CheckpointError
from curate.train import TrainSettings
from curate.train.keep import Row
from curate.train.sweeps.crew import side_by_side
from curate.train.sweeps.trials import Outcome, Task
from tests.train.conftest import Make

Ended = dict[int, Outcome]


class Heard:
    """Gives out tasks, and notes what it is told."""

    def __init__(self, tasks: list[Task], judge: Callable[[int, Row], str]) -> None:
        self.tasks = tasks
        self.judging = judge
        self.rows: list[tuple[int, Row]] = []
        self.ended: Ended = {}

    def ask(self) -> Task | None:
        return self.tasks.pop(0) if self.tasks else None

    def judge(self, number: int, row: Row) -> str:
        self.rows.append((number, row))
        return self.judging(number, row)

    def end(self, number: int, outcome: Outcome) -> None:
        assert number not in self.ended
        self.ended[number] = outcome


@pytest.fixture
def tasks(tmp_path: Path, quick: TrainSettings) -> list[Task]:
    return [Task(n, "test_resnet", tmp_path / f"{n}.safetensors", quick) for n in range(3)]


def ran(table: pd.DataFrame, heard: Heard, jobs: int) -> Ended:
    side_by_side(jobs, table, None, heard.ask, heard.judge, heard.end)
    return heard.ended


def test_trials_end_early_or_whole_and_a_process_that_dies_is_replaced(
    make_table: Make, tasks: list[Task]
) -> None:
    killed: list[int] = []

    def judge(number: int, row: Row) -> str:
        if number == 1 and not killed:
            killed.extend(_children())
            for process in killed:
                os.kill(process, signal.SIGKILL)
        return "too slow" if number == 2 else ""

    heard = Heard(tasks, judge)
    ended = ran(make_table(), heard, 1)
    assert not _children()
    assert (ended[0].status, len(ended[0].history)) == ("done", 3)
    assert ended[0].history == [row for number, row in heard.rows if number == 0]
    assert ended[0].summary["digest"]
    assert ended[0].seconds > 0
    assert len(killed) == 1
    assert ended[1].status == "failed"
    assert "Killed" in ended[1].reason
    assert (ended[2].status, ended[2].reason, len(ended[2].history)) == ("pruned", "too slow", 1)
    assert [number for number, _ in heard.rows] == [0, 0, 0, 1, 2]


def test_an_error_that_concerns_all_is_raised(
    make_table: Make, tasks: list[Task], tmp_path: Path
) -> None:
    (tmp_path / "0.last.safetensors").mkdir()
    heard = Heard(tasks, lambda number, row: "")
    with pytest.raises(CheckpointError, match=r"0\.last"):
        ran(make_table(), heard, 2)
    assert not _children()


def _children() -> list[int]:
    """Processes of a crew that this one has started."""
    mine = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"curate.train.sweeps.crew" in words:
                mine.append(int(child))
    return mine
