"""Candidates: what one model said of the images that may be in a queue, asked of DuckDB."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd

from curate.queues.filters import Filters
from curate.queues.recipe import CANDIDATE_COLUMNS

_QUERY = """
WITH said AS NOT MATERIALIZED (
    SELECT * FROM predictions WHERE status = 'ok' AND list_contains(?::BIGINT[], run_id)
),
facts AS (
    -- Empty columns come without a type.
    SELECT image_id::VARCHAR AS image_id, path::VARCHAR AS path, label::VARCHAR AS label,
        origin::VARCHAR AS origin
    FROM images WHERE usable
),
candidates AS (
    SELECT said.* EXCLUDE (path), facts.* EXCLUDE (image_id)
    FROM said
    -- An image may lie in two files, and a resumed run may have met it again: the last row counts.
    -- Unlike a window function, this join lets the filters run while the shards are read.
    ANTI JOIN said AS later
        ON later.image_id = said.image_id
        AND (later.run_id, later.path) > (said.run_id, said.path)
    JOIN facts ON facts.image_id = said.image_id
)
SELECT {columns} FROM (SELECT * FROM candidates WHERE {conditions}) AS candidates
{narrowed}
"""


def candidates(
    answering: duckdb.DuckDBPyConnection,
    run_ids: Sequence[int],
    filters: Filters,
    narrowed: tuple[str, list[object]] = ("", []),
) -> pd.DataFrame:
    """Give the images that filters let through, with what a model said of them.

    Parameters
    ----------
    answering : DuckDBPyConnection
        With the views `predictions` and `images` of `store.views`.
    run_ids : sequence of int
        The runs of bulk identification that count.
    filters : Filters
        What every image fulfils.
    narrowed : (str, list)
        What a recipe's `narrow` says.

    Returns
    -------
    DataFrame
        `CANDIDATE_COLUMNS`, one row an image, in no particular order. Images that were rejected,
        or of which no file can be read any more, are not among them.
    """
    conditions, values = filters.conditions()
    tail, more = narrowed
    query = _QUERY.format(
        columns=", ".join(CANDIDATE_COLUMNS),
        conditions=" AND ".join(conditions) or "true",
        narrowed=tail,
    )
    return answering.execute(query, [list(run_ids), *values, *more]).df()
