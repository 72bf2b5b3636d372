"""The ground: what changes when files, images or look-alikes do, and not when people decide."""

from __future__ import annotations

import json
from hashlib import sha256

from sqlalchemy import Connection, func, select

from curate.store import processes, schema

_STILL = (
    *("queue", "label", "split", "train", "sweep", "lr-find", "augment check"),
    *("cleanup plan", "cleanup approve", "job"),
)
"""Stages that change neither files nor images nor what looks alike; any other may."""

_WITH_FILES = ("predictions", "looks")
"""Tables whose shards are written down together with files."""


def ground(connection: Connection) -> list[object]:
    """Give values that are the same as long as all that no decision says is the same.

    New files are written down together with a shard; that files are gone, with the root of a scan
    or before the end of a run.
    """
    shards = schema.shards
    written = select(func.max(shards.c.shard_id)).where(shards.c.table.in_(_WITH_FILES))
    newest = connection.scalar(written)
    ended, alive = _changing(connection)
    roots = connection.scalars(select(schema.roots.c.run_id)).all()
    return [newest, ended, sorted(set(roots) & set(alive))]


def last_decision(connection: Connection) -> int:
    """Give the number of the last decision; 0 where there is none."""
    return connection.scalar(select(func.max(schema.decisions.c.seq))) or 0


def digest(values: object) -> str:
    """Make a name of values."""
    return sha256(json.dumps(values).encode()).hexdigest()[:16]


def _changing(connection: Connection) -> tuple[list[object], list[int]]:
    """Give how many runs may have changed the ground, and the last; and those that run now."""
    runs = schema.runs
    columns = (runs.c.run_id, runs.c.stage, runs.c.status, runs.c.versions, runs.c.summary)
    query = select(*columns).where(runs.c.stage.not_in(_STILL)).order_by(runs.c.run_id.desc())
    ended, alive = [], []
    for run_id, stage, status, versions, summary in connection.execute(query):
        # A run that was killed has said its last word, though nobody wrote that down.
        if status == "running" and not processes.is_gone(json.loads(versions)):
            alive.append(run_id)
        elif not (stage == "scan" and status == "done" and _found_nothing(json.loads(summary))):
            ended.append(run_id)
    # Several runs go on beside each other: the last number alone says too little.
    return [len(ended), max(ended, default=0)], alive


def _found_nothing(summary: dict[str, object]) -> bool:
    return summary.get("read") == 0 and summary.get("gone") == 0
