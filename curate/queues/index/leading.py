"""Leading: a plain question is asked of the rows that come first, before it is asked of all.

What an index has copied for an order (`foremost`) are the first rows of it, without a gap: no other
row comes before the last of them. So who wants the first rows of that order finds them among these,
if enough of them pass the filters. Else all rows are asked.
"""

from __future__ import annotations

import duckdb

from curate.queues.filters.choosing import reach, sorting
from curate.queues.filters.filters import Filters
from curate.queues.index.foremost import MOST, ORDERS
from curate.queues.index.gathered import OF_ROW

_COLUMNS = f"{OF_ROW}, alone, pair, number"

# Fresh rows take their places among the copies. A fresh row behind the last copy may have others
# before it that were not copied.
_FIRST = f"""
CREATE OR REPLACE TEMP TABLE foremost AS
WITH ranked AS (
    SELECT *, row_number() OVER (ORDER BY {{rank}}, number) AS nth FROM (
        (SELECT {_COLUMNS}, place, true AS copied FROM kept.foremost
            ORDER BY {{rank}}, number LIMIT {{most}})
        UNION ALL
        SELECT {_COLUMNS}, -1 - rowid, false FROM fresh WHERE there
    )
)
SELECT place FROM ranked
WHERE nth <= (SELECT max(nth) FROM ranked WHERE copied)
    AND place NOT IN (SELECT place FROM fresh)
"""

_ALONE = f"""
CREATE OR REPLACE TEMP VIEW ahead AS
SELECT {_COLUMNS}, place FROM kept.foremost WHERE place IN (FROM foremost)
UNION ALL
SELECT {_COLUMNS}, -1 - rowid FROM fresh WHERE -1 - rowid IN (FROM foremost)
"""

# Of images that look alike, the one that stays may be behind, where the queue is sorted anew.
_WITH_MATES = f"""
{_ALONE}
UNION ALL
SELECT {_COLUMNS}, place FROM everything
WHERE NOT alone AND place NOT IN (FROM foremost) AND "group" IN (
    SELECT "group" FROM kept.foremost WHERE NOT alone AND place IN (FROM foremost)
    UNION ALL
    SELECT "group" FROM fresh WHERE NOT alone AND -1 - rowid IN (FROM foremost)
)
"""

_FOUND = "SELECT count(*) FROM chosen WHERE place IN (FROM foremost)"


def lead(answering: duckdb.DuckDBPyConnection, rank: str, filters: Filters) -> bool:
    """Make the view `ahead`, with the columns of `everything`, of rows that come first.

    Parameters
    ----------
    answering : DuckDBPyConnection
        As `indexed.asked` gives it.
    rank : str
        The order, in SQL; between equals `number` decides. '' for one that SQL does not know.
    filters : Filters
        What is asked for.

    Returns
    -------
    bool
        False where the index has no copies that could tell; there is no view then.
    """
    if rank not in ORDERS or filters.labelled or reach(filters) >= MOST:
        return False
    if sorting(filters) and filters.per_class is not None:
        # Those that stay of a class come first in another order.
        return False
    ((copied,),) = answering.execute("SELECT count(*) FROM kept.foremost").fetchall()
    if copied < reach(filters):
        return False
    answering.execute(_FIRST.format(rank=rank, most=MOST))
    answering.execute(_WITH_MATES if sorting(filters) else _ALONE)
    return True


def suffices(answering: duckdb.DuckDBPyConnection, filters: Filters) -> bool:
    """Whether the table `chosen`, taken from `ahead`, is what would be taken from all rows."""
    ((found,),) = answering.execute(_FOUND).fetchall()
    return bool(found >= reach(filters))
