"""The backend of processes: workers that may die or hang, and a parent that loses nothing by it.

A worker answers its files one by one and in order, so when it dies or takes too long the file at
fault is the first one not answered: no search is needed. That file is tried once more by a fresh
worker (the system may have killed the first one for somebody else's memory) before it is marked.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

from curate.core.files import FileEntry
from curate.engine.work import Limits, Outcome, Work

CHUNK = 16
"""Files handed to a worker at a time."""

ATTEMPTS = 2
"""How often a file may end its worker before it is marked."""


class _Worker:
    """One process and the files it has been given and not answered."""

    def __init__(self, work: Work, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                # -P: a file `numpy.py` in the working directory is not what we mean by numpy.
                [sys.executable, "-P", "-m", "curate.engine.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Decoders print to it; the reasons that count come back as rows.
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.waiting: deque[FileEntry] = deque()
        self.since = time.monotonic()
        self.connection.send((work, limits.memory))

    def ready(self) -> _Worker:
        """Wait until it can work; a worker that cannot even start is a bug, and no file's fault."""
        try:
            self.connection.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"a worker did not start (exit {self.end()})") from error
        return self

    def give(self, entries: list[FileEntry]) -> None:
        self.waiting.extend(entries)
        self.since = time.monotonic()
        self.connection.send([entry.path for entry in entries])

    def late(self, seconds: float) -> bool:
        """Whether one file takes too long. An answer that lies here unread is in time."""
        return time.monotonic() - self.since > seconds and not self.connection.poll()

    def receive(self) -> Outcome:
        value, reason = self.connection.recv()
        self.since = time.monotonic()
        return Outcome(self.waiting.popleft(), value, reason)

    def end(self) -> int:
        """Kill the process and give its exit status."""
        self.process.kill()
        self.connection.close()
        return self.process.wait()


def each(
    entries: Iterable[FileEntry], work: Work, workers: int, limits: Limits
) -> Iterator[Outcome]:
    """Map in `workers` processes, in the order in which results come.

    Closing the iterator ends the processes.
    """
    todo = iter(entries)
    again: deque[FileEntry] = deque()
    deaths: dict[bytes, int] = {}
    pool = [_Worker(work, limits) for _ in range(workers)]
    try:
        for worker in pool:
            worker.ready()
        while True:
            for place, worker in enumerate(pool):
                if not worker.waiting and (chunk := _next(again, todo, deaths)):
                    pool[place] = _handed(worker, chunk, work, limits)
            busy = {worker.connection: worker for worker in pool if worker.waiting}
            if not busy:
                return
            ready = wait(list(busy), timeout=1.0)
            for worker in busy.values():
                if worker.connection in ready:
                    outcome = _receive(worker)
                elif worker.late(limits.seconds):
                    outcome = _lost(worker, f"time: over {limits.seconds:g} s")
                else:
                    continue
                if worker.process.returncode is not None:
                    pool[pool.index(worker)] = _Worker(work, limits).ready()
                    culprit = outcome.entry
                    deaths[culprit.path] = deaths.get(culprit.path, 0) + 1
                    again.extend(worker.waiting)
                    if deaths[culprit.path] < ATTEMPTS:
                        again.append(culprit)
                        continue
                yield outcome
    finally:
        for worker in pool:
            worker.end()


def _next(
    again: deque[FileEntry], todo: Iterator[FileEntry], deaths: dict[bytes, int]
) -> list[FileEntry]:
    """Take the next files for one worker; a suspect goes alone, so that it can only hurt itself."""
    if not again:
        return list(islice(todo, CHUNK))
    chunk = [again.popleft()]
    while again and len(chunk) < CHUNK and not {chunk[0].path, again[0].path} & deaths.keys():
        chunk.append(again.popleft())
    return chunk


def _handed(worker: _Worker, chunk: list[FileEntry], work: Work, limits: Limits) -> _Worker:
    """Give files to a worker, or to its replacement where it died while it had nothing to do."""
    try:
        worker.give(chunk)
    except OSError:
        worker.end()
        worker = _Worker(work, limits).ready()
        worker.give(chunk)
    return worker


def _receive(worker: _Worker) -> Outcome:
    try:
        return worker.receive()
    except (EOFError, OSError):
        # It has hung up and is about to end; killed before that, it could not say how.
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=1)
        return _lost(worker, "crash: the decoder died")


def _lost(worker: _Worker, reason: str) -> Outcome:
    status = worker.end()
    if reason.startswith("crash"):
        reason = f"{reason} (signal {-status})" if status < 0 else f"{reason} (exit {status})"
    return Outcome(worker.waiting.popleft(), None, reason)


def _environment() -> dict[str, str]:
    # One thread a worker: the workers are the parallelism. The path, so that a worker finds what
    # its parent found, however the parent was started.
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
