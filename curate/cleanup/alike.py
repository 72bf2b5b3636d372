"""Lay beside the images what their features say: which are like those that people rejected."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd

from curate.cleanup.like_rejected import COLUMNS, learn
from curate.core.errors import LibraryError
from curate.store import embeddings
from curate.store.library import Library

_DECIDED = """
SELECT image_id, label, rejected, "group" FROM images
WHERE label IS NOT NULL OR rejected ORDER BY image_id
"""
_POOL = "SELECT image_id FROM images WHERE label IS NULL AND NOT rejected ORDER BY image_id"
_LAID = """
UPDATE images SET like_rejected = alike.like_rejected, like_wanted = alike.like_wanted
FROM alike WHERE images.image_id = alike.image_id
"""


def lay(library: Library, answering: duckdb.DuckDBPyConnection) -> str:
    """Fill `like_rejected` and `like_wanted` of those images that are like rejected ones.

    Parameters
    ----------
    library : Library
        Holds the features.
    answering : DuckDBPyConnection
        With the table `images`, see `images.gathered`. Of decided images the columns are filled
        too, where the others would have them go.

    Returns
    -------
    str
        What was tried, or why nothing is said.
    """
    decided = answering.execute(_DECIDED).df()
    try:
        found, features = embeddings.of_images(library, decided["image_id"])
    except LibraryError as error:
        return f"{error.rule}: {error.remedy}"
    known = decided.set_index("image_id").loc[found].reset_index()
    learnt = learn(known, features)
    if isinstance(learnt, str):
        return learnt
    pool = pd.Index(answering.execute(_POOL).df()["image_id"])
    rows: dict[str, Any] = {}
    for ids, vectors in embeddings.blocks(library):
        mine = pool.get_indexer(pd.Index(ids)) >= 0
        # What comes last counts.
        for image_id in ids[mine]:
            rows.pop(image_id, None)
        named = learnt.named(ids[mine].astype(object), vectors[mine])
        rows |= {row[0]: row for row in named.itertuples(index=False, name=None)}
    laid = pd.concat([pd.DataFrame(list(rows.values()), columns=list(COLUMNS)), learnt.own])
    answering.register(
        "alike", laid.astype({"image_id": "str", **dict.fromkeys(COLUMNS[1:], float)})
    )
    answering.execute(_LAID)
    answering.unregister("alike")
    return learnt.told
