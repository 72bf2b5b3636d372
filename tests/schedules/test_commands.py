"""Commands in processes of their own: how they end, what is kept of them, and in what time."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.schedules.commands import Commands, Row, worst

Make = Callable[..., Commands]


@pytest.fixture
def commands(tmp_path: Path) -> Make:
    """Commands of a program that the test writes."""

    def make(program: str, seconds: float | None = None) -> Commands:
        script = tmp_path / "program.py"
        script.write_text(f"import json, os, signal, sys, time\n{textwrap.dedent(program)}")
        python = (sys.executable, "-S", str(script))
        return Commands(python, tmp_path, tmp_path / "log", seconds)

    return make


def test_what_a_command_says_is_kept(commands: Make, tmp_path: Path) -> None:
    made = commands(
        """
        assert not os.read(0, 1), "nobody is there to ask"
        print("working", file=sys.stderr)
        print(json.dumps({"words": " ".join(sys.argv[1:]), "at": os.getcwd(), "rows": [1]}))
        """
    )
    row = made.run("scan", "scan", "a b", about="a b")
    assert (row.step, row.about, row.how, row.exit, row.reason) == ("scan", "a b", "done", 0, "")
    assert row.command == "curate scan 'a b'"
    assert row.told == {"words": "scan a b --json", "at": str(tmp_path), "rows": [1]}
    log = (tmp_path / "log").read_text()
    assert "$ curate scan 'a b'\nworking\n" in log
    # The rows themselves are in the library.
    assert '"rows"' not in log
    made.run("report", "status")
    assert (tmp_path / "log").read_text().startswith(log)
    assert made.rows[0] is row


@pytest.mark.parametrize(
    ("ending", "how", "status", "reason"),
    [
        ("sys.exit('curate: first\\ncurate: no such folder. Mount it.')", "failed", 1, "no such"),
        ("sys.exit(2)", "failed", 2, "ended with 2"),
        ("print('[1]'); sys.exit(3)", "failed", 3, "ended with 3"),
        ('print(\'{"stopped": [{"reason": "too many"}]}\'); sys.exit(4)', "stopped", 4, "too m"),
        ("print('{\"stopped\": true}'); sys.exit(4)", "stopped", 4, "ended with 4"),
        ("sys.exit(143)", "terminated", 143, "ended with 143"),
        ("sys.exit(130)", "interrupted", 130, "ended with 130"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "failed", 137, "ended with 137"),
        ("print('not JSON')", "done", 0, ""),
    ],
)
def test_how_a_command_ended(
    commands: Make, ending: str, how: str, status: int, reason: str
) -> None:
    row = commands(ending).run("scan", "scan")
    assert (row.how, row.exit) == (how, status)
    assert row.reason.startswith(reason)
    assert bool(row.reason) == bool(reason)
    assert row.well == (how == "done")


def test_the_time_is_over_for_the_one_that_runs_and_those_behind_it(commands: Make) -> None:
    made = commands(
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        time.sleep(60)
        """,
        seconds=1.0,
    )
    begun = time.monotonic()
    first, second = made.run("scan", "scan"), made.run("report", "status")
    assert time.monotonic() - begun < 4
    assert (first.how, first.exit) == ("out of time", 143)
    assert "goes on from there" in first.reason
    assert (second.how, second.exit, second.seconds) == ("out of time", None, 0.0)
    assert worst(made.rows) == 143


def test_one_that_does_not_listen_is_ended_with_all_its_own(
    commands: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.schedules.commands.ENDING", 0.2)
    made = commands(
        f"""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = os.fork()
        if child:
            open({str(tmp_path / "child")!r}, "w").write(str(child))
        time.sleep(60)
        """,
        seconds=0.7,
    )
    row = made.run("scan", "scan")
    assert (row.how, row.exit) == ("out of time", 137)
    child = int((tmp_path / "child").read_text())
    status = Path(f"/proc/{child}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_whoever_is_interrupted_ends_the_command_and_writes_its_row(commands: Make) -> None:
    made = commands(
        """
        signal.signal(signal.SIGTERM, lambda *_: (print("{}"), sys.exit(143)))
        time.sleep(60)
        """
    )
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        made.run("scan", "scan")
    assert time.monotonic() - begun < 4
    assert [(row.how, row.exit) for row in made.rows] == [("interrupted", 143)]


def test_steps_that_are_not_run_say_why(commands: Make) -> None:
    made = commands("")
    assert made.skip("queues", "no queue is saved").well
    assert not made.skip("cleanup", "scan did not end well", "not run").well
    assert made.fail("cleanup", "the policy is not approved").exit == 1
    assert [row.exit for row in made.rows] == [None, None, 1]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], 0),
        ([0, None], 0),
        ([0, 4, 0], 4),
        ([4, 143], 143),
        ([4, 1, 143], 1),
        ([1, 2], 2),
        ([2, 3, 1], 3),
        ([3, 137], 137),
    ],
)
def test_the_worst_status_counts(statuses: list[int | None], expected: int) -> None:
    rows = [Row("scan", "", "", status, 0.0) for status in statuses]
    assert worst(rows) == expected
    assert worst(rows[::-1]) == expected
    assert json.dumps([row.exit for row in rows])
