"""Queues that were given a name: the question, and the images in their order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, delete, insert, select

from curate.core import names as class_names
from curate.core.chunks import batched
from curate.core.errors import InputError
from curate.store import schema
from curate.store.dialect import insert_or_replace

queues, queued = schema.queues, schema.queued

COLUMNS = (
    *("image_id", "predicted", "score", "second", "second_score"),
    *("reason", "topic", "expected", "recipe"),
)
"""Columns of the images of a saved queue; the first five are what the model said then."""

_NUMBERS = ("score", "second_score", "expected")


@dataclass(frozen=True)
class Saved:
    """A saved queue.

    Attributes
    ----------
    name : str
        How it is called.
    question : dict
        What was asked (JSON values); the same can be asked anew.
    run_id : int
        The run that made it; what was decided in later runs is no longer to be looked at.
    saved_at : str
        ISO 8601, UTC.
    """

    name: str
    question: dict[str, Any]
    run_id: int
    saved_at: str


def check_name(name: str) -> None:
    """Refuse a name that is none.

    Raises
    ------
    InputError
        It breaks the rules for names of classes: it stands in tables and commands as they do.
    """
    fault = class_names.fault_of(name)
    if fault:
        raise InputError(f"queue {name!r}", f"its name {fault}", "Give another, such as: monday.")


def save(
    connection: Connection, run_id: int, name: str, question: Mapping[str, Any], table: pd.DataFrame
) -> None:
    """Keep a queue under a name, in the place of the one that had it; in the caller's transaction.

    Parameters
    ----------
    connection : Connection
        A writing one.
    run_id : int
        The run that made the queue.
    name : str
        See `check_name`.
    question : mapping
        JSON values.
    table : DataFrame
        `COLUMNS`, one row an image, in order. Other columns are left.

    Raises
    ------
    InputError
        The name is none, or differs only in case from that of another saved queue.
    """
    check_name(name)
    for _, other in class_names.clashes([name], names(connection)):
        raise InputError(
            f"queue {name!r}",
            f"a queue {other!r} is saved, and people would take the two for one",
            f"Call it {other!r} to put it in that one's place, or give another name.",
        )
    saved_at = datetime.now(UTC).isoformat(timespec="seconds")
    row = {
        "name": name,
        "question": json.dumps(question, sort_keys=True, ensure_ascii=False),
        "run_id": run_id,
        "saved_at": saved_at,
    }
    connection.execute(delete(queued).where(queued.c.name == name))
    insert_or_replace(connection, queues, [row])
    plain = table[list(COLUMNS)].astype(object)
    # Databases know no NaN: what nobody said is NULL.
    records = plain.where(plain.notna(), None).to_dict("records")
    for some in batched(enumerate(records, start=1), 5000):
        rows = [
            {"name": name, "position": position, **{str(key): value for key, value in row.items()}}
            for position, row in some
        ]
        connection.execute(insert(queued), rows)


def names(connection: Connection) -> list[str]:
    """Give the names of all saved queues, sorted."""
    return list(connection.scalars(select(queues.c.name).order_by(queues.c.name)))


def saved(connection: Connection, name: str) -> Saved:
    """Give what is known of a saved queue.

    Raises
    ------
    InputError
        There is none of this name; the message lists those that there are.
    """
    row = connection.execute(select(queues).where(queues.c.name == name)).first()
    if row is None:
        known = names(connection)
        meant = class_names.nearest(name, known)
        hint = f"Did you mean {meant}? " if meant else ""
        listed = f"Saved: {', '.join(known)}." if known else "None is saved yet."
        raise InputError(f"queue {name!r}", "none is saved under this name", f"{hint}{listed}")
    return Saved(row.name, json.loads(row.question), row.run_id, row.saved_at)


def images(connection: Connection, name: str) -> pd.DataFrame:
    """Give the images of a saved queue, all of them.

    Returns
    -------
    DataFrame
        `COLUMNS`, in the order of the queue; empty where there is none of this name.
    """
    query = (
        select(*[queued.c[column] for column in COLUMNS])
        .where(queued.c.name == name)
        .order_by(queued.c.position)
    )
    found = pd.DataFrame(connection.execute(query).all(), columns=list(COLUMNS))
    texts = [column for column in COLUMNS if column not in _NUMBERS]
    return found.astype(dict.fromkeys(_NUMBERS, "float64") | dict.fromkeys(texts, "string"))


def forget(connection: Connection, name: str) -> None:
    """Let go of a saved queue, in the caller's transaction; no decision is touched.

    Raises
    ------
    InputError
        There is none of this name.
    """
    saved(connection, name)
    connection.execute(delete(queued).where(queued.c.name == name))
    connection.execute(delete(queues).where(queues.c.name == name))


def images_of_any(connection: Connection) -> set[str]:
    """Give the ids of all images of saved queues: somebody means to look at them, so they stay."""
    return set(connection.scalars(select(queued.c.image_id).distinct()))
