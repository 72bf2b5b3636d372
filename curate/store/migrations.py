"""Named migrations: how a library of any earlier version becomes one of this version.

Each is applied once, in the order of the dict, together with its own record, in one transaction.
A name is never changed and a body never edited after a release.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, inspect, select

from curate.store import schema


def first_tables(connection: Connection) -> None:
    """Create the tables of the first release, and guard the log of decisions."""
    schema.metadata.create_all(connection)
    _guard(connection, "decisions", "decisions are append-only")


def duplicates(connection: Connection) -> None:
    """Add the groups of near-duplicates."""
    schema.duplicates.create(connection, checkfirst=True)


def library(connection: Connection) -> None:
    """Add the name of the library that a database belongs to."""
    schema.library.create(connection, checkfirst=True)


def queues(connection: Connection) -> None:
    """Add the queues that were given a name."""
    schema.queues.create(connection, checkfirst=True)
    schema.queued.create(connection, checkfirst=True)


def journal(connection: Connection) -> None:
    """Add what cleanup did to files, and guard it as the decisions are."""
    schema.journal.create(connection, checkfirst=True)
    _guard(connection, "journal", "the journal is append-only")


def _guard(connection: Connection, table: str, said: str) -> None:
    for statement in _GUARDS[connection.dialect.name]:
        connection.exec_driver_sql(statement.format(table=table, said=said))


_GUARDS = {
    "sqlite": [
        f"CREATE TRIGGER {{table}}_no_{change.lower()} BEFORE {change} ON {{table}} "
        "BEGIN SELECT RAISE(ABORT, '{said}'); END"
        for change in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE integrity_constraint_violation USING MESSAGE = '{said}'; "
        "END $$",
        "CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        "CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    ],
}

MIGRATIONS: dict[str, Callable[[Connection], None]] = {
    "0001-first-tables": first_tables,
    "0002-duplicates": duplicates,
    "0003-library": library,
    "0004-queues": queues,
    "0005-journal": journal,
}


def applied(connection: Connection) -> list[str]:
    """Names of the migrations that this database has had; [] for a new one. Only reads."""
    if not inspect(connection).has_table(schema.migrations.name):
        return []
    query = select(schema.migrations.c.name).order_by(schema.migrations.c.name)
    return list(connection.scalars(query))


def pending(connection: Connection) -> list[str]:
    """Names of the migrations still to come, in their order. Only reads."""
    done = set(applied(connection))
    return [name for name in MIGRATIONS if name not in done]


def unknown(connection: Connection) -> list[str]:
    """Names that this version does not know: the library is from a newer one. Only reads."""
    return [name for name in applied(connection) if name not in MIGRATIONS]


def migrate(connection: Connection) -> None:
    """Apply what is pending inside the caller's transaction."""
    for name in pending(connection):
        MIGRATIONS[name](connection)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        connection.execute(insert(schema.migrations).values(name=name, applied_at=now))
