"""Where the log of decisions has every image now, or had it at an earlier number of the log."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Connection, func, select

from curate.store import schema

STAGE = "split"
MOVER = "move"
"""Who places an image by hand; what a person took out does not come back by itself."""


def placed(connection: Connection, until: int | None = None) -> pd.DataFrame:
    """Give the last place of every image that ever had one.

    An image that was left out and comes back returns to the split it once was in: what has trained
    a model must never test one. So the last place counts, and being left out only where a person
    said so.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    until : int, optional
        Only decisions up to this number of the log.

    Returns
    -------
    DataFrame
        image_id, split ('' where a person left the image out); sorted by image_id.
    """
    log = schema.decisions
    said = (log.c.kind == "split") & ((log.c.value != "") | (log.c.actor == MOVER))
    if until is not None:
        said &= log.c.seq <= until
    last = select(func.max(log.c.seq).label("seq")).where(said).group_by(log.c.image_id).subquery()
    query = (
        select(log.c.image_id, log.c.value)
        .join(last, log.c.seq == last.c.seq)
        .order_by(log.c.image_id)
    )
    return pd.DataFrame(connection.execute(query).all(), columns=["image_id", "split"])


def last_number(connection: Connection) -> int:
    """The number of the last decision of any kind; 0 where there is none."""
    return connection.scalar(select(func.max(schema.decisions.c.seq))) or 0
