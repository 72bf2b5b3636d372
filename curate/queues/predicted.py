"""Which predictions count: those of one model, of all runs of it that resumed each other."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from curate.core.errors import InputError, LibraryError
from curate.store import processes, schema
from curate.store.library import Library


@dataclass(frozen=True)
class Predicted:
    """The runs of bulk identification whose predictions belong together, and their model.

    Attributes
    ----------
    run_ids : tuple of int
        The runs.
    model, path : str
        Digest of the checkpoint, and where it lay.
    others : int
        How many other models have predictions in the library.
    classes : tuple of str
        The classes of the model.
    """

    run_ids: tuple[int, ...]
    model: str
    path: str
    others: int
    classes: tuple[str, ...]


def predicted(library: Library, connection: Connection, model: str | None = None) -> Predicted:
    """Find the last bulk identification that has predictions, and the runs that it resumed.

    Parameters
    ----------
    library : Library
        Where it is recorded.
    connection : Connection
        To it.
    model : str, optional
        Digest of the checkpoint that is meant; the one that predicted last when missing.

    Raises
    ------
    LibraryError
        There are no predictions at all.
    InputError
        There are some, but none of this model.
    """
    table, shards = schema.runs, schema.shards
    filled = (
        select(table.c.key)
        .join(shards, shards.c.run_id == table.c.run_id)
        .where(shards.c.table == "predictions")
    )
    # A run that found everything known left no shard of its own, and is the last one all the same.
    query = (
        select(table.c.run_id, table.c.key, table.c.parameters)
        .where(table.c.stage == "bulk-id", table.c.key.in_(filled))
        .order_by(table.c.run_id.desc())
    )
    found = [(run_id, key, json.loads(text)) for run_id, key, text in connection.execute(query)]
    if not found:
        raise LibraryError(
            str(library.root),
            "the library holds no predictions, so there is nothing to make a queue of",
            "Run `curate bulk-id --model CHECKPOINT FOLDER` first.",
        )
    asked = [one for one in found if model is None or one[2]["model"] == model]
    if not asked:
        models = sorted({parameters["model"] for _, _, parameters in found})
        raise InputError(
            f"model {model!r}",
            "the library holds no predictions of it",
            f"Run `curate bulk-id` with it, or ask for one of: {', '.join(models)}.",
        )
    _, last, parameters = asked[0]
    run_ids = sorted(run_id for run_id, key, _ in asked if key == last)
    others = {one["model"] for _, _, one in found} - {parameters["model"]}
    return Predicted(
        tuple(run_ids),
        parameters["model"],
        parameters["path"],
        len(others),
        tuple(parameters["classes"]),
    )


def standing(library: Library) -> tuple[int, str | None]:
    """Give the number of the last shard of predictions, and since when a bulk-id runs."""
    table, shards = schema.runs, schema.shards
    running = (table.c.stage == "bulk-id") & (table.c.status == "running")
    with library.reading() as connection:
        last = connection.scalar(
            select(func.max(shards.c.shard_id)).where(shards.c.table == "predictions")
        )
        begun = connection.execute(select(table.c.started_at, table.c.versions).where(running))
        # One that was killed could not write down that it ended.
        since = [at for at, versions in begun if not processes.is_gone(json.loads(versions))]
    return last or 0, min(since, default=None)
