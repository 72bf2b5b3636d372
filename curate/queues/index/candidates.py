"""Candidates: what one model said of the images that may be in a queue, asked of their index."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from curate.queues.filters.filters import Filters
from curate.queues.index.close import close
from curate.queues.index.foremost import FOUND
from curate.queues.index.frames import frame
from curate.queues.index.gathered import OF_ROW
from curate.queues.index.leading import lead, suffices
from curate.queues.recipe import CANDIDATE_COLUMNS, LABELLED_COLUMNS

MOST_REJECTED = 2000
"""Enough to know what is not wanted by now; a pool may have been cleaned of millions."""


LABELLED = "label IS NOT NULL AND NOT rejected"
"""What has a label, in SQL."""


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


# Two steps: which rows, from the few columns that the question is about; then all columns of those.
_WHICH = """
CREATE OR REPLACE TEMP TABLE chosen AS
WITH candidates AS NOT MATERIALIZED (SELECT * FROM {rows} WHERE {conditions}),
close AS NOT MATERIALIZED ({close}),
pairs AS NOT MATERIALIZED (SELECT * FROM kept.pairs),
labelled AS NOT MATERIALIZED (SELECT * FROM everything WHERE {labelled})
SELECT * EXCLUDE ({names}, alone, pair, number) FROM (SELECT * FROM candidates {narrowed})
"""
_ROWS = f"""
WITH found AS (
    {FOUND}
    UNION ALL
    SELECT {OF_ROW}, -1 - rowid FROM fresh WHERE -1 - rowid IN (SELECT place FROM chosen)
)
SELECT found.* EXCLUDE (place), chosen.* EXCLUDE (place)
FROM found JOIN chosen ON chosen.place = found.place
"""


def candidates(
    answering: duckdb.DuckDBPyConnection,
    filters: Filters,
    classes: pd.DataFrame,
    narrowed: tuple[str, list[object]] = ("", []),
    rank: str = "",
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
    rank : str
        What its `rank` says; '' where it has none.

    Returns
    -------
    DataFrame
        `CANDIDATE_COLUMNS` and what `narrowed` adds, one row an image, in no particular order.
        Images of which no file can be read any more are not among them.
    """
    answering.register("classes", pa.Table.from_pandas(classes, preserve_index=False))
    conditions, values = filters.conditions()
    tail, more = narrowed

    def choose_of(rows: str) -> None:
        which = _WHICH.format(
            names=_quoted(CANDIDATE_COLUMNS),
            rows=rows,
            conditions=" AND ".join(conditions) or "true",
            close=close(filters),
            labelled=LABELLED,
            narrowed=tail,
        )
        answering.execute(which, [*values, *more])

    found = False
    if lead(answering, rank, filters):
        choose_of("ahead")
        found = suffices(answering, filters)
    if not found:
        choose_of("everything")
    return frame(answering, _ROWS)


def labelled(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give the images that have a label (*unknown* is one), whatever filters say.

    Rejected ones are not among them. `LABELLED_COLUMNS`.
    """
    return _slim(answering, LABELLED)


def rejected(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give the images that were rejected, the last `MOST_REJECTED` of them.

    `LABELLED_COLUMNS`.
    """
    latest = "rejected ORDER BY label_run DESC NULLS LAST, image_id LIMIT"
    return _slim(answering, f"{latest} {MOST_REJECTED}")


def answered(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give the images that somebody labelled or rejected after the model had predicted them.

    `LABELLED_COLUMNS`.
    """
    # That nobody decided on them is known of whole blocks of rows.
    return _slim(answering, "label_run IS NOT NULL AND label_run > run_id")


def of_other(answering: duckdb.DuckDBPyConnection, found: pd.DataFrame) -> pd.DataFrame:
    """Give what another checkpoint says of images where it denies what the one that is asked says.

    Parameters
    ----------
    answering : DuckDBPyConnection
        With the view `compared`, see `compared.compare`.
    found : DataFrame
        Candidates, with other and other_score.

    Returns
    -------
    DataFrame
        image_id, predicted and score: of these candidates, and of all labelled images.
    """
    labelled = frame(
        answering,
        "SELECT image_id, other, other_score FROM everything JOIN compared USING (place) "
        "WHERE label IS NOT NULL AND NOT rejected",
    )
    both = pd.concat([found[list(labelled.columns)], labelled]).drop_duplicates("image_id")
    both.columns = pd.Index(["image_id", "predicted", "score"])
    return both.reset_index(drop=True)


def _slim(answering: duckdb.DuckDBPyConnection, condition: str) -> pd.DataFrame:
    names = _quoted(LABELLED_COLUMNS)
    return frame(answering, f"SELECT {names} FROM everything WHERE {condition}")
