"""Making a file of the index: whole or not at all; where that fails, nothing is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from curate.core.errors import LibraryError
from curate.core.files import describe, sync_folder

NEW = ".new-"
"""How folders begin in which a file is made."""

_FULL = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)
"""What DuckDB says where there is no room; the last, when it writes down what is done."""


@contextmanager
def making(final: Path) -> Iterator[Path]:
    """Give a place for a file, and put it where it belongs when it has been made there.

    What lies beside it in its folder is taken away.

    Raises
    ------
    LibraryError
        It cannot be written.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=NEW, dir=final.parent) as place:
            made = Path(place) / final.name
            yield made
            with made.open("rb+") as file:
                os.fsync(file.fileno())
            made.replace(final)
        sync_folder(final.parent)
    except (OSError, *_FULL) as error:
        said = describe(error) if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise LibraryError(
            str(final.parent),
            f"the index of the predictions cannot be written: {said}",
            "Nothing is lost. Make room (it takes about 100 bytes for each image, and three times "
            "as much while it is made), and give the same command again.",
        ) from error


def quoted(path: Path) -> str:
    """Write a path as DuckDB reads it between single quotes."""
    return str(path).replace("'", "''")
