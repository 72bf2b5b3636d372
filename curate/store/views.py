"""DuckDB over the whole library: Parquet in place, decisions as Arrow tables beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from curate.store import facts, files, shards
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


def _images(answering: duckdb.DuckDBPyConnection, _: Library, connection: Connection) -> None:
    _register(answering, "images", facts.images(connection))


def _files(answering: duckdb.DuckDBPyConnection, _: Library, connection: Connection) -> None:
    _register(answering, "files", files.table(connection))


def _shards(table: str, columns: str) -> View:
    """Make a view of the shards of a table; an empty one with the same columns where none is."""

    def view(answering: duckdb.DuckDBPyConnection, library: Library, found: Connection) -> None:
        parts = shards.paths(library, shards.referenced(found, table))
        if parts:
            # The folder of the library may have characters that DuckDB would take for a pattern.
            exact = [re.sub(r"[*?[]", r"[\g<0>]", str(path)) for path in parts]
            answering.read_parquet(exact).create_view(table)
        else:
            answering.execute(f"CREATE TABLE {table} ({columns})")

    return view


View = Callable[[duckdb.DuckDBPyConnection, Library, Connection], None]

VIEWS: dict[str, View] = {
    "images": _images,
    "files": _files,
    "looks": _shards("looks", "image_id VARCHAR, phash UBIGINT, dhash UBIGINT, thumbnail BLOB"),
    "predictions": _shards(
        "predictions",
        "run_id BIGINT, image_id VARCHAR, path VARCHAR, status VARCHAR, reason VARCHAR, "
        "predicted VARCHAR, score DOUBLE, second VARCHAR, second_score DOUBLE, margin DOUBLE, "
        "entropy DOUBLE, energy DOUBLE, top_classes VARCHAR[], top_scores DOUBLE[]",
    ),
}
"""Views by name: `images` as `facts.images`, `files` as `files.table`, and the Parquet tables."""


def _register(answering: duckdb.DuckDBPyConnection, name: str, table: pd.DataFrame) -> None:
    answering.register(name, pa.Table.from_pandas(table, preserve_index=False))
