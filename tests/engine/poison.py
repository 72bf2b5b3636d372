"""What a worker may be asked to do, good and bad. The name of a file says how it behaves."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from curate.core import files
from curate.core.images import NotAnImage


class Unspeakable(Exception):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def _refuse(path: bytes) -> None:
    raise NotAnImage(f"no image: {path[-20:]!r}")


def _unspeakable(_path: bytes) -> None:
    raise Unspeakable


def _surrogates(_path: bytes) -> None:
    raise ValueError("not \udcff text")


def _long(_path: bytes) -> None:
    raise ValueError("x" * 1_000_000)


def _recurse(path: bytes) -> None:
    _recurse(path)


def _assert(_path: bytes) -> None:
    raise AssertionError


def _memory(_path: bytes) -> None:
    raise MemoryError


def _exit(_path: bytes) -> None:
    os._exit(3)


def _sys_exit(_path: bytes) -> None:
    sys.exit(4)


def _segfault(_path: bytes) -> None:
    ctypes.string_at(1)


def _kill(_path: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang(_path: bytes) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def _greedy(_path: bytes) -> int:
    return int(np.ones(1 << 40, np.uint8)[0])


def _unpicklable(_path: bytes) -> Any:
    return lambda: None


def _once(path: bytes) -> str:
    """Dies the first time only, as when the system needed the memory for somebody else."""
    marker = Path(os.fsdecode(path) + ".tried")
    if not marker.exists():
        marker.write_bytes(b"")
        os._exit(9)
    return "second try"


def _print(_path: bytes) -> str:
    os.write(1, b"noise" * 100_000)
    os.write(2, b"noise" * 100_000)
    print("noise", flush=True)
    return "quiet"


def _environment(_path: bytes) -> dict[str, Any]:
    return {"threads": os.environ.get("OMP_NUM_THREADS"), "pid": os.getpid()}


WAYS: dict[bytes, Callable[[bytes], Any]] = {
    b"refuse": _refuse,
    b"unspeakable": _unspeakable,
    b"surrogates": _surrogates,
    b"long": _long,
    b"recurse": _recurse,
    b"assert": _assert,
    b"memory": _memory,
    b"exit": _exit,
    b"sys_exit": _sys_exit,
    b"segfault": _segfault,
    b"kill": _kill,
    b"hang": _hang,
    b"greedy": _greedy,
    b"unpicklable": _unpicklable,
    b"once": _once,
    b"print": _print,
    b"environment": _environment,
}


def behave(path: bytes, repeat: int = 1) -> Any:
    """Do what the last part of the name says; otherwise read the file."""
    way = WAYS.get(os.path.basename(path).rpartition(b".")[2])
    return way(path) if way else files.read(path) * repeat


def big(path: bytes) -> Any:
    """Give a large array that carries the id of its file."""
    value = np.full((2000, 1000, 3), 7, np.uint8)
    value[0, 0, 0] = int(os.path.basename(path))
    return value


def slow(path: bytes) -> bytes:
    """Take a moment."""
    time.sleep(0.05)
    return path


def modules(_path: bytes) -> list[str]:
    """Name what the worker has imported."""
    return sorted(sys.modules)


def numbered(path: bytes, arrays: list[Any]) -> bytes:
    """Write the number that the name starts with into all of the file's arrays."""
    number, _, way = os.path.basename(path).decode().partition(".")
    for digit, array in enumerate(arrays):
        array[...] = int(number) // 256**digit % 256
    if way == "refuse":
        raise NotAnImage("refused")
    if way == "exit":
        os._exit(3)
    if way == "once":
        # The first try leaves nonsense behind, and no answer.
        marker = Path(f"/tmp/curate-once-{os.getppid()}-{number}.tried")
        if not marker.exists():
            marker.write_bytes(b"")
            arrays[0][...] = 255
            os._exit(9)
    return path
