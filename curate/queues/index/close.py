"""Close: the images whose two best classes are close, once more and side by side.

Recipes that ask what stands between two classes look at these alone: a small part of a pool that
lies all over an index. They are copied when it is made, with the columns that such recipes ask for.
"""

from __future__ import annotations

import duckdb

from curate.queues.filters.filters import Filters
from curate.queues.index.totals import WAITS
from curate.queues.recipe import CLOSE

_COLUMNS = (
    "alone, pair, number, predicted, second, score, second_score, margin, label, origin, rejected"
)

_KEPT = f"""
CREATE {{kind}} kept.close AS
SELECT {_COLUMNS}, rowid AS place FROM kept.rows WHERE {WAITS} AND margin <= {CLOSE} ORDER BY pair
"""

# Decisions change nothing of what the model said, so these are those of fresh rows too.
_PAIRS = f"""
CREATE {{kind}} kept.pairs AS
SELECT pair, any_value(predicted) AS one, any_value(second) AS other
FROM kept.rows WHERE margin <= {CLOSE} GROUP BY pair
"""

_COPIED = f"""
SELECT * FROM kept.close WHERE place NOT IN (SELECT place FROM fresh)
UNION ALL
SELECT {_COLUMNS}, -1 - rowid FROM fresh WHERE {WAITS} AND margin <= {CLOSE}
"""
_OF_CANDIDATES = f"SELECT * FROM candidates WHERE margin <= {CLOSE}"


def keep_close(answering: duckdb.DuckDBPyConnection, *, copied: bool = True) -> None:
    """Copy rows of an index, in a table of it; and name their pairs of classes, in another.

    Parameters
    ----------
    answering : DuckDBPyConnection
        With the rows of an index.
    copied : bool
        False for views, where rows are so few that copies help nobody.
    """
    for what in (_KEPT, _PAIRS):
        answering.execute(what.format(kind="TABLE" if copied else "VIEW"))


def close(filters: Filters) -> str:
    """Say in SQL which candidates are close.

    Parameters
    ----------
    filters : Filters
        What candidates fulfil; where they ask for more than undecided images, the copies do not
        know it.

    Returns
    -------
    str
        A question that gives `_COLUMNS` and `place`, or more.
    """
    plain = filters.conditions() == Filters().conditions() and not filters.sort
    return _COPIED if plain else _OF_CANDIDATES
