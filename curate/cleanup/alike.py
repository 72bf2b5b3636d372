"""Lay beside the images what their features say: which are like those that people rejected."""

from __future__ import annotations

import duckdb
import pandas as pd

from curate.core.errors import LibraryError
from curate.models.like_rejected import Learnt, learn, reached
from curate.store import embeddings
from curate.store.library import Library

_DECIDED = """
SELECT image_id, label, rejected, "group", run_id, label_run FROM images
WHERE label IS NOT NULL OR rejected ORDER BY image_id
"""
_POOL = "SELECT image_id FROM images WHERE label IS NULL AND NOT rejected ORDER BY image_id"
_LAID = """
UPDATE images SET like_rejected = alike.like_rejected, like_border = alike.like_border
FROM alike WHERE images.image_id = alike.image_id
"""


def lay(library: Library, answering: duckdb.DuckDBPyConnection) -> str:
    """Fill `like_rejected` and `like_border` of those images that are like rejected ones.

    Parameters
    ----------
    library : Library
        Holds the features.
    answering : DuckDBPyConnection
        With the table `images`, see `images.gathered`. Of rejected images the columns are filled
        too, where the others would have them go.

    Returns
    -------
    str
        What was tried and how many looks it lacks, or why nothing is said.
    """
    decided = answering.execute(_DECIDED).df()
    try:
        held = embeddings.held(library)
        found, features = embeddings.of_images(library, decided["image_id"])
    except LibraryError as error:
        return f"{error.rule}: {error.remedy}"
    known = decided.set_index("image_id").loc[found].reset_index()
    learnt = learn(known, features)
    if isinstance(learnt, str):
        return learnt
    beyond = _beyond(library, learnt, pd.Index(answering.execute(_POOL).df()["image_id"]))
    if embeddings.held(library) != held:
        # They may be of another model, which sees other things alike.
        return "features were written meanwhile: Plan again when `curate bulk-id` has ended."
    own = learnt.own.set_index("image_id")
    lowest, lacking = reached(beyond.to_numpy(), own.loc[own["looked"], "score"].to_numpy())
    scores = pd.concat([beyond, own["score"]])
    goes = scores[scores >= lowest]
    laid = pd.DataFrame({"image_id": goes.index, "like_rejected": goes.to_numpy()})
    answering.register("alike", laid.astype({"image_id": "str"}).assign(like_border=learnt.border))
    answering.execute(_LAID)
    answering.unregister("alike")
    waiting = int((beyond < lowest).sum())
    return learnt.told + (
        f"; {waiting:,} more wait until somebody has looked at {lacking} of "
        "`curate queue like-rejected`"
        if waiting
        else ""
    )


def _beyond(library: Library, learnt: Learnt, pool: pd.Index) -> pd.Series:
    """Give the score of those images of the pool that lie beyond the border, by image id."""
    rows: dict[str, float] = {}
    for ids, vectors in embeddings.blocks(library):
        mine = pool.get_indexer(pd.Index(ids)) >= 0
        # What comes last counts.
        for image_id in ids[mine]:
            rows.pop(image_id, None)
        scores = learnt.scores(vectors[mine])
        goes = scores > learnt.border
        rows |= dict(zip(ids[mine][goes].tolist(), scores[goes].tolist(), strict=True))
    return pd.Series(rows, dtype="float64")
