"""Candidates: what one model said of the images that may be in a queue, asked of their index."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from curate.queues.filters.filters import Filters
from curate.queues.recipe import CANDIDATE_COLUMNS

_NAMES = ", ".join(f'"{name}"' for name in CANDIDATE_COLUMNS)

# Two steps: which rows, from the few columns that the question is about; then all columns of those.
_WHICH = """
CREATE OR REPLACE TEMP TABLE chosen AS
WITH candidates AS NOT MATERIALIZED (SELECT * FROM everything WHERE {conditions})
SELECT * EXCLUDE ({names}, alone, pair) FROM (SELECT * FROM candidates {narrowed})
"""
_ROWS = """
WITH found AS (
    SELECT {names}, rowid AS place FROM kept.rows WHERE rowid IN (SELECT place FROM chosen)
    UNION ALL
    SELECT {names}, -1 - rowid FROM fresh WHERE -1 - rowid IN (SELECT place FROM chosen)
)
SELECT found.* EXCLUDE (place), chosen.* EXCLUDE (place)
FROM found JOIN chosen ON chosen.place = found.place
"""


def candidates(
    answering: duckdb.DuckDBPyConnection,
    filters: Filters,
    classes: pd.DataFrame,
    narrowed: tuple[str, list[object]] = ("", []),
) -> pd.DataFrame:
    """Give the images that filters let through, with what a model said of them.

    Parameters
    ----------
    answering : DuckDBPyConnection
        As `indexed.asked` gives it.
    filters : Filters
        What every image fulfils.
    classes : DataFrame
        As `facts.class_counts` gives it.
    narrowed : (str, list)
        What a recipe's `narrow` says.

    Returns
    -------
    DataFrame
        `CANDIDATE_COLUMNS` and what `narrowed` adds, one row an image, in no particular order.
        Images of which no file can be read any more are not among them.
    """
    answering.register("classes", pa.Table.from_pandas(classes, preserve_index=False))
    conditions, values = filters.conditions()
    tail, more = narrowed
    return _found(answering, " AND ".join(conditions) or "true", tail, [*values, *more])


def labelled(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give the images that have a label (*unknown* is one), whatever filters say.

    Rejected ones are not among them.
    """
    return _found(answering, "label IS NOT NULL AND NOT rejected", "", [])


def answered(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give the images that somebody labelled or rejected after the model had predicted them."""
    return _found(answering, "label_run > run_id", "", [])


def said(answering: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> pd.DataFrame:
    """Give some columns of all images that can be read, with their ids."""
    names = ", ".join(f'"{name}"' for name in ("image_id", *columns))
    return answering.execute(f"SELECT {names} FROM everything").df()


def _found(
    answering: duckdb.DuckDBPyConnection, conditions: str, tail: str, values: list[object]
) -> pd.DataFrame:
    answering.execute(_WHICH.format(names=_NAMES, conditions=conditions, narrowed=tail), values)
    return answering.execute(_ROWS.format(names=_NAMES)).df()
