"""The groups of near-duplicates as they were found last."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Connection, Select, delete, select

from curate.core.chunks import batched
from curate.store import decisions, schema
from curate.store.decisions import Decision
from curate.store.dialect import insert_or_replace

duplicates = schema.duplicates

COLUMNS = ["image_id", "group", "tie", "keeper", "similarity", "reason"]


def replace(connection: Connection, run_id: int, table: pd.DataFrame) -> None:
    """Put new groups, with the columns of `read`, in the place of the old ones."""
    connection.execute(delete(duplicates))
    for some in batched(table[COLUMNS].itertuples(index=False, name=None), 5000):
        rows = [{**dict(zip(COLUMNS, row, strict=True)), "run_id": run_id} for row in some]
        insert_or_replace(connection, duplicates, rows)


def read(connection: Connection, of: Select[tuple[str]] | None = None) -> pd.DataFrame:
    """Give the images that are alike to another.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    of : select, optional
        Gives the ids of the images that are asked for; all of them when not given.

    Returns
    -------
    DataFrame
        Columns image_id, group (the lowest id of its group), tie (the lowest id of all that hang
        together by alike pairs), keeper (the id that is kept of the group), similarity (to the
        keeper) and reason; sorted by image_id.
    """
    query = select(*[duplicates.c[name] for name in COLUMNS]).order_by(duplicates.c.image_id)
    if of is not None:
        query = query.where(duplicates.c.image_id.in_(of))
    return pd.DataFrame(connection.execute(query).all(), columns=COLUMNS)


def apart(connection: Connection) -> set[tuple[str, str]]:
    """Give the pairs of images of which a person said that they are no duplicates."""
    said = decisions.current(connection, "apart")
    said = said[said["value"] != ""]
    return set(zip(said["image_id"], said["field"], strict=True))


def part(connection: Connection, run_id: int, first: str, second: str, *, apart: bool) -> int:
    """Write down that two images are no duplicates, or take that back; 0 where it was so before."""
    low, high = min(first, second), max(first, second)
    value = "apart" if apart else ""
    said = decisions.current(connection, "apart").set_index(["image_id", "field"])["value"]
    if said.get((low, high), "") == value:
        return 0
    key = f"apart/{run_id}/{low}/{high}"
    return decisions.append(
        connection, run_id, [Decision("apart", low, value, key, "person", field=high)]
    )
