"""DuckDB over the whole library: Parquet in place, decisions as Arrow tables beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from curate.store import facts, files, looks, shards
from curate.store.library import Library


@contextmanager
def asked(library: Library, *names: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB connection with views of the library.

    Parameters
    ----------
    library : Library
        The library.
    *names : str
        Of `VIEWS`; each view has the columns that its source documents.
    """
    answering = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    try:
        with library.reading() as connection:
            for name in names:
                VIEWS[name](answering, library, connection)
        yield answering
    finally:
        answering.close()


def looked(library: Library, *columns: str) -> pd.DataFrame:
    """Give what scans took from the pixels of every image.

    Parameters
    ----------
    library : Library
        The library.
    *columns : str
        Of `looks.SCHEMA`.

    Returns
    -------
    DataFrame
        One row an image: image_id and the columns (hashes as UInt64); missing where a scan of
        another version of curate did not take them.
    """
    chosen = ", ".join(f"any_value({name}) AS {name}" for name in columns)
    with asked(library, "looks") as answering:
        rows = answering.sql(
            f"SELECT image_id, {chosen} FROM looks GROUP BY image_id ORDER BY image_id"
        )
        # A missing hash must not make floats, which have 53 bits, of all the others.
        found: pd.DataFrame = rows.to_arrow_table().to_pandas(
            types_mapper={pa.uint64(): pd.UInt64Dtype()}.get
        )
    return found


def _images(answering: duckdb.DuckDBPyConnection, _: Library, connection: Connection) -> None:
    _register(answering, "images", facts.images(connection))


def _files(answering: duckdb.DuckDBPyConnection, _: Library, connection: Connection) -> None:
    _register(answering, "files", files.table(connection))


def _shards(table: str, columns: str) -> View:
    """Make a view of the shards of a table; it has these columns whatever the shards have.

    A column that another version of curate did not write is null in its shards.
    """

    def view(answering: duckdb.DuckDBPyConnection, library: Library, found: Connection) -> None:
        parts = shards.paths(library, shards.referenced(found, table))
        rows = f"FROM {table}_columns"
        answering.execute(f"CREATE TABLE {table}_columns ({columns})")
        if parts:
            # The folder of the library may have characters that DuckDB would take for a pattern.
            exact = [re.sub(r"[*?[]", r"[\g<0>]", str(path)) for path in parts]
            answering.read_parquet(exact, union_by_name=True).create_view(f"{table}_parts")
            rows += f" UNION ALL BY NAME FROM {table}_parts"
        answering.execute(f"CREATE VIEW {table} AS {rows}")

    return view


_TYPES = {
    pa.string(): "VARCHAR",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.binary(): "BLOB",
}

View = Callable[[duckdb.DuckDBPyConnection, Library, Connection], None]

VIEWS: dict[str, View] = {
    "images": _images,
    "files": _files,
    "looks": _shards(
        "looks", ", ".join(f"{column.name} {_TYPES[column.type]}" for column in looks.SCHEMA)
    ),
    "predictions": _shards(
        "predictions",
        "run_id BIGINT, image_id VARCHAR, path VARCHAR, status VARCHAR, reason VARCHAR, "
        "predicted VARCHAR, score DOUBLE, second VARCHAR, second_score DOUBLE, margin DOUBLE, "
        "entropy DOUBLE, energy DOUBLE, novelty DOUBLE, top_classes VARCHAR[], top_scores DOUBLE[]",
    ),
}
"""Views by name: `images` as `facts.images`, `files` as `files.table`, and the Parquet tables."""


def _register(answering: duckdb.DuckDBPyConnection, name: str, table: pd.DataFrame) -> None:
    answering.register(name, pa.Table.from_pandas(table, preserve_index=False))
