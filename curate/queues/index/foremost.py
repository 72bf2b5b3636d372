"""Foremost: the rows that plain questions show first, once more and side by side.

Images that are unsure, drawn by chance or new lie all over an index, and to read 500 of them means
to read a block of each column for each. Of these orders the first rows are copied when the index is
made. Rows of an index never change, so a copy is as good as the row: a plain question is asked of
the copies first (`leading`), and what a queue shows of any row is looked for here first.
"""

from __future__ import annotations

import duckdb

from curate.queues.index.gathered import OF_ROW
from curate.queues.index.totals import WAITS
from curate.queues.recipes import random

MOST = 5_000
"""Rows of each order: queues of a usual length for as long as few answers lie over an index."""

ORDERS = (
    "score",
    "margin",
    "entropy DESC",
    "arrived DESC",
    "taken DESC NULLS LAST, score",
    random.way(0),
)
"""By what queues are often ordered; between equals the image id decides."""

_KEPT = f"""
CREATE TABLE kept.foremost AS
SELECT {OF_ROW}, alone, pair, number, rowid AS place FROM kept.rows WHERE rowid IN (FROM picked)
"""

FOUND = f"""
SELECT {OF_ROW}, place FROM kept.foremost WHERE place IN (SELECT place FROM chosen)
UNION ALL
SELECT {OF_ROW}, rowid FROM kept.rows
WHERE rowid IN (SELECT place FROM chosen WHERE place NOT IN (SELECT place FROM kept.foremost))
"""
"""The rows of an index that the table `chosen` names by their `place`."""


def keep_foremost(answering: duckdb.DuckDBPyConnection, most: int = MOST) -> None:
    """Copy rows of an index, so many of each order, in a table of it."""
    answering.execute("CREATE OR REPLACE TEMP TABLE picked (place BIGINT)")
    for order in ORDERS if most else ():
        answering.execute(
            f"INSERT INTO picked SELECT rowid FROM kept.rows WHERE {WAITS} "
            f"ORDER BY {order}, number LIMIT {most}"
        )
    answering.execute(_KEPT)
