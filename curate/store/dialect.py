"""What SQL databases spell differently, spelled once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, LargeBinary, Select, Table, Text, cast, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[Mapping[str, Any]]


def insert_new(connection: Connection, table: Table, rows: Rows, unique: str) -> int:
    """Insert the rows whose `unique` column is not there yet; give their number."""
    if not rows:
        return 0
    statement = _insert(connection, table).on_conflict_do_nothing(index_elements=[unique])
    # psycopg forgets the count when its cursor is closed, as SQLAlchemy does after an insert.
    counted = statement.execution_options(preserve_rowcount=True)
    return connection.execute(counted, list(rows)).rowcount


def insert_or_replace(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, or overwrite the row with the same primary key."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=others), list(rows)
    )


def among(connection: Connection, values: Iterable[str]) -> Select[Any]:
    """Give texts as rows, to be compared with a column: one parameter, however many there are."""
    told = json.dumps(list(values))
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        # As text: a parameter that is said to be JSON would be written as JSON once more.
        read = cast(literal(told, Text), postgresql.JSONB)
        return select(func.jsonb_array_elements_text(read))
    return select(func.json_each(told).table_valued("value").c.value)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    # Only the one that is asked: each takes long to import.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


class first_path(GenericFunction[bytes]):
    """The lowest of the paths of a group, by their bytes."""

    type = LargeBinary()
    inherit_cache = True


@compiles(first_path)
def _first(element: first_path, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(func.min(*element.clauses), **options)


@compiles(first_path, "postgresql")
def _first_in_postgresql(element: first_path, compiler: SQLCompiler, **options: Any) -> str:
    # Before version 18 it finds no smallest of bytes; their digits have the same order.
    lowest = func.min(func.encode(*element.clauses, "hex").collate("C"))
    return compiler.process(func.decode(lowest, "hex"), **options)
