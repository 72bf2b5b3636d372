"""The features that a model gave of images, as bulk identification kept them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from curate.core.errors import InputError, LibraryError
from curate.store import schema, shards
from curate.store.library import Library

TABLE = "embeddings"

_MAKING = ("model", "with", "tta", "arch", "preprocessing")
"""Parameters of a bulk identification that decide the features."""


def read(library: Library) -> pd.DataFrame:
    """Give the embeddings of the last run that kept some, and of all that made the same.

    Returns
    -------
    DataFrame
        One row an image: image_id, embedding (float16, all of one length).

    Raises
    ------
    LibraryError
        There are none.
    """
    tables = [
        pq.read_table(path, columns=["image_id", "embedding"]) for path in _paths(library, None)
    ]
    found: pd.DataFrame = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
    return found.drop_duplicates("image_id", keep="last", ignore_index=True)


def of_images(
    library: Library, image_ids: Collection[str], model: str | None = None
) -> tuple[list[str], NDArray[np.float16]]:
    """Give the features of some images; what the others take is never in memory.

    Parameters
    ----------
    library : Library
        The library.
    image_ids : collection of str
        The images.
    model : str, optional
        Digest of the checkpoint that is asked; the one that kept features last when missing.

    Returns
    -------
    found : list of str
        The images that have features, sorted.
    features : ndarray of float16, shape (len(found), d)
        In the same order. Where a resumed run met an image again, the last features count.

    Raises
    ------
    LibraryError
        There are none at all.
    InputError
        There are some, but none of this checkpoint.
    """
    parquet = _paths(library, model)
    wanted = np.unique(np.array(list(image_ids), object).astype(str))
    places: list[NDArray[np.int64]] = []
    parts: list[NDArray[np.float16]] = []
    for ids, features in _blocks(parquet):
        at = np.searchsorted(wanted, ids)
        at[at == len(wanted)] = 0
        hit = wanted[at] == ids if len(wanted) else np.zeros(len(ids), bool)
        places.append(at[hit].astype(np.int64))
        parts.append(features[hit])
    place, matrix = np.concatenate(places)[::-1], np.concatenate(parts)[::-1]
    at, last = np.unique(place, return_index=True)
    return [str(image_id) for image_id in wanted[at]], np.asarray(matrix[last])


def blocks(
    library: Library, model: str | None = None
) -> Iterator[tuple[NDArray[np.str_], NDArray[np.float16]]]:
    """Give all features of a checkpoint, a piece of a shard at a time.

    Parameters
    ----------
    library, model
        As `of_images` takes them.

    Yields
    ------
    image_ids : ndarray of str, shape (n,)
        An image may come again in a later block; what comes last counts.
    features : ndarray of float16, shape (n, d)
        In the same order.

    Raises
    ------
    LibraryError, InputError
        As `of_images`.
    """
    yield from _blocks(_paths(library, model))


def held(library: Library, model: str | None = None) -> list[Path]:
    """Give the shards that `of_images` and `blocks` read now; others when somebody wrote features.

    Parameters
    ----------
    library, model
        As `of_images` takes them.

    Raises
    ------
    LibraryError, InputError
        There are none; or none of this checkpoint.
    """
    return _paths(library, model)


def _blocks(paths: Sequence[Path]) -> Iterator[tuple[NDArray[np.str_], NDArray[np.float16]]]:
    for path in paths:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, columns=["image_id", "embedding"])
                yield np.array(rows["image_id"].to_pylist(), str), _matrix(rows["embedding"])


def _matrix(column: pa.ChunkedArray) -> NDArray[np.float16]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    width = column.type.list_size
    return np.asarray(flat, np.float16).reshape(-1, width)


def _paths(library: Library, model: str | None) -> list[Path]:
    """Find the shards of the last run with features (of a model), and of all that made the same."""
    with library.reading() as connection:
        kept = _kept(connection)
        if not kept:
            raise LibraryError(
                str(library.root),
                "the library holds no embeddings",
                "Run `curate bulk-id --model CKPT --embeddings PLACE…` first.",
            )
        asked = [made for _, made in kept if model in (None, made["model"])]
        if not asked:
            others = sorted({str(made["model"]) for _, made in kept})
            raise InputError(
                f"model {model!r}",
                "the library holds no embeddings of it",
                "Run `curate bulk-id --model CKPT --embeddings PLACE…` with this checkpoint, "
                f"or ask for one of: {', '.join(others)}.",
            )
        same = [run_id for run_id, made in kept if made == asked[0]]
        return shards.paths(library, shards.referenced(connection, TABLE, same))


def _kept(connection: Connection) -> list[tuple[int, dict[str, Any]]]:
    """Give every run that kept features, the last one first, and what the features depend on.

    How many classes were written down of each image does not change its features, so runs that are
    not resumptions of each other may belong together.
    """
    runs, parts = schema.runs, schema.shards
    with_features = select(parts.c.run_id).where(parts.c.table == TABLE)
    query = (
        select(runs.c.run_id, runs.c.parameters)
        .where(runs.c.run_id.in_(with_features))
        .order_by(runs.c.run_id.desc())
    )
    said = [(run_id, json.loads(text)) for run_id, text in connection.execute(query)]
    return [(run_id, {name: one.get(name) for name in _MAKING}) for run_id, one in said]
