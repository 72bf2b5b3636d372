"""Trials in several processes at once; they answer to one, which alone decides and writes down."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

import pandas as pd

from curate.models.checkpoint import Checkpoint
from curate.train.keep import Row
from curate.train.sweeps.trials import FAILED, Outcome, Task, run_trial

_PR_SET_PDEATHSIG = 1

_HUNG_UP = (EOFError, BrokenPipeError, ConnectionResetError)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def one_by_one(
    table: pd.DataFrame,
    initial: Checkpoint | None,
    ask: Callable[[], Task | None],
    judge: Callable[[int, Row], str],
    ended: Callable[[int, Outcome], None],
) -> None:
    """Run trials one after another, in this process.

    Parameters
    ----------
    table, initial
        See `run_trial`.
    ask : callable
        Gives the next trial; None when there is no more.
    judge : callable
        Told a trial's number and the row of an epoch; gives the reason to end there, or ''.
    ended : callable
        Told how a trial ended.
    """
    while task := ask():
        ended(task.number, run_trial(task, table, initial, partial(judge, task.number)))


def side_by_side(
    jobs: int,
    table: pd.DataFrame,
    initial: Checkpoint | None,
    ask: Callable[[], Task | None],
    judge: Callable[[int, Row], str],
    ended: Callable[[int, Outcome], None],
) -> None:
    """Run trials in several processes; see `one_by_one`.

    Parameters
    ----------
    jobs : int
        Processes. Each computes with its share of the cores.

    Raises
    ------
    OSError, CurateError
        Of a trial whose trouble concerns all (see `run_trial`); the others are ended.
    """
    with ExitStack() as stack:
        given = pickle.dumps((table, initial), pickle.HIGHEST_PROTOCOL)
        threads = max(1, cores() // jobs)
        hands = [stack.enter_context(_Hand(given, threads)) for _ in range(jobs)]
        asking = True
        while True:
            for hand in hands:
                if asking and hand.task is None:
                    task = ask()
                    asking = task is not None
                    if task is not None:
                        hand.give(task)
            busy = {hand.connection: hand for hand in hands if hand.task is not None}
            if not busy:
                return
            for connection in wait(list(busy)):
                hand = busy[connection]  # type: ignore[index]  # wait() gives back what it got
                number = hand.number
                try:
                    kind, said = hand.hear()
                except _HUNG_UP:
                    ended(number, Outcome(FAILED, hand.death()))
                    hands.remove(hand)
                    hands.append(stack.enter_context(_Hand(given, threads)))
                    continue
                if kind == "epoch":
                    hand.answer(judge(number, said))
                elif kind == "end":
                    hand.task = None
                    ended(number, said)
                else:
                    raise said


class _Hand:
    """One process, and the trial that it is at."""

    def __init__(self, given: bytes, threads: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                # -P: a file `numpy.py` in the working directory is not what we mean by numpy.
                [sys.executable, "-P", "-m", "curate.train.sweeps.crew", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                    "OMP_NUM_THREADS": str(threads),
                },
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.task: Task | None = None
        with suppress(*_HUNG_UP):
            self.connection.send_bytes(given)

    def __enter__(self) -> _Hand:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

    @property
    def number(self) -> int:
        """Of the trial that it is at."""
        return self.task.number if self.task is not None else -1

    def give(self, task: Task) -> None:
        """Hand it a trial. That it has died is heard when its answer is."""
        self.task = task
        with suppress(*_HUNG_UP):
            self.connection.send(task)

    def hear(self) -> tuple[str, Any]:
        """Receive what it has to say."""
        kind, said = self.connection.recv()
        return kind, said

    def answer(self, reason: str) -> None:
        """Tell it to go on (''), or why to end its trial."""
        with suppress(*_HUNG_UP):
            self.connection.send(reason)

    def death(self) -> str:
        """Say how its process ended."""
        status = self.process.wait()
        how = signal.strsignal(-status) if status < 0 else f"status {status}"
        return f"its process ended ({how}); with too little memory the system does that"


def _serve(channel: int) -> None:
    """Train what the parent hands over, until it hangs up."""
    # Ctrl-C is the parent's business, and a parent that was killed ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent: Connection[Any, Any] = Connection(channel)

    def judge(row: Row) -> str:
        parent.send(("epoch", row))
        return str(parent.recv())

    with suppress(*_HUNG_UP):
        table, initial = pickle.loads(parent.recv_bytes())
        while True:
            task = parent.recv()
            try:
                outcome = run_trial(task, table, initial, judge)
            except Exception as error:
                parent.send(("error", error))
            else:
                parent.send(("end", outcome))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
