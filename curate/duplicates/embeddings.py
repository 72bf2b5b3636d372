"""Candidates by embeddings: they find crops and edits that no hash of the whole can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.core.files import describe
from curate.duplicates.candidates import COLUMNS, nearest_starts
from curate.duplicates.views import STARTS, VIEWS

NEIGHBOURS = 5
"""So many of the nearest of each image are looked at …"""

LEAST_COSINE = 0.8
"""… where the cosine of the two embeddings is at least this."""

_BLOCK = 2048
_CENTRAL = [
    number
    for number, view in enumerate(STARTS)
    if view.left == view.right and view.top == view.bottom and not view.degrees
]


def by_embedding(
    embeddings: pd.DataFrame, neighbours: int = NEIGHBOURS, least: float = LEAST_COSINE
) -> pd.DataFrame:
    """Find each image's nearest neighbours in a space of embeddings, exactly.

    Parameters
    ----------
    embeddings : DataFrame
        One row an image: image_id, embedding (a list of numbers, all of one length). One that is
        zero or not finite has no neighbours.
    neighbours : int
        So many of the nearest of each image.
    least : float
        Their cosine is at least this.

    Returns
    -------
    DataFrame
        As `candidates.candidates` gives it, with a start from every central cut-out of either.
    """
    embeddings = embeddings.sort_values("image_id")
    ids = embeddings["image_id"].to_numpy(object)
    vectors = np.array(embeddings["embedding"].tolist(), np.float32).reshape(
        len(ids), -1 if len(ids) else 0
    )
    length = np.linalg.norm(vectors, axis=1)
    good = np.isfinite(length) & (length > 0)
    ids, vectors = ids[good], vectors[good] / length[good, None]
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(ids), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -2
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
        who, which = np.nonzero(np.take_along_axis(cosines, nearest, axis=1) >= least)
        pairs = np.stack([start + who, nearest[who, which]], axis=1)
        found.append(np.sort(pairs, axis=1))
    first, second = np.unique(np.concatenate(found), axis=0).T
    starts = [
        _starts(ids[one], ids[other], view)
        for one, other in ((first, second), (second, first))
        for view in _CENTRAL
    ]
    return nearest_starts(pd.concat(starts, ignore_index=True), most=2 * len(_CENTRAL))


def read_embeddings(path: Path) -> pd.DataFrame:
    """Read a Parquet file with the columns image_id and embedding (a list of numbers).

    Raises
    ------
    InputError
        It cannot be read, a column is not there or of another type, the embeddings are of different
        lengths, or an image has two.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        said = describe(error) if isinstance(error, OSError) else "is not a Parquet file"
        raise InputError(str(path), said, "Give a Parquet file of embeddings.") from error
    lacking = [name for name in ("image_id", "embedding") if name not in table.column_names]
    if lacking:
        raise InputError(
            str(path),
            f"has no column {lacking[0]!r}",
            "Give the columns image_id and embedding (a list of numbers).",
        )
    if not _numbers(table.schema.field("embedding").type):
        raise InputError(
            str(path),
            f"its column 'embedding' holds {table.schema.field('embedding').type}",
            "Give a list of numbers an image.",
        )
    read: pd.DataFrame = table.select(["image_id", "embedding"]).to_pandas()
    lengths = {0 if vector is None else len(vector) for vector in read["embedding"]}
    if len(lengths) > 1 or 0 in lengths:
        raise InputError(
            str(path),
            f"its embeddings have {min(lengths)} to {max(lengths)} numbers",
            "Give embeddings of one model, all of one length.",
        )
    repeated = read.loc[read["image_id"].duplicated(), "image_id"]
    if len(repeated):
        raise InputError(
            f"{repeated.iloc[0]}", f"is there twice in {path}", "Give one embedding an image."
        )
    return read


def _numbers(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_one(kind) for is_one in lists):
        return False
    return bool(pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))


def _starts(first: NDArray[np.object_], second: NDArray[np.object_], view: int) -> pd.DataFrame:
    # Hashed views stand first, so the number of a view orders starts from the widest on.
    columns = (first, second, 0, 0, view, len(VIEWS) + view)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), columns=COLUMNS)
