"""The log of decisions: appended, never changed; the current state is a view over it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Select, func, select

from curate.core.chunks import batched
from curate.core.errors import InputError
from curate.store import schema
from curate.store.dialect import insert_new

KINDS = {
    "label": "what the image shows; `value` is the class, `detail` may hold sub_class and bbox",
    "origin": "where it comes from; `value` is real, staged or synthetic",
    "group": "images that must not be parted; `field` names the column, `value` the group",
    "apart": "no duplicate of another image; `field` is its id, `value` 'apart', '' takes it back",
    "reject": "not wanted in any class; `value` is the reason, '' takes the rejection back",
    "split": "its place in the permanent split; `value` is '' when it is left out",
    "note": "a remark on a run, of no image: `value` is the text, `run_id` the run",
    "approve": "a policy may be followed when nobody watches, of no image: `field` says whose, "
    "`value` is its digest",
}
"""Kinds of decision, and what their columns mean."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """One thing that a person, or a policy that a person approved, said of an image."""

    kind: str
    image_id: str
    value: str
    key: str
    actor: str
    field: str = ""
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"decision {self.kind!r}", "is of no known kind", f"Known: {', '.join(KINDS)}."
            )


def append(connection: Connection, run_id: int, made: Iterable[Decision]) -> int:
    """Append decisions to the log.

    Returns
    -------
    int
        How many were new: one with the key of an earlier one is the same decision, sent again.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    new = 0
    for some in batched(made, 5000):
        rows = [
            {
                "key": decision.key,
                "kind": decision.kind,
                "image_id": decision.image_id,
                "field": decision.field,
                "value": decision.value,
                "detail": json.dumps(decision.detail, sort_keys=True, ensure_ascii=False),
                "actor": decision.actor,
                "run_id": run_id,
                "made_at": now,
            }
            for decision in some
        ]
        new += insert_new(connection, schema.decisions, rows, unique="key")
    return new


def current(
    connection: Connection,
    kind: str,
    actors: Sequence[str] = (),
    *,
    withdrawn: bool = True,
    of: Select[tuple[str]] | None = None,
) -> pd.DataFrame:
    """Give the last decision of a kind for each image (and field).

    Parameters
    ----------
    connection : Connection
        A view of the database.
    kind : str
        One of `KINDS`.
    actors : sequence of str
        Only what these said; everybody when empty.
    withdrawn : bool
        Whether a decision that took an earlier one back (its value is '') counts; otherwise the
        last one with a value is given.
    of : select, optional
        Gives the ids of the images that are asked for; all of them when not given.

    Returns
    -------
    DataFrame
        Columns image_id, field, value, detail (dict), actor, seq; sorted by seq.
    """
    log = schema.decisions
    said = log.c.kind == kind
    if actors:
        said &= log.c.actor.in_(actors)
    if not withdrawn:
        said &= log.c.value != ""
    if of is not None:
        said &= log.c.image_id.in_(of)
    last = (
        select(func.max(log.c.seq).label("seq"))
        .where(said)
        .group_by(log.c.image_id, log.c.field)
        .subquery()
    )
    columns = [log.c[name] for name in ("image_id", "field", "value", "detail", "actor", "seq")]
    query = select(*columns).join(last, log.c.seq == last.c.seq).order_by(log.c.seq)
    rows = connection.execute(query).all()
    table = pd.DataFrame(rows, columns=[column.name for column in columns])
    table["detail"] = [json.loads(text) for text in table["detail"]]
    return table


def ever(kind: str) -> Select[tuple[str]]:
    """Ask for the ids of the images of which a decision of a kind was ever made."""
    log = schema.decisions
    return select(log.c.image_id).where(log.c.kind == kind)
