"""What was decided since an index was made, laid over it.

A decision changes the rows of the images that it is about, and of those that were made of these.
Their fresh rows lie in a file beside the index, which grows with each batch of answers; the index
without the rows that they replace, and they, are all candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from curate.core.files import write_whole
from curate.queues.index.gathered import (
    DECIDED,
    NUMBER,
    OF_ROW,
    USUAL,
    gather_decided,
    parents_of,
)
from curate.queues.index.totals import WAITS
from curate.queues.recipe import CANDIDATE_COLUMNS
from curate.store import facts, schema
from curate.store.library import Library

COLUMNS = (*CANDIDATE_COLUMNS, "alone", "pair", "number", "there")
"""Columns of the rows of an index."""

FEW, SHARE = 20_000, 0.02
"""So many fresh rows lie over an index, or this share of its rows, before it is made anew."""

_KINDS = ("label", "origin", "split", "reject")


@dataclass(frozen=True)
class Index:
    """An index that is attached as `kept`.

    Attributes
    ----------
    path : Path
        Where it lies.
    seq : int
        The last decision that it knows.
    """

    path: Path
    seq: int


def lay(library: Library, answering: duckdb.DuckDBPyConnection, index: Index, until: int) -> bool:
    """Make the table `fresh`: the rows of images that were decided since the index was made.

    Parameters
    ----------
    library : Library
        Where it is decided.
    answering : DuckDBPyConnection
        With the index attached.
    index : Index
        As it was attached.
    until : int
        The last decision that counts.

    Returns
    -------
    bool
        False where that is so much that the index should be made anew; nothing is laid then.
    """
    lay_nothing(answering)
    known = _read(answering, index, until)
    with library.reading() as connection:
        touched, kin = _since(connection, index.seq, known, until)
    if not touched:
        return True
    rows, laid = _one(answering, "SELECT (SELECT count(*) FROM kept.rows), count(*) FROM fresh")
    if laid + len(touched) > max(FEW, SHARE * rows):
        return False
    keep_kin(answering, "kin", kin, create=True)
    _refresh(library, answering, _closed(answering, touched), until)
    _write(answering, index, until)
    return True


def lay_nothing(answering: duckdb.DuckDBPyConnection) -> None:
    """Make the table `fresh` without a row.

    Its column `place` says which row of the index a row replaces, and `was` whether that one waits
    for a decision (see `totals.WAITS`).
    """
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    answering.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh AS "
        f"SELECT {columns}, 0::BIGINT AS place, false AS was FROM kept.rows LIMIT 0"
    )


def show(answering: duckdb.DuckDBPyConnection) -> None:
    """Make the view `everything` of the rows of the index and of those laid over it."""
    columns = f"{OF_ROW}, alone, pair, number"
    (laid,) = _one(answering, "SELECT count(*) FROM fresh")
    query = f"SELECT {columns}, rowid AS place FROM kept.rows WHERE there"
    if laid:
        query += (
            " AND rowid NOT IN (SELECT place FROM fresh) "
            f"UNION ALL SELECT {columns}, -1 - rowid FROM fresh WHERE there"
        )
    answering.execute(f"CREATE TEMP VIEW everything AS {query}")


def keep_kin(
    answering: duckdb.DuckDBPyConnection,
    table: str,
    kin: Sequence[tuple[str, str]],
    *,
    create: bool = False,
) -> None:
    """Put down which image was made of which."""
    if create:
        answering.execute(f"CREATE OR REPLACE TEMP TABLE {table} (child VARCHAR, parent VARCHAR)")
    children, parents = (pa.array([one[at] for one in kin], pa.string()) for at in (0, 1))
    answering.register("told", pa.table({"child": children, "parent": parents}))
    answering.execute(f"INSERT INTO {table} SELECT * FROM told")
    answering.unregister("told")


def _since(
    connection: Connection, made: int, known: int, until: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """Give the images decided since `known`, and what was said of kin since the index was made."""
    log = schema.decisions
    kin = (log.c.kind == "group") & (log.c.field == facts.PARENT)
    touched = select(log.c.image_id).where(
        log.c.seq > known, log.c.seq <= until, log.c.kind.in_(_KINDS) | kin
    )
    told = select(log.c.image_id, log.c.value, log.c.detail).where(
        log.c.seq > made, log.c.seq <= until, kin
    )
    ties = [
        (child, parent)
        for child, value, detail in connection.execute(told)
        for parent in parents_of(value, detail)
    ]
    return sorted(set(connection.scalars(touched))), ties


def _closed(answering: duckdb.DuckDBPyConnection, touched: Sequence[str]) -> list[str]:
    """Add what was made of these images, and what any of them was made of."""
    found = set(touched)
    for step in ("parent, child", "child, parent"):
        start, end = step.split(", ")
        frontier = sorted(found)
        while frontier:
            answering.register("reached", pa.table({"name": pa.array(frontier, pa.string())}))
            rows = answering.execute(
                f"SELECT DISTINCT {end} FROM (FROM kin UNION ALL FROM kept.kin) "
                f"WHERE {start} IN (SELECT name FROM reached)"
            ).fetchall()
            answering.unregister("reached")
            frontier = sorted({name for (name,) in rows} - found)
            found.update(frontier)
    return sorted(found)


def _refresh(
    library: Library, answering: duckdb.DuckDBPyConnection, image_ids: Sequence[str], until: int
) -> None:
    """Lay the rows of some images over the index as they are now."""
    with duckdb.connect() as aside:
        gather_decided(library, aside, image_ids, until)
        decided = aside.sql("FROM decided").to_arrow_table()
        strays = aside.sql("FROM strays").to_arrow_table()
    answering.register("decided", decided)
    answering.register("strays", strays)
    answering.register("named", pa.table({"image_id": pa.array(image_ids, pa.string())}))
    answering.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS "
        f"SELECT image_id, {NUMBER.format('image_id')} AS number FROM named"
    )
    answering.execute(
        "CREATE OR REPLACE TEMP TABLE stale AS SELECT rowid AS place FROM kept.rows "
        "WHERE number IN (SELECT number FROM touched) "
        "AND rowid NOT IN (SELECT place FROM fresh WHERE number IN (SELECT number FROM touched))"
    )
    columns = ", ".join(_now(name) for name in COLUMNS)
    answering.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE newer AS
        WITH before AS (
            SELECT *, rowid AS place, {WAITS} AS was
            FROM kept.rows WHERE rowid IN (SELECT place FROM stale)
            UNION ALL BY NAME SELECT * FROM fresh
        )
        SELECT {columns}, place, was FROM before
        JOIN touched USING (image_id)
        LEFT JOIN decided USING (image_id)
        LEFT JOIN strays ON astray = image_id
        """
    )
    answering.execute("DELETE FROM fresh WHERE image_id IN (SELECT image_id FROM touched)")
    answering.execute("INSERT INTO fresh SELECT * FROM newer")
    for name in ("decided", "strays", "named"):
        answering.unregister(name)


def _now(name: str) -> str:
    if name in DECIDED:
        usual = USUAL.get(name)
        return f'coalesce(decided."{name}", {usual}) AS "{name}"' if usual else f'decided."{name}"'
    if name == "there":
        return "before.path IS NOT NULL AND astray IS NULL AS there"
    return f'before."{name}"'


def _read(answering: duckdb.DuckDBPyConnection, index: Index, until: int) -> int:
    """Read the rows that were laid over the index before; give the last decision they know."""
    for path in sorted(index.path.parent.glob(f"{index.path.stem}+*.parquet"), reverse=True):
        known = int(path.stem.rpartition("+")[2])
        if known > until:
            continue
        try:
            rows = pq.ParquetFile(path).read()
        except (OSError, pa.ArrowInvalid):
            # Another process has just put a newer one in its place.
            continue
        answering.register("rows", rows)
        answering.execute("INSERT INTO fresh SELECT * FROM rows")
        answering.unregister("rows")
        return known
    return index.seq


def _write(answering: duckdb.DuckDBPyConnection, index: Index, until: int) -> None:
    """Keep the rows for the next question; without room for them it reads them again."""
    rows = answering.sql("FROM fresh").to_arrow_table()
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    path = index.path.with_name(f"{index.path.stem}+{until:012}.parquet")
    with suppress(OSError):
        write_whole(path, lambda file: file.write(sink.getvalue()))
        for old in index.path.parent.glob(f"{index.path.stem}+*.parquet"):
            if old.name < path.name:
                old.unlink(missing_ok=True)


def _one(answering: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = answering.execute(query).fetchone()
    assert row is not None
    return row
