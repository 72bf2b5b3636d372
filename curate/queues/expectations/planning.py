"""The plan of a labelling budget, from what the library holds."""

from __future__ import annotations

import pandas as pd

from curate.core.errors import CurateError, PolicyError
from curate.queues import saving
from curate.queues.answering import Answering, told
from curate.queues.expectations import plan as heart
from curate.queues.expectations.plan import PLAN_COLUMNS, Standing
from curate.queues.filters.filters import Filters
from curate.queues.question import Question
from curate.store import offered, runs
from curate.store.library import Library
from curate.store.queues import check_name

PLAN = "plan"
"""In what is kept of a plan, the budget."""

PLANNED = (
    *("low-count", "staged", "look-alike", "unknown", "new-class"),
    *("uncertain", "disagree", "wrong-label", "diverse", "random"),
)
"""Recipes that share a budget; those that lack something (embeddings, a second checkpoint) do not
take part."""


def plan(
    library: Library,
    budget: int,
    filters: Filters,
    *,
    min_count: int,
    count: str = "groups",
    model: str | None = None,
    against: str | None = None,
    seed: int = 0,
    save: str = "",
) -> pd.DataFrame:
    """Share out a labelling budget over the recipes, by what their looks are expected to gain.

    Parameters
    ----------
    library : Library
        As `queue` takes it; the plan is recorded as a run.
    budget : int
        How many images somebody will look at.
    filters : Filters
        What every image fulfils; the limit is the budget.
    min_count, count, model, against, seed, save
        As `queue` takes them.

    Returns
    -------
    DataFrame
        `plan.PLAN_COLUMNS`: a queue with its `recipe`, in an order for sitting. `attrs` as those of
        a queue, and split: how the budget was shared, and why (`plan.SPLIT_COLUMNS`, records).

    Raises
    ------
    PolicyError
        A budget below 1, or no recipe can take part.
    InputError, LibraryError
        As `queue`.
    """
    if budget < 1:
        raise PolicyError(f"budget {budget}", "a plan has room for an image", "Give 1 or more.")
    if save:
        check_name(save)
    question = Question(filters, min_count, count, model, against, seed=seed).limited(budget)
    parameters = {PLAN: budget, **question.to_dict()}
    with runs.running(library, "queue", parameters, alone=False) as run:
        with Answering(library, question) as answering:
            queues = _queues(answering, budget)
            pool = answering.predicted_pool()
        said = answering.said
        split = heart.split(queues, budget, Standing(answering.classes, min_count, pool))
        raw = pd.concat(
            [
                queue.assign(recipe=name)[["image_id", "recipe", "raw", "known"]]
                for name, queue in queues.items()
            ]
        )
        shown = split.table.merge(raw, on=["image_id", "recipe"], how="left", validate="1:1")
        shown = shown.assign(calibrated=shown["expected"], expected=shown["raw"])
        offered.write(library, run.run_id, shown)
        if save:
            saving.save(library, run.run_id, save, parameters, split.table)
        run.summary.update(images=len(split.table), model=said.model, bulk_id=list(said.run_ids))
    table = told(split.table[list(PLAN_COLUMNS)], said)
    table.attrs["split"] = split.split.to_dict("records")
    return table


def _queues(answering: Answering, budget: int) -> dict[str, pd.DataFrame]:
    found: dict[str, pd.DataFrame] = {}
    fault: CurateError | None = None
    for name in PLANNED:
        try:
            found[name] = answering.of(name, budget)
        except CurateError as error:
            fault = error
    if not found and fault is not None:
        raise fault
    return found
