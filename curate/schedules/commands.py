"""Run commands of `curate`, each in a process of its own, one after another, within a time."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from curate.core import paths

ENDING = 4.0
"""Seconds that a command has for ending itself: with what comes after it, a job ends within 5."""

STOPPED, TERMINATED = 4, 143
"""Exit statuses: limits stopped it; it was told to end."""

HOW = {0: "done", STOPPED: "stopped", TERMINATED: "terminated", 130: "interrupted"}
"""How a command ended, by its exit status; failed by any other."""

_CUT = {
    "out of time": "the job's time was over; the same command goes on from there",
    "interrupted": "the job was told to end; the same command goes on from there",
}
"""Why commands were cut short."""

_AS_SAID = "backslashreplace"

_WORSE = (0, STOPPED, TERMINATED, 130, 1, 2, 3)


@dataclass(frozen=True)
class Row:
    """What came of a command of a job.

    Attributes
    ----------
    step : str
        The step of the job that it belongs to.
    command : str
        As it would be typed.
    how : str
        done, stopped (by its limits), failed, terminated, interrupted, out of time, skipped (there
        was nothing to do) or not run (what it needs did not end well).
    exit : int or None
        Its exit status; None where it was not run.
    seconds : float
        How long it ran.
    reason : str
        Why it did not end well, or was not run.
    told : mapping
        What it said as JSON.
    about : str
        What it was about, where a step has several commands: a folder, a queue.
    """

    step: str
    command: str
    how: str
    exit: int | None
    seconds: float
    reason: str = ""
    told: Mapping[str, Any] = field(default_factory=dict, repr=False)
    about: str = ""

    @property
    def well(self) -> bool:
        """Whether it ended as it should, or had nothing to do."""
        return self.how in ("done", "skipped")


@dataclass(frozen=True)
class _Ended:
    """How a process ended: its status, what it said, and what cut it short, if anything did."""

    status: int
    said: bytes
    cut: str
    error: BaseException | None


@dataclass
class Commands:
    """The commands of one run of a job.

    Parameters
    ----------
    program : sequence of str
        How `curate` is called.
    folder : Path
        Where the commands work.
    log : Path
        What they say goes there, and is added to what is there.
    seconds : float
        All of them together may take so long.
    """

    program: Sequence[str]
    folder: Path
    log: Path
    seconds: float | None = None
    rows: list[Row] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        """Seconds that are left; None for no end."""
        return None if self.seconds is None else self.seconds - (time.monotonic() - self.begun)

    def skip(self, step: str, reason: str, how: str = "skipped") -> Row:
        """Note that a step is not run, and why."""
        return self._add(Row(step, "", how, None, 0.0, reason))

    def fail(self, step: str, reason: str) -> Row:
        """Note that a step could not even begin."""
        return self._add(Row(step, "", "failed", 1, 0.0, reason))

    def run(self, step: str, *words: str, about: str = "") -> Row:
        """Run a command and wait for its end.

        A command that takes too long is told to end, and ended after `ENDING` seconds; so it is
        when we are told to end ourselves.
        """
        shown = shlex.join(["curate", *(paths.to_text(os.fsencode(word)) for word in words)])
        if self.left is not None and self.left <= 0:
            row = Row(step, shown, "out of time", None, 0.0, "no time was left for it", about=about)
            return self._add(row)
        start = time.monotonic()
        with self.log.open("ab") as log:
            log.write(f"{_now()} $ {shown}\n".encode())
            log.flush()
            from_here = log.tell()
            ended = self._wait(words, log.fileno())
            seconds = time.monotonic() - start
            told = _told(ended.said)
            # Rows of images are in the library, and may be millions.
            brief = {name: value for name, value in told.items() if not isinstance(value, list)}
            log.write(f"{json.dumps(brief, ensure_ascii=False)}\n".encode(errors=_AS_SAID))
            log.write(f"{_now()} ended with {ended.status} after {seconds:.1f} s\n\n".encode())
        how, reason = ended.cut or HOW.get(ended.status, "failed"), _CUT.get(ended.cut, "")
        if not reason and how != "done":
            reason = _reason(told, self._complained(from_here), ended.status)
        row = self._add(Row(step, shown, how, ended.status, seconds, reason, told, about))
        if ended.error is not None:
            raise ended.error
        return row

    def _add(self, row: Row) -> Row:
        self.rows.append(row)
        return row

    def _wait(self, words: Sequence[str], log: int) -> _Ended:
        # A session of its own: Ctrl-C reaches us alone, and we pass it on once.
        process = subprocess.Popen(
            [*self.program, *words, "--json"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        cut, error = "", None
        try:
            said, _ = process.communicate(timeout=self.left)
        except subprocess.TimeoutExpired:
            said, cut = _ended(process), "out of time"
        except BaseException as ours:  # its row is written before we end ourselves
            said, cut, error = _ended(process), "interrupted", ours
        status = process.returncode
        return _Ended(status if status >= 0 else 128 - status, said, cut, error)

    def _complained(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="backslashreplace").splitlines()
        found = [line for line in lines if line.startswith("curate: ")]
        return found[-1].removeprefix("curate: ") if found else ""


def worst(rows: Sequence[Row]) -> int:
    """Give the exit status of a job: the worst of its commands, 0 where none ran.

    A bug is worse than wrong usage, that than an expected error, that than an end from outside,
    and that than a stop by limits; whatever ended in a way that nobody foresaw is the worst.
    """
    found = [row.exit for row in rows if row.exit is not None]
    found += [TERMINATED for row in rows if row.how == "out of time"]
    known = {status: rank for rank, status in enumerate(_WORSE)}
    return max(found, key=lambda status: (known.get(status, len(known)), status), default=0)


def _ended(process: subprocess.Popen[bytes]) -> bytes:
    """Tell a process to end, and end it with all its own if it does not; give what it said."""
    process.terminate()
    try:
        said, _ = process.communicate(timeout=ENDING)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
    return said


def _told(said: bytes) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(told: Mapping[str, Any], complained: str, status: int) -> str:
    stops = told.get("stopped")
    if isinstance(stops, list) and stops:
        return "; ".join(str(stop.get("reason", "")) for stop in stops if isinstance(stop, dict))
    return complained or f"ended with {status}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
