"""Make a queue from what the library holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pandas as pd
from sqlalchemy import Connection, func, select

from curate.core.errors import InputError, LibraryError
from curate.queues.candidates import candidates
from curate.queues.filters import Filters, check_class
from curate.queues.recipe import Aim, compose
from curate.queues.recipes import recipe_of
from curate.store import facts, runs, schema, views
from curate.store.library import Library

STAGE = "queue"

PERIOD = 1.0
"""Seconds between two looks for new predictions."""


def queue(
    library: Library,
    recipe: str,
    filters: Filters,
    *,
    min_count: int,
    count: str = "groups",
    model: str | None = None,
) -> pd.DataFrame:
    """List the images that a person should look at next, and why.

    Parameters
    ----------
    library : Library
        Its predictions, labels and classes are asked; the queue is recorded as a run.
    recipe : str
        One of `RECIPES`.
    filters : Filters
        What every image of the queue fulfils.
    min_count : int
        The cutoff that `low-count` looks at.
    count : str
        What counts towards it: groups or images.
    model : str, optional
        Digest of the checkpoint whose predictions count; the one that predicted last when missing.

    Returns
    -------
    DataFrame
        `QUEUE_COLUMNS`: image_id, path, predicted, score, second (missing where the model has one
        class), second_score, reason, label (''); one row an image, in the order in which they
        should be looked at. It may be empty. `attrs` names the model (its digest), its checkpoint
        (the path) and other_models (how many others have predictions here).

    Raises
    ------
    InputError
        No such recipe, class or model.
    LibraryError
        There are no predictions yet.
    PolicyError
        The filters contradict themselves.
    """
    recipe_of(recipe)
    parameters = {
        "recipe": recipe,
        "filters": asdict(filters),
        "min_count": min_count,
        "count": count,
        "model": model,
    }
    with runs.running(library, STAGE, parameters, alone=False) as run:
        table, said = _queue(library, recipe, filters, min_count, count, model)
        run.summary.update(images=len(table), model=said.model, bulk_id=list(said.run_ids))
    return table


def follow(
    library: Library,
    recipe: str,
    filters: Filters,
    *,
    min_count: int,
    count: str = "groups",
    model: str | None = None,
) -> Iterator[Following]:
    """Give a queue again whenever there are new predictions, while bulk identifications run.

    Parameters
    ----------
    library, recipe, filters, min_count, count, model
        As `queue` takes them. Nothing is recorded.

    Yields
    ------
    Following
        At least one, at once; it ends when no bulk identification runs any more.

    Raises
    ------
    InputError, PolicyError
        As `queue`.
    LibraryError
        There are no predictions, and none are on their way.
    """
    recipe_of(recipe)
    before = None
    while True:
        now, since = _state(library)
        if now != before:
            before = now
            table = None
            if now or since is None:
                table, _ = _queue(library, recipe, filters, min_count, count, model)
            yield Following(table, since)
        if since is None:
            return
        time.sleep(PERIOD)


@dataclass(frozen=True)
class Following:
    """A queue at one moment.

    Attributes
    ----------
    table : DataFrame or None
        As `queue` gives it; None while there are no predictions at all.
    since : str or None
        When the bulk identification began that runs now (ISO 8601, UTC); None where none does.
    """

    table: pd.DataFrame | None
    since: str | None


def _queue(
    library: Library, recipe: str, filters: Filters, min_count: int, count: str, model: str | None
) -> tuple[pd.DataFrame, _Predicted]:
    chosen = recipe_of(recipe)
    with library.reading() as connection:
        said = _predicted(library, connection, model)
        counts = facts.class_counts(facts.images(connection), count)
    check_class(filters.class_, said.classes, list(counts["label"]))
    aim = Aim(counts, min_count, filters)
    with views.asked(library, "predictions", "images") as answering:
        found = candidates(answering, said.run_ids, filters, chosen.narrow(aim))
    table = compose(chosen, found, aim)
    table.attrs.update(model=said.model, checkpoint=said.path, other_models=said.others)
    return table, said


def _state(library: Library) -> tuple[int, str | None]:
    """Give the number of the last shard of predictions, and since when a bulk-id runs."""
    table, shards = schema.runs, schema.shards
    running = (table.c.stage == "bulk-id") & (table.c.status == "running")
    with library.reading() as connection:
        last = connection.scalar(
            select(func.max(shards.c.shard_id)).where(shards.c.table == "predictions")
        )
        since = connection.scalar(select(func.min(table.c.started_at)).where(running))
    return last or 0, since


@dataclass(frozen=True)
class _Predicted:
    """The runs of bulk identification whose predictions belong together, and their model."""

    run_ids: tuple[int, ...]
    model: str
    path: str
    others: int
    classes: tuple[str, ...]


def _predicted(library: Library, connection: Connection, model: str | None) -> _Predicted:
    """Find the last bulk identification that has predictions, and the runs that it resumed."""
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
    return _Predicted(
        tuple(run_ids),
        parameters["model"],
        parameters["path"],
        len(others),
        tuple(parameters["classes"]),
    )
