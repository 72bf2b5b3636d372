"""The features that a model gave of images, as bulk identification kept them."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
from sqlalchemy import select

from curate.core.errors import LibraryError
from curate.store import schema, shards
from curate.store.library import Library

TABLE = "embeddings"


def read(library: Library) -> pd.DataFrame:
    """Give the embeddings of the last run that kept some, and of the runs that it resumed.

    Returns
    -------
    DataFrame
        One row an image: image_id, embedding (float16, all of one length).

    Raises
    ------
    LibraryError
        There are none.
    """
    runs, parts = schema.runs, schema.shards
    kept = select(runs.c.run_id, runs.c.key).join(parts, parts.c.run_id == runs.c.run_id)
    with library.reading() as connection:
        last = connection.execute(
            kept.where(parts.c.table == TABLE).order_by(runs.c.run_id.desc()).limit(1)
        ).first()
        if last is None:
            raise LibraryError(
                str(library.root),
                "the library holds no embeddings",
                "Run `curate bulk-id --model CKPT --embeddings PLACE…` first.",
            )
        same = connection.scalars(select(runs.c.run_id).where(runs.c.key == last.key))
        paths = shards.paths(library, shards.referenced(connection, TABLE, list(same)))
    tables = [pq.read_table(path, columns=["image_id", "embedding"]) for path in paths]
    found: pd.DataFrame = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
    return found.drop_duplicates("image_id", keep="last", ignore_index=True)
