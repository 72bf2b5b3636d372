"""Totals: what waits for a decision, counted by predicted class when the index is made.

What was decided since changes few rows, and these are known: so nobody counts millions again.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from curate.core.losses import THRESHOLDS

WAITS = "there AND label IS NULL AND rejected IS NOT TRUE"
"""Whether a row of an index, or one laid over it, is a candidate that nobody decided on."""

_COUNTED = {
    "images": "true",
    **{f"up_to_{at}": f"score <= {edge}" for at, edge in enumerate(THRESHOLDS)},
}
"""Columns of totals, and what is counted in each."""

_KEPT = f"""
CREATE TABLE kept.totals AS
SELECT predicted, {", ".join(f"count(*) FILTER ({what}) AS {n}" for n, what in _COUNTED.items())}
FROM kept.rows WHERE {WAITS} GROUP BY predicted
"""

# A decision changes nothing of what the model said: so a fresh row counts less or more by one.
_NOW = f"""
WITH moved AS (
    SELECT *, ({WAITS})::INT - was::INT AS more FROM fresh
)
SELECT predicted, {", ".join(f"coalesce(sum({n}), 0)::BIGINT AS {n}" for n in _COUNTED)} FROM (
    FROM kept.totals UNION ALL BY NAME
    SELECT predicted, {", ".join(f"more * ({what})::INT AS {n}" for n, what in _COUNTED.items())}
    FROM moved WHERE more <> 0
) GROUP BY predicted HAVING sum(images) > 0 ORDER BY predicted
"""


def keep_totals(answering: duckdb.DuckDBPyConnection) -> None:
    """Count the rows of an index, in a table of it."""
    answering.execute(_KEPT)


def totals(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give what waits for a decision, by predicted class.

    Parameters
    ----------
    answering : DuckDBPyConnection
        As `indexed.asked` gives it.

    Returns
    -------
    DataFrame
        predicted, sorted; images; ``up_to_0`` … (with a score up to each of `losses.THRESHOLDS`).
    """
    return answering.execute(_NOW).df()
