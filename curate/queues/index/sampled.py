"""Sampled: a fair sample of a pool, and of the labelled images beside it.

That of the pool is drawn when the index is made, larger than it must be: some of it is decided
later, and nobody reads millions of rows again.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from curate.queues.expectations.makeup import COLUMNS
from curate.queues.index.frames import frame
from curate.queues.index.totals import WAITS, totals

MOST = 4_000
"""So many images of the pool, and as many labelled ones, tell what a pool is made of."""

LABELLED = ("label = 'unknown'", "label <> 'unknown'")
"""What is sampled apart of the labelled images, in SQL."""

_SPARE = 2
_NUMBERS = 2.0**64
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)

# Numbers are drawn by chance from all that have 64 bits: the lowest are a fair sample.
_KEPT = f"""
CREATE TABLE kept.sample AS
SELECT {_NAMES}, number, rowid AS place FROM kept.rows
WHERE {WAITS} AND number < {_NUMBERS} * least(
    1, {_SPARE * MOST} / (SELECT greatest(sum(images), 1) FROM kept.totals)
)
"""
_OF_POOL = f"""
SELECT {_NAMES} FROM kept.sample
WHERE number < $most AND place NOT IN (SELECT place FROM fresh)
UNION ALL
SELECT {_NAMES} FROM fresh WHERE {WAITS} AND number < $most
"""
_OF_LABELLED = """
SELECT {names} FROM everything WHERE rejected IS NOT TRUE AND {kind} AND number < {numbers} * least(
    1, (SELECT {most} / greatest(count(*), 1) FROM everything WHERE rejected IS NOT TRUE AND {kind})
)
"""


def keep_sample(answering: duckdb.DuckDBPyConnection) -> None:
    """Draw images of an index, which has its totals, in a table of it."""
    answering.execute(_KEPT)


def sampled(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give a fair sample of the undecided images, and of each of `LABELLED`.

    Parameters
    ----------
    answering : DuckDBPyConnection
        As `indexed.asked` gives it.

    Returns
    -------
    DataFrame
        `makeup.COLUMNS`, about `MOST` images of each kind or all of fewer, in no particular order.
        Rejected images are not among them.
    """
    pool = max(int(totals(answering)["images"].sum()), 1)
    parts = [frame(answering, _OF_POOL, {"most": _NUMBERS * min(1.0, MOST / pool)})]
    for kind in LABELLED:
        query = _OF_LABELLED.format(names=_NAMES, kind=kind, numbers=_NUMBERS, most=MOST)
        parts.append(frame(answering, query))
    return pd.concat(parts, ignore_index=True)
