"""A worker process: gets paths, calls the function on each, sends back what came of them.

It is started as ``python -m curate.engine.worker …`` and not by `multiprocessing`, which would
import the user's main script again in every worker. Answers travel some at a time; how many files
are done stands in memory shared with the parent, so that it knows which file a death belongs to.
"""

from __future__ import annotations

import ctypes
import mmap
import pickle
import resource
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from curate.core.remote import prefetching
from curate.engine.arena import Arena
from curate.engine.work import Attempt, Work, attempt

_PR_SET_PDEATHSIG = 1

PATIENCE = 0.25
"""Seconds after which what is done is sent, though the rest of the chunk is not."""

Task = tuple[bytes, int]
"""A path, and its place in the arena (-1 where there is none)."""


def main(channel: int, counter: int, arena: int) -> None:
    """Serve until the parent hangs up."""
    # Ctrl-C is the parent's business: it lets us finish or ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A decoder that hangs would not notice that its parent was killed; the kernel does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent: Connection[Any, Any] = Connection(channel)
    done = Counter(counter)
    try:
        work, memory, places, shapes = parent.recv()
        shared = Arena(places, shapes, arena) if shapes else None
        serve(parent, work, memory, done, shared)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


class Counter:
    """A number that one process counts up and another one reads."""

    SIZE = 8

    def __init__(self, descriptor: int) -> None:
        self._value = ctypes.c_uint64.from_buffer(mmap.mmap(descriptor, self.SIZE))

    @property
    def value(self) -> int:
        """The number."""
        return self._value.value

    def increase(self) -> None:
        """Count one more."""
        self._value.value += 1


def serve(
    parent: Connection[Any, Any], work: Work, memory: int, done: Counter, arena: Arena | None
) -> None:
    """Answer each list of tasks with lists of attempts that together are as long, in order."""
    function = work.resolve()
    _limit_memory(memory)
    parent.send("ready")
    while True:
        tasks: list[Task] = parent.recv()
        made: list[Attempt] = []
        since = time.monotonic()
        with prefetching([path for path, _ in tasks]):
            for path, place in tasks:
                pixels = (arena.at(place),) if arena is not None else ()
                made.append(attempt(function, path, *pixels, **work.arguments))
                done.increase()
                if time.monotonic() - since > PATIENCE:
                    parent.send_bytes(_packed(work.finish(made)))
                    made, since = [], time.monotonic()
        if made:
            parent.send_bytes(_packed(work.finish(made)))


def _packed(attempts: list[Attempt]) -> bytes:
    """Pickle attempts; a value that cannot travel is that file's failure."""
    try:
        return pickle.dumps(attempts, pickle.HIGHEST_PROTOCOL)
    except Exception:
        checked = [attempt(_travels, *one) if not one[1] else one for one in attempts]
        return pickle.dumps(checked, pickle.HIGHEST_PROTOCOL)


def _travels(value: Any, _reason: str) -> Any:
    pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return value


def _limit_memory(allowance: int) -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + allowance, now + allowance))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
