"""A run's process is known again, and never taken for another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.store import processes

CODE = "from curate.store import processes; import json, sys\n"
TELLS = f"{CODE}print(json.dumps(processes.named()), flush=True); sys.stdin.read()"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process, which lives until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def told(process: subprocess.Popen[str]) -> dict[str, str]:
    import json

    assert process.stdout is not None
    found: dict[str, str] = json.loads(process.stdout.readline())
    return found


def test_this_process_is_there() -> None:
    assert not processes.is_gone(processes.named())
    assert processes.named() == processes.named()


def test_another_process_is_there_until_it_is_killed(other: subprocess.Popen[str]) -> None:
    named = told(other)
    assert named != processes.named()
    assert not processes.is_gone(named)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert processes.is_gone(named)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system tells no states")
def test_a_process_that_nobody_has_asked_after_is_gone(other: subprocess.Popen[str]) -> None:
    named = told(other)
    os.kill(other.pid, signal.SIGKILL)
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    assert processes.is_gone(named)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system tells no starts")
def test_a_number_that_is_used_again_is_another_process() -> None:
    named = processes.named()
    number, start, space = named["process"].split()
    earlier = named | {"process": f"{number} {int(start) - 1} {space}"}
    assert processes.is_gone(earlier)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "elsewhere"},
        {"process": ""},
        {"process": "no number"},
        {"process": f"{2**31 - 2} 1 pid:[1]"},  # of another container
        {"process": "9" * 30},
    ],
)
def test_of_what_cannot_be_known_nothing_is_claimed(change: dict[str, str]) -> None:
    assert not processes.is_gone(processes.named() | change)
    assert not processes.is_gone({})


def test_without_starts_the_number_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems without /proc."""
    monkeypatch.setattr(processes, "_start", lambda number: "")
    monkeypatch.setattr(processes, "_space", lambda: "")
    named = processes.named()
    assert named["process"] == str(os.getpid())
    assert not processes.is_gone(named)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert processes.is_gone(named | {"process": str(ended.pid)})
