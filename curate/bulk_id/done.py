"""What is done already: the images that runs of the same models have a prediction of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from curate.core.files import FileEntry
from curate.core.identity import ID_LENGTH
from curate.engine import may_pass_later
from curate.store import schema, shards
from curate.store.files import FileRow
from curate.store.library import Library

STAGE = "bulk-id"


class Ids:
    """A set of image ids that takes 32 bytes for each.

    Parameters
    ----------
    parts : sequence of ndarray
        Ids as bytes.
    """

    def __init__(self, parts: Sequence[NDArray[np.bytes_]] = ()) -> None:
        self._sorted = np.unique(np.concatenate([np.empty(0, f"S{ID_LENGTH}"), *parts]))

    def __contains__(self, image_id: object) -> bool:
        wanted = str(image_id).encode()
        at = int(np.searchsorted(self._sorted, wanted))
        return at < len(self._sorted) and bool(self._sorted[at] == wanted)

    def __len__(self) -> int:
        return len(self._sorted)


def runs_of(connection: Connection, key: str = "") -> list[int]:
    """Give the runs of bulk identification that computed the same; all of them without a key."""
    runs = schema.runs
    query = select(runs.c.run_id).where(runs.c.stage == STAGE)
    if key:
        query = query.where(runs.c.key == key)
    return list(connection.scalars(query))


def ids_in(library: Library, connection: Connection, table: str, run_ids: Sequence[int]) -> Ids:
    """Give the images that some runs have rows of in a table of shards."""
    parts = []
    for path in shards.paths(library, shards.referenced(connection, table, run_ids)):
        ids = pq.read_table(path, columns=["image_id"])["image_id"].to_pylist()
        parts.append(np.array(ids, f"S{ID_LENGTH}"))
    return Ids(parts)


def is_done(known: FileRow | None, entry: FileEntry, done: Sequence[Ids]) -> bool:
    """Whether a file is as it was and its image is in all of these."""
    if known is None or known.status == "gone" or known.changed(entry):
        return False
    if known.status == "failed":
        return not may_pass_later(known.reason)
    return all(known.image_id in ids for ids in done)
