"""Opening the database: one way in, one way to write, one translation of its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from curate.core.errors import LibraryError
from curate.store import postgres

BUSY_SECONDS = 60
"""How long a statement waits for another process before it gives up with an error."""

_HEADER = b"SQLite format 3\x00"


def connect(place: Path | sa.URL) -> sa.Engine:
    """Make the engine of a SQLite file, or of a database on a PostgreSQL server.

    Nothing is opened before the first connection.
    """
    if isinstance(place, sa.URL):
        return _with_one_writer(postgres.connect(place))
    engine = sa.create_engine(
        # Not a URL in one text: in that, `?` and `%` of the path would have a meaning.
        sa.URL.create("sqlite", database=str(place)),
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

    return _with_one_writer(engine)


def _with_one_writer(engine: sa.Engine) -> sa.Engine:
    # A writer takes its lock at the start: a transaction that reads first and writes later could
    # otherwise fail in the middle, or write what is no longer so.
    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
        elif writing:
            postgres.one_writer(connection, BUSY_SECONDS)

    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent view of the database."""
    options = {} if engine.dialect.name == "sqlite" else postgres.READING
    with translated(engine), engine.connect() as plain:
        connection = plain.execution_options(**options)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: all of it is in the database afterwards, or none of it.

    Transactions that write come one after the other, whichever process or machine they are of.
    """
    with translated(engine), engine.connect() as plain:
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


def shown(engine: sa.Engine) -> str:
    """Name the database for people, without a password."""
    sqlite = engine.dialect.name == "sqlite"
    return str(engine.url.database) if sqlite else postgres.shown(engine.url)


@contextmanager
def translated(engine: sa.Engine) -> Iterator[None]:
    """Turn what the database and its disk, server or network refuse into errors for people."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.DatabaseError) as error:
        found = _trouble(error) if engine.dialect.name == "sqlite" else postgres.trouble(error)
        if not found:
            raise
        rule, remedy = found
        said = " ".join(_said(error).split())
        raise LibraryError(shown(engine), f"{rule} ({said})", remedy) from error


def _said(error: BaseException) -> str:
    # Errors of the statements come wrapped, those of opening the file as the driver's own.
    return str(getattr(error, "orig", error))


def _trouble(error: BaseException) -> tuple[str, str] | None:
    return next((found for sign, found in _TROUBLES.items() if sign in _said(error)), None)


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
