"""PostgreSQL as the database of a library: its URL, its connections, its locks, its errors."""

from __future__ import annotations

import zlib
from typing import Any

import sqlalchemy as sa

from curate.core.errors import ConfigError, LibraryError

_SCHEME = "postgresql"
_DRIVER = f"{_SCHEME}+psycopg"

_CONNECTION = {
    "application_name": "curate",
    "client_encoding": "utf8",
    "connect_timeout": "15",
    # A server that went away without a word is noticed in a minute, not in two hours.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_SESSION = (
    # And so does the server notice a machine that went away, and gives its locks back.
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
)

LOCKS = 0x63757261
"""The first half of the keys of every advisory lock of curate ("cura")."""

_WRITERS = 0
"""The second half of the key that whoever writes holds until the end of the transaction."""


def parsed(text: str, source: str) -> sa.URL:
    """Read the URL of a database. No error repeats it: it may hold a password.

    Parameters
    ----------
    text : str
        ``postgresql://user@host/name``.
    source : str
        Where it was written, for the message.

    Raises
    ------
    ConfigError
        It is not such a URL.
    """
    remedy = "Write it as postgresql://user@host/name."
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Not `from error`: that one repeats what was written.
        raise ConfigError(source, "holds no URL of a database", remedy) from None
    if url.drivername not in (_SCHEME, _DRIVER):
        kind = url.drivername.partition("+")[0]
        raise ConfigError(source, f"names a database of the kind {kind!r}, not PostgreSQL", remedy)
    if not url.database:
        raise ConfigError(source, "names a server and no database on it", remedy)
    if "@" in f"{url.host}{url.database}":
        raise ConfigError(source, "holds more than one @", "Write an @ of a password as %40.")
    return url.set(drivername=_DRIVER)


def shown(url: sa.URL) -> str:
    """Name a database for people: host, port and name; neither user nor password."""
    host = url.host or url.query.get("host") or "this machine"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL {host if isinstance(host, str) else ','.join(host)}{port}/{url.database}"


def connect(url: sa.URL) -> sa.Engine:
    """Make the engine of a database. Nothing is opened before the first connection.

    Raises
    ------
    LibraryError
        The driver is not installed.
    """
    chosen = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    try:
        engine = sa.create_engine(url, connect_args=chosen, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise LibraryError(
            shown(url),
            f"cannot be reached without the Python package {error.name}",
            "Install it with `pip install 'curate[postgres]'`.",
        ) from error

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(_SESSION)
        connection.autocommit = False

    return engine


READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Options of a connection that only reads: every query of it sees the same state."""


def one_writer(connection: sa.Connection, seconds: float) -> None:
    """Wait until no other transaction of a library writes; hold that until the end of this one.

    What a transaction read is still so when it writes, as it is in SQLite; decisions are numbered
    in the order in which they are committed; no two writers can wait for each other.
    """
    connection.exec_driver_sql(
        f"SET LOCAL lock_timeout = {round(seconds * 1000)}; "
        f"SELECT pg_advisory_xact_lock({LOCKS}, {_WRITERS})"
    )


def lock_key(stage: str) -> int:
    """Give the second half of the key of a stage's lock."""
    return zlib.crc32(stage.encode()) & 0x7FFFFFFF or 1


def locks_held(stage: int | None = None) -> sa.Select[Any]:
    """Ask which sessions hold a stage's lock, or any stage's."""
    held = sa.table(
        "pg_locks", *map(sa.column, ("pid", "locktype", "classid", "objid", "database"))
    )
    name = sa.table("pg_database", *map(sa.column, ("oid", "datname")))
    here = sa.select(name.c.oid).where(name.c.datname == sa.func.current_database())
    query = sa.select(held.c.pid).where(
        held.c.locktype == "advisory",
        held.c.classid == LOCKS,
        held.c.database == here.scalar_subquery(),
        held.c.objid != _WRITERS,
    )
    return query if stage is None else query.where(held.c.objid == stage)


def trouble(error: BaseException) -> tuple[str, str] | None:
    """Say in our words what PostgreSQL or the way to it refuses; None where it is a bug of ours.

    Returns
    -------
    rule, remedy : str
        For a `LibraryError`.
    """
    original = getattr(error, "orig", error)
    state = str(getattr(original, "sqlstate", None) or "")
    said = str(original)
    for sign, found in _STATES.items():
        if state.startswith(sign):
            return found
    for sign, found in _SAID.items():
        if sign in said:
            return found
    if not state and isinstance(error, sa.exc.OperationalError):
        # No answer of a server has no state: it was never reached, or has gone.
        return _GONE
    return None


_AGAIN = "Nothing of this step was changed. Give the same command again: it goes on."
_GONE = (
    "the server cannot be reached",
    "See that it runs and that host and port are right. What was done before is kept: the same "
    "command goes on.",
)
_REFUSED = (
    "the server refuses this user or password",
    "See the user of the URL, and its password there, in PGPASSWORD or in ~/.pgpass.",
)
_MISSING = (
    "there is no such database on the server",
    "Make it with `createdb NAME`, or see the URL.",
)
_STATES = {
    "28": _REFUSED,
    "3D": _MISSING,
    "53100": ("the disk of the server is full", f"Free some space there. {_AGAIN}"),
    "53": ("the server has no room for another connection or task", _AGAIN),
    "55P03": (
        "another process has held the database for too long",
        "Nothing was changed. Wait for the other command, or end it, and try again.",
    ),
    "40": ("the server took the work back in favour of another session", _AGAIN),
    "57014": ("the server cut a long statement off (statement_timeout)", _AGAIN),
    "57": ("the server is being stopped", _AGAIN),
    "08": _GONE,
    "25006": (
        "the database is read-only (a standby, or a user without the right to write)",
        "Nothing was changed. Name the server that takes writes.",
    ),
    "42501": (
        "this user may not do that",
        "Let the user own the database: `ALTER DATABASE name OWNER TO user`.",
    ),
    "58": ("the disk of the server reports an error", "Ask who keeps the server. " + _AGAIN),
    "XX": (
        "the database is damaged",
        "Restore it from a backup; `curate check` says what is whole.",
    ),
}
"""By the start of the state that the server gives (SQLSTATE), the longer ones first."""

_SAID = {
    "password authentication failed": _REFUSED,
    "no password supplied": _REFUSED,
    "no pg_hba.conf entry": _REFUSED,
    'role "': _REFUSED,
    'database "': _MISSING,
    "invalid connection option": ("the URL has an option that is not known", "Mend the URL."),
}
"""By what is said where a connection was refused, which carries no state."""
