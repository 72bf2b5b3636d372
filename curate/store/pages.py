"""Whole tables of the database, a page at a time, however many rows they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, Table, func, literal_column, select, true

from curate.store.library import Library

PAGE = 50_000
"""Rows that are in memory at a time."""


def pages(
    library: Library,
    table: Table,
    names: Sequence[str],
    where: ColumnElement[bool] | None = None,
    size: int = PAGE,
) -> Iterator[list[Any]]:
    """Give the rows of a table in no particular order, a page at a time.

    Parameters
    ----------
    library : Library
        Whose database.
    table : Table
        Of `schema`.
    names : sequence of str
        The columns.
    where : condition, optional
        Which rows; all when not given.
    size : int
        The most rows of a page.
    """
    chosen = select(*[table.c[name] for name in names]).where(true() if where is None else where)
    if library.engine.dialect.name != "sqlite":
        # Whoever reads keeps nobody from writing there, so one long look is as good.
        with library.reading() as connection:
            streamed = connection.execution_options(stream_results=True, yield_per=size)
            for some in streamed.execute(chosen).partitions(size):
                yield list(some)
        return
    # Whoever reads a SQLite file keeps others from writing: each page is a short look of its own,
    # in the order in which the rows lie on the disk.
    row = literal_column("rowid", Integer)
    with library.reading() as connection:
        last = connection.scalar(select(func.max(row)).select_from(table)) or 0
    start = 0
    while start < last:
        with library.reading() as connection:
            some = connection.execute(chosen.where(row > start, row <= start + size)).all()
        start += size
        if some:
            yield list(some)
