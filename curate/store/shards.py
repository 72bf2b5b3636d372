"""Parquet shards: written whole, then referenced from the database, which is the commit.

A shard that nothing references is garbage, whatever put it there; a reference whose shard is not
whole is dropped before a stage starts, so that the stage makes the rows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, delete, insert, select

from curate.core.errors import LibraryError
from curate.core.files import describe, sync_folder, write_whole
from curate.store import schema
from curate.store.library import Library

shards = schema.shards


@dataclass(frozen=True)
class Shard:
    """A shard on disk; it counts once `reference` has been committed."""

    table: str
    run_id: int
    path: str
    rows: int
    bytes: int
    sha256: str


def write(library: Library, table: str, run_id: int, number: int, rows: pa.Table) -> Shard:
    """Write rows to a new shard and make it durable; nothing refers to it yet."""
    folder = library.folder / "tables" / table
    path = folder / f"{run_id:06d}-{number:06d}.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    content = sink.getvalue()
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            sync_folder(folder.parent)
        write_whole(path, lambda file: file.write(content))
    except OSError as error:
        raise LibraryError(
            str(path),
            f"cannot be written: {describe(error)}",
            "What was done before is kept. Make room, and give the same command again: it goes on.",
        ) from error
    return Shard(
        table,
        run_id,
        path.relative_to(library.folder).as_posix(),
        rows.num_rows,
        content.size,
        sha256(content).hexdigest(),
    )


def reference(connection: Connection, shard: Shard) -> None:
    """Make a shard count, in the caller's transaction."""
    connection.execute(insert(shards).values(**vars(shard)))


def referenced(
    connection: Connection, table: str, run_ids: Sequence[int] | None = None
) -> list[Shard]:
    """Give the shards of a table that count, in the order they were committed."""
    query = select(*[shards.c[name] for name in Shard.__dataclass_fields__]).where(
        shards.c.table == table
    )
    if run_ids is not None:
        query = query.where(shards.c.run_id.in_(run_ids))
    return [Shard(*row) for row in connection.execute(query.order_by(shards.c.shard_id))]


def fault(library: Library, shard: Shard, *, deep: bool = False) -> str:
    """Say what is wrong with a shard; '' when it is whole.

    Parameters
    ----------
    library : Library
        Where it lies.
    shard : Shard
        As it was referenced.
    deep : bool
        Read it and compare the digest; otherwise only its size is compared.
    """
    path = library.folder / shard.path
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            return f"{size:,} bytes instead of {shard.bytes:,}"
        if deep and sha256(path.read_bytes()).hexdigest() != shard.sha256:
            return "its content has changed"
    except OSError as error:
        return describe(error)
    return ""


def paths(library: Library, found: Sequence[Shard]) -> list[Path]:
    """Give the files of shards, each checked to be as long as it was when it was committed."""
    for shard in found:
        wrong = fault(library, shard)
        if wrong:
            raise LibraryError(
                str(library.folder / shard.path),
                f"a shard of {shard.table} is damaged ({wrong})",
                f"Run `{_MAKER.get(shard.table, 'the command that made it')}` again: it makes "
                "the missing rows anew and keeps the rest.",
            )
    return [library.folder / shard.path for shard in found]


def forget(connection: Connection, found: Sequence[Shard]) -> None:
    """Drop references to shards, in the caller's transaction."""
    for shard in found:
        connection.execute(delete(shards).where(shards.c.path == shard.path))


def tidy(library: Library, table: str, columns: pa.Schema | None = None) -> list[Shard]:
    """Drop references to shards that are not to be used and delete files that nothing references.

    Call it with the lock of the stage that writes the table. Gives the dropped references: to
    damaged shards, and to those with other columns, which another version of curate made.
    """
    with library.writing() as connection:
        found = referenced(connection, table)
        damaged = [
            shard
            for shard in found
            if fault(library, shard) or not _has(library.folder / shard.path, columns)
        ]
        forget(connection, damaged)
    kept = {shard.path for shard in found} - {shard.path for shard in damaged}
    folder = library.folder / "tables" / table
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.relative_to(library.folder).as_posix() not in kept:
            path.unlink()
    return damaged


def _has(path: Path, columns: pa.Schema | None) -> bool:
    if columns is None:
        return True
    try:
        return bool(pq.read_schema(path).equals(columns))
    except pa.ArrowInvalid:
        return False


_MAKER = {
    "looks": "curate scan",
    **dict.fromkeys(("predictions", "embeddings"), "curate bulk-id"),
    **dict.fromkeys(("fingerprints", "alike", "compared"), "curate duplicates"),
    "plans": "curate cleanup plan",
}
