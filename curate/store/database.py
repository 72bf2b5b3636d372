"""Opening the database: one way in, one way to write, one translation of its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from curate.core.errors import LibraryError

BUSY_SECONDS = 60
"""How long a statement waits for another process before it gives up with an error."""

_HEADER = b"SQLite format 3\x00"


def connect(path: Path) -> sa.Engine:
    """Make the engine of a SQLite file. Nothing is opened before the first connection."""
    engine = sa.create_engine(
        # Not a URL in one text: in that, `?` and `%` of the path would have a meaning.
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # Transactions are begun below, explicitly; the driver's own guessing is switched off.
        connection.isolation_level = None
        # SQLite before 3.51.3 can lose commits in WAL mode with two connections, so it is never
        # used; a rollback journal, truncated and synced at each commit, costs 0.9 ms.
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # Without it, REPLACE deletes rows behind the back of the triggers that guard the log.
        connection.execute("PRAGMA recursive_triggers=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer takes its lock at the start: a transaction that reads first and writes later
        # could otherwise fail in the middle.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent view of the database."""
    with _translated(engine), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: all of it is in the database afterwards, or none of it."""
    with _translated(engine), engine.connect() as plain:
        connection = plain.execution_options(writing=True)
        with connection.begin():
            yield connection


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is not a SQLite database, before anything could touch it."""
    with path.open("rb") as file:
        start = file.read(len(_HEADER))
    if start and start != _HEADER:
        raise LibraryError(
            str(path),
            "is not the database of a library, or its first bytes are damaged",
            "Nothing was changed. Restore the file from a backup, or move the folder .curate away "
            "and scan again.",
        )


@contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    place = str(engine.url.database)
    try:
        yield
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        # Errors of the statements come wrapped, those of opening the file as the driver's own.
        said = str(getattr(error, "orig", error))
        for sign, (rule, remedy) in _TROUBLES.items():
            if sign in said:
                raise LibraryError(place, f"{rule} ({said})", remedy) from error
        raise


RESTORE = (
    "Nothing was changed. Restore the file from a backup; `curate check` says what is whole. "
    "Predictions can be made again, labels only come back from a backup or from exported CSV files."
)
_WRITABLE = "Nothing was changed. See that the folder .curate can be written, and try again."
_TROUBLES = {
    "locked": (
        f"another process has held the database for {BUSY_SECONDS} seconds",
        "Nothing was changed. Wait for the other command, or end it, and try again.",
    ),
    "full": (
        "the disk is full",
        "Nothing was changed. Free some space and give the same command again.",
    ),
    "malformed": ("the database is damaged", RESTORE),
    "not a database": ("the database is damaged", RESTORE),
    "readonly": ("the library is read-only", _WRITABLE),
    "unable to open": ("the database cannot be opened", _WRITABLE),
    "disk I/O error": ("the disk reports an error", _WRITABLE),
}
