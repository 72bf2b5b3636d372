"""Worker processes that may die or hang, and a parent that loses nothing by it.

A worker counts the files it has done where its parent can see it, so when it dies or takes too long
the file at fault is known: no search is needed. That file is tried once more by a fresh worker (the
system may have killed the first one for somebody else's memory) before it is marked; what the dead
worker had done and not yet sent is done again.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from curate.core.files import FileEntry
from curate.engine.arena import Arena
from curate.engine.work import Limits, Outcome, Work
from curate.engine.worker import Counter

CHUNK = 32
"""Files handed to a worker at a time, at most."""

AHEAD = 2
"""Chunks that a worker has: one that it works on, and one so that it need not wait for the next."""

ATTEMPTS = 2
"""How often a file may end its worker before it is marked."""


@dataclass(frozen=True, slots=True)
class Task:
    """A file, and its place in the arena (-1 where there is none)."""

    entry: FileEntry
    place: int = -1


Done = tuple[Task, Outcome]


class _Worker:
    """One process and the tasks it has been given and not answered."""

    def __init__(self, work: Work, limits: Limits, arena: Arena | None) -> None:
        ours, theirs = socket.socketpair()
        counter = os.memfd_create("curate")
        os.ftruncate(counter, Counter.SIZE)
        shared = arena.descriptor if arena is not None else counter
        with theirs:
            numbers = [theirs.fileno(), counter, shared]
            self.process = subprocess.Popen(
                # -P: a file `numpy.py` in the working directory is not what we mean by numpy.
                [sys.executable, "-P", "-m", "curate.engine.worker", *map(str, numbers)],
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Decoders print to it; the reasons that count come back as rows.
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self._counter = Counter(counter)
        os.close(counter)
        self.waiting: deque[Task] = deque()
        self._answered = 0
        self._seen = 0
        self._since = time.monotonic()
        places = (arena.places, arena.shapes) if arena is not None else (0, ())
        self.connection.send((work, limits.memory, *places))

    def ready(self) -> _Worker:
        """Wait until it can work; a worker that cannot even start is a bug, and no file's fault."""
        try:
            self.connection.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"a worker did not start (exit {self.end()})") from error
        return self

    def give(self, tasks: Sequence[Task]) -> None:
        if not self.waiting:
            self._since = time.monotonic()
        self.waiting.extend(tasks)
        self.connection.send([(task.entry.path, task.place) for task in tasks])

    def late(self, seconds: float) -> bool:
        """Whether one file takes too long. An answer that lies here unread is in time."""
        count = self._counter.value
        if count != self._seen:
            self._seen, self._since = count, time.monotonic()
        return time.monotonic() - self._since > seconds and not self.connection.poll()

    def receive(self) -> list[Done]:
        attempts = pickle.loads(self.connection.recv_bytes())
        self._since = time.monotonic()
        self._answered += len(attempts)
        return [self._outcome(value, reason) for value, reason in attempts]

    def _outcome(self, value: Any, reason: str) -> Done:
        task = self.waiting.popleft()
        return task, Outcome(task.entry, value, reason)

    def culprit(self) -> Task:
        """Take the task out at which it stopped; those before it were done, and lost with it."""
        at = min(self._counter.value - self._answered, len(self.waiting) - 1)
        task = self.waiting[at]
        del self.waiting[at]
        return task

    def end(self) -> int:
        """Kill the process and give its exit status."""
        self.process.kill()
        self.connection.close()
        return self.process.wait()


class Pool:
    """Some workers. Give them tasks while there is room, and collect what is done.

    Parameters
    ----------
    work : Work
        With an arena, the function gets the arrays of the file's place as its second argument.
    workers : int
        How many processes.
    limits : Limits
        What one file may cost.
    arena : Arena, optional
        Shared with the workers.
    """

    def __init__(
        self, work: Work, workers: int, limits: Limits, arena: Arena | None = None
    ) -> None:
        self._work, self._limits, self._arena = work, limits, arena
        self._again: deque[Task] = deque()
        self._deaths: dict[bytes, int] = {}
        self._given = 0
        self._workers = [_Worker(work, limits, arena) for _ in range(workers)]
        try:
            for worker in self._workers:
                worker.ready()
        except BaseException:
            self.close()
            raise

    @property
    def busy(self) -> bool:
        """Whether anything that was given is not done."""
        return bool(self._again) or any(worker.waiting for worker in self._workers)

    @property
    def room(self) -> bool:
        """Whether a worker could take another chunk."""
        return not self._again and len(self._freest().waiting) <= CHUNK * (AHEAD - 1)

    @property
    def chunk(self) -> int:
        """How many tasks to give next: few at first, so that a short list keeps all workers."""
        return max(1, min(CHUNK, self._given // (2 * len(self._workers))))

    def give(self, tasks: Sequence[Task]) -> None:
        """Hand some tasks to the worker that has the fewest."""
        self._given += len(tasks)
        worker = self._freest()
        idle = not worker.waiting
        try:
            worker.give(tasks)
        except OSError:
            # Dead. One that was at work is found by `collect`; one that was not is no file's fault.
            if idle:
                self._bury(worker, "")

    def collect(self, others: Sequence[Any] = (), seconds: float = 1.0) -> list[Done]:
        """Wait until something is done, or one of the other connections is ready; give what is."""
        while self._again and len(self._freest().waiting) <= CHUNK * (AHEAD - 1):
            self.give(self._next_again())
        given = {w.connection: w for w in self._workers if w.waiting}
        ready = wait([*given, *others], timeout=seconds)
        found: list[Done] = []
        for worker in given.values():
            if worker.connection in ready:
                try:
                    found += worker.receive()
                except (EOFError, OSError):
                    # It has hung up and is about to end; killed before that, it cannot say how.
                    with suppress(subprocess.TimeoutExpired):
                        worker.process.wait(timeout=1)
                    found += self._bury(worker, "crash: the decoder died")
            elif worker.late(self._limits.seconds):
                found += self._bury(worker, f"time: over {self._limits.seconds:g} s")
        return found

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.end()

    def _freest(self) -> _Worker:
        return min(self._workers, key=lambda worker: len(worker.waiting))

    def _next_again(self) -> list[Task]:
        """Take the next tasks of those that come again; a suspect goes alone."""
        chunk = [self._again.popleft()]
        suspects = self._deaths.keys()
        while (
            self._again
            and len(chunk) < CHUNK
            and not {chunk[0].entry.path, self._again[0].entry.path} & suspects
        ):
            chunk.append(self._again.popleft())
        return chunk

    def _bury(self, worker: _Worker, reason: str) -> list[Done]:
        """Replace a worker; give the file that ended it for the last time, if it is marked now."""
        status = worker.end()
        self._workers[self._workers.index(worker)] = _Worker(
            self._work, self._limits, self._arena
        ).ready()
        if not worker.waiting or not reason:
            self._again.extend(worker.waiting)
            return []
        culprit = worker.culprit()
        self._again.extend(worker.waiting)
        path = culprit.entry.path
        self._deaths[path] = self._deaths.get(path, 0) + 1
        if self._deaths[path] < ATTEMPTS:
            self._again.append(culprit)
            return []
        if reason.startswith("crash"):
            reason += f" (signal {-status})" if status < 0 else f" (exit {status})"
        return [(culprit, Outcome(culprit.entry, None, reason))]


def _environment() -> dict[str, str]:
    # One thread a worker: the workers are the parallelism. The path, so that a worker finds what
    # its parent found, however the parent was started.
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
