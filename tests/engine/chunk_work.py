"""Factories that an actor may be asked to call, good and bad. The name of a file says what it does.

A name is ``42``, or ``42.exit`` where the file ends the actor that opens it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from curate.core.errors import CheckpointError, InputError
from curate.core.files import FileEntry

Rows = list[tuple[bytes, int]]
Mapper = Callable[[list[FileEntry]], Any]


def doubler(seconds: float = 0.0, log: str = "") -> Mapper:
    """Map a chunk to twice the number of every file; note in a folder who did which file when."""

    def double(chunk: list[FileEntry]) -> Rows:
        time.sleep(seconds)
        return [(entry.path, 2 * _opened(entry, log)) for entry in chunk]

    return double


def _opened(entry: FileEntry, log: str) -> int:
    name = os.path.basename(entry.path).decode()
    number, _, way = name.partition(".")
    if log:
        Path(log, f"{os.getpid()}").touch()
    if way == "exit":
        os._exit(3)
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "once" and _is_first(log, name):
        os._exit(4)
    if way == "raise":
        raise InputError(name, "cannot be", "Be other")
    return int(number)


def _is_first(log: str, name: str) -> bool:
    try:
        Path(log, f"{name}.tried").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def weigher(weights: bytes) -> Mapper:
    """Say how much there was to carry."""
    return lambda chunk: (len(weights), os.environ.get("OMP_NUM_THREADS"))


def no_model(name: str) -> Mapper:
    """Fail before there is anything to map with."""
    raise CheckpointError(name, "it holds no weights", "Take another")


def no_process() -> Mapper:
    """End every actor before it can work."""
    os._exit(5)


def unfit() -> Mapper:
    """Give a result, and for other files an error, that cannot travel."""

    class Local(Exception):
        pass

    def give(chunk: list[FileEntry]) -> Any:
        if chunk[0].path.endswith(b"raise"):
            raise Local("far away")
        return lambda: None

    return give
