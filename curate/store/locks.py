"""One process a stage: a lock that dies with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from curate.core.errors import LibraryError, LockedError
from curate.core.files import describe


@contextmanager
def hold(folder: Path, stage: str) -> Iterator[None]:
    """Hold the lock of a stage.

    The lock is the kernel's (`flock`): it is gone when its process is, however that ended, so
    nobody ever has to delete a stale file. What the file says only serves the message.

    Raises
    ------
    LockedError
        Another process holds it; the message says which.
    """
    with _file(folder, stage) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise LockedError(
                f"`curate {stage}` is already running on this library ({file.read().strip()})",
                "one process at a time does this",
                "Wait until it is done, or end it, and give the command again.",
            ) from error
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
        file.flush()
        yield


def _file(folder: Path, stage: str) -> TextIO:
    try:
        folder.mkdir(exist_ok=True)
        return (folder / f"{stage}.lock").open("a+")
    except OSError as error:
        raise LibraryError(
            str(folder),
            f"the library cannot be written: {describe(error)}",
            "Nothing was changed. See that the folder .curate can be written, and try again.",
        ) from error
