"""What queues offered, and what people answered later: what expected yields are learnt from."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, func, select

from curate.core.chunks import batched
from curate.core.names import REJECTED
from curate.store import schema, shards
from curate.store.library import Library

TABLE = "offered"

SCHEMA = pa.schema(
    [("run_id", pa.int64()), ("position", pa.int32())]
    + [(name, pa.string()) for name in ("image_id", "recipe", "topic", "predicted")]
    + [(name, pa.float64()) for name in ("score", "known", "expected", "calibrated")]
)
"""One row an image that a queue showed: the run, its place from 1, what it was there for, what the
model said, how likely the image was of a class that the model knows, and how likely a look was to
succeed, by the scores alone and by earlier answers too."""

RECENT = 50
"""Queues that are remembered, the last ones. Older ones had other models before them, and a library
that is used for years must not get slower by each queue."""


def write(library: Library, run_id: int, table: pd.DataFrame, *, recipe: str = "") -> None:
    """Keep what a queue shows, as a shard that counts at once.

    Parameters
    ----------
    library : Library
        Where it is kept.
    run_id : int
        The run of the queue.
    table : DataFrame
        image_id, topic, predicted, score, expected (by the scores alone), in the order of the
        queue; optionally known, calibrated (what was shown as expected;
        where it is absent, that is expected), and recipe (of a plan).
    recipe : str
        The recipe of all rows, where the table has no column `recipe`.
    """
    if table.empty:
        return
    rows = table.assign(run_id=run_id, position=range(1, len(table) + 1))
    rows["recipe"] = table.get("recipe", recipe)
    rows["known"] = table.get("known", float("nan"))
    rows["calibrated"] = table.get("calibrated", table["expected"])
    kept = pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    shard = shards.write(library, TABLE, run_id, 0, kept)
    with library.writing() as connection:
        shards.reference(connection, shard)


def read(library: Library, *, recent: int = RECENT, before: int | None = None) -> pd.DataFrame:
    """Give what the last queues offered.

    Parameters
    ----------
    library : Library
        Its queues.
    recent : int
        So many queues, the last ones.
    before : int, optional
        Of these, only queues of earlier runs than this.

    Returns
    -------
    DataFrame
        Columns of `SCHEMA`, in the order in which it was offered. A queue whose shard is damaged is
        left out: it can be no other way than that less is learnt.
    """
    with library.reading() as connection:
        found = shards.referenced(connection, TABLE)[-recent:]
    wanted = [shard for shard in found if before is None or shard.run_id < before]
    whole = [shard for shard in wanted if not shards.fault(library, shard)]
    tables = [_table(library, shard) for shard in whole]
    rows: pd.DataFrame = pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pandas()
    return rows


def _table(library: Library, shard: shards.Shard) -> pa.Table:
    # Not `read_table`, which takes several times as long to set out for so few rows.
    with pq.ParquetFile(library.folder / shard.path) as file:
        rows = file.read()
    there = {name: rows[name] for name in SCHEMA.names if name in rows.column_names}
    missing = {field.name: pa.nulls(len(rows), field.type) for field in SCHEMA}
    return pa.table(missing | there).select(SCHEMA.names).cast(SCHEMA)


def answers(connection: Connection, image_ids: Collection[str]) -> pd.DataFrame:
    """Give what was said of images, as the log tells it: how it stood after each decision.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    image_ids : collection of str
        The images.

    Returns
    -------
    DataFrame
        seq, image_id, run_id and answer: a class, *unknown*, *rejected*, or '' where all that had
        been said was taken back; sorted by seq.
    """
    log = schema.decisions
    chosen = select(log.c.seq, log.c.image_id, log.c.run_id, log.c.kind, log.c.value)
    said = log.c.kind.in_(["label", "reject"])
    rows = [
        row
        for some in batched(sorted(set(image_ids)), 500)
        for row in connection.execute(chosen.where(said, log.c.image_id.in_(some)))
    ]
    return standing(pd.DataFrame(rows, columns=["seq", "image_id", "run_id", "kind", "value"]))


def labelled_since(connection: Connection, names: Collection[str], images: int) -> dict[str, int]:
    """Give the run since which so many images were ever labelled as one of some classes, by class.

    Classes of which there never were so many are not among them.
    """
    log = schema.decisions
    query = select(log.c.value, func.min(log.c.run_id)).where(log.c.kind == "label")
    found: dict[str, list[int]] = {}
    for some in batched(sorted(set(names)), 500):
        asked = query.where(log.c.value.in_(some)).group_by(log.c.value, log.c.image_id)
        for name, run_id in connection.execute(asked):
            found.setdefault(name, []).append(run_id)
    return {name: sorted(all_)[images - 1] for name, all_ in found.items() if len(all_) >= images}


def standing(log: pd.DataFrame) -> pd.DataFrame:
    """Say how each image stood after each decision.

    Parameters
    ----------
    log : DataFrame
        seq, image_id, run_id, kind (``label`` or ``reject``) and value of decisions.

    Returns
    -------
    DataFrame
        As `answers` gives it.
    """
    found = log.sort_values("seq", ignore_index=True)
    # A rejection taken back gives way to the label of before.
    stood = {
        kind: found["value"].where(found["kind"] == kind).groupby(found["image_id"]).ffill()
        for kind in ("label", "reject")
    }
    refused = stood["reject"].fillna("") != ""
    found["answer"] = stood["label"].fillna("").mask(refused, REJECTED)
    return found[["seq", "image_id", "run_id", "answer"]]
