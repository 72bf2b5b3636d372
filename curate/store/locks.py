"""One process a stage: a lock that dies with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa

from curate.core.errors import LibraryError, LockedError
from curate.core.files import describe
from curate.store import database, postgres


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
            raise _taken(stage, file.read().strip()) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {_now()}")
        file.flush()
        yield


@contextmanager
def hold_on_server(engine: sa.Engine, stage: str) -> Iterator[int]:
    """Hold the lock of a stage for all machines that use one PostgreSQL database.

    The lock is that of a connection of its own: it is gone when the process is, or when the
    server has not heard of the machine for a minute.

    Yields
    ------
    int
        The session that holds it; see `still_held`.

    Raises
    ------
    LockedError
        A process, here or elsewhere, holds it; the message says which.
    """
    with database.translated(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with database.translated(engine):
            session = _claim(connection, stage)
        yield session
    finally:
        # A connection that broke has given its lock back of itself.
        with suppress(sa.exc.DBAPIError):
            connection.execute(sa.select(sa.func.pg_advisory_unlock_all()))
        # It bears the name of the lock, and serves nothing else.
        connection.invalidate()
        connection.close()


def still_held(connection: sa.Connection, stage: str, session: int) -> None:
    """Refuse to write for a stage whose lock was lost: another machine may have begun it since.

    Called in a transaction that writes, of which there is one at a time: whoever took the lock
    over has not written yet, or this refuses.
    """
    holders = connection.scalars(postgres.locks_held(postgres.lock_key(stage))).all()
    if session not in holders:
        raise LockedError(
            f"`curate {stage}`",
            "lost its lock, because the connection to the server broke, and may not write any more",
            "What was written before is kept. Give the same command again: it goes on.",
        )


def make_folder(folder: Path) -> None:
    """Make the folder of locks, which tells that a library was used."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _claim(connection: sa.Connection, stage: str) -> int:
    key = postgres.lock_key(stage)
    # Everybody may read the names of sessions, and they end with them. 63 bytes are kept.
    name = f"curate process {os.getpid()} since {_now()} on {socket.gethostname()}"
    connection.execute(sa.select(sa.func.set_config("application_name", name, False)))
    if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(postgres.LOCKS, key))):
        raise _taken(stage, _holder(connection, key))
    return int(connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one())


def _holder(connection: sa.Connection, key: int) -> str:
    sessions = sa.table("pg_stat_activity", sa.column("pid"), sa.column("application_name"))
    query = sa.select(sessions.c.application_name).where(
        sessions.c.pid.in_(postgres.locks_held(key))
    )
    name = connection.scalar(query)
    return str(name).removeprefix("curate ") if name else "it has ended just now"


def _taken(stage: str, holder: str) -> LockedError:
    return LockedError(
        f"`curate {stage}` is already running on this library ({holder})",
        "one process at a time does this",
        "Wait until it is done, or end it, and give the command again.",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _file(folder: Path, stage: str) -> TextIO:
    make_folder(folder)
    try:
        return (folder / f"{stage}.lock").open("a+")
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> LibraryError:
    return LibraryError(
        str(folder),
        f"the library cannot be written: {describe(error)}",
        "Nothing was changed. See that the folder .curate can be written, and try again.",
    )
