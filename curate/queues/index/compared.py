"""Compared: where another checkpoint takes images for another class than the one that is asked.

Predictions never change, so what differs between two of them is found once, and kept beside the
index.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
from sqlalchemy import func, select

from curate.queues.index.gathered import gather_said
from curate.queues.index.ground import digest
from curate.queues.index.indexed import BUILDING
from curate.queues.index.making import making, quoted
from curate.store import schema, views
from curate.store.library import Library

_DIFFERING = """
SELECT rows.rowid AS place, other_said.predicted AS other, other_said.score AS other_score
FROM kept.rows AS rows JOIN other_said USING (image_id)
WHERE other_said.predicted <> rows.predicted
"""

_LAID = """
CREATE OR REPLACE TEMP VIEW compared AS
FROM differing WHERE place NOT IN (SELECT place FROM fresh)
UNION ALL
SELECT -1 - fresh.rowid, other, other_score FROM differing JOIN fresh USING (place)
"""


def compare(library: Library, answering: duckdb.DuckDBPyConnection, run_ids: Sequence[int]) -> None:
    """Make the view `compared` of the images that another checkpoint takes for another class.

    Parameters
    ----------
    library : Library
        The library.
    answering : DuckDBPyConnection
        As `indexed.asked` gives it. The view has `place`, as `everything` has it, other (the class)
        and other_score.
    run_ids : sequence of int
        The runs of the other checkpoint.

    Raises
    ------
    LibraryError
        A shard is damaged, or what differs cannot be written.
    """
    where = "SELECT path FROM duckdb_databases() WHERE database_name = 'kept'"
    (index,) = answering.execute(where).fetchone() or (None,)
    if index is None:
        gather_said(answering, "other_said", run_ids)
        answering.execute(f"CREATE OR REPLACE TEMP VIEW differing AS {_DIFFERING}")
    else:
        table = _kept(library, Path(index), run_ids)
        answering.execute(
            f"CREATE OR REPLACE TEMP VIEW differing AS FROM read_parquet('{quoted(table)}')"
        )
    answering.execute(_LAID)


def _kept(library: Library, index: Path, run_ids: Sequence[int]) -> Path:
    """Find what differs in a file beside the index, or make that."""
    shards = schema.shards
    mine = (shards.c.table == "predictions") & shards.c.run_id.in_(run_ids)
    with library.reading() as connection:
        newest = connection.scalar(select(func.max(shards.c.shard_id)).where(mine))
    model = f"{index.stem}~{digest(min(run_ids))}-"
    final = index.with_name(f"{model}{digest([list(run_ids), newest])}.parquet")
    if not final.exists():
        with making(final) as made, views.asked(library, "predictions") as answering:
            answering.execute(f"SET memory_limit = '{BUILDING}'")
            answering.execute("SET temp_directory = ?", [str(made.parent / "spilled")])
            answering.execute("SET preserve_insertion_order = false")
            answering.execute(f"ATTACH '{quoted(index)}' AS kept (READ_ONLY)")
            answering.execute(f"ATTACH '{quoted(made.parent / 'staged')}' AS staged")
            answering.execute("SET search_path = 'staged.main,memory.main'")
            gather_said(answering, "other_said", run_ids)
            answering.execute(f"COPY ({_DIFFERING}) TO '{quoted(made)}'")
        for old in index.parent.glob(f"{model}*.parquet"):
            if old != final:
                old.unlink(missing_ok=True)
    return final
