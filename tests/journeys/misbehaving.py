"""A decoding worker that does what the name of a file asks for. Imports as little as a good one."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from curate.core.identity import Content
from curate.core.images import NotAnImage
from curate.models.preprocess import Preprocessing
from curate.models.reading import read_into


def read_badly(
    path: bytes, arrays: Sequence[Any], preprocessings: Sequence[Preprocessing], marks: str
) -> Content:
    """Read a file as bulk-id does, but for what its name asks for."""
    name = os.path.basename(path).decode()
    if ".slow" in name:
        time.sleep(0.05)
    for way, misbehave in _WAYS.items():
        if way in name:
            # What is left behind in the arrays must not become anybody's pixels.
            for array in arrays:
                array[...] = 255
            misbehave(Path(marks) / name)
    return read_into(path, arrays, preprocessings)


def once(mark: Path) -> None:
    """End the process, the first time only."""
    if not mark.exists():
        mark.write_bytes(b"")
        os._exit(9)


def _refuse(_mark: Path) -> None:
    raise NotAnImage("refused")


def _short(_mark: Path) -> None:
    raise MemoryError


def _always(_mark: Path) -> None:
    ctypes.string_at(1)


_WAYS: dict[str, Callable[[Path], None]] = {
    ".once": once,
    ".refused": _refuse,
    ".short": _short,
    ".always": _always,
}
