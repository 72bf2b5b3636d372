"""Make a queue from what the library holds, keep what was shown, and ask saved questions anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from curate.core.errors import InputError
from curate.queues import saving
from curate.queues.answering import Answering, told
from curate.queues.filters.filters import Filters
from curate.queues.predicted import standing
from curate.queues.question import Question
from curate.queues.recipe import QUEUE_COLUMNS
from curate.queues.recipes import recipe_of
from curate.store import offered, runs
from curate.store.library import Library
from curate.store.queues import check_name

STAGE = "queue"

PERIOD = 1.0
"""Seconds between two looks for new predictions."""

REST = 4.0
"""So many times as long as it took to make a queue, it is not made again while it grows: with very
many predictions that takes minutes, and the bulk identification needs the machine."""


def queue(
    library: Library,
    recipe: str,
    filters: Filters,
    *,
    min_count: int,
    count: str = "groups",
    model: str | None = None,
    against: str | None = None,
    of: str = "",
    seed: int = 0,
    save: str = "",
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
    against : str, optional
        Digest of the other checkpoint, for `disagree`.
    of : str
        The class that the question is about, for `look-alike` and `unknown`.
    seed : int
        Decides what chance decides.
    save : str
        A name to keep the queue under; '' for none.

    Returns
    -------
    DataFrame
        `QUEUE_COLUMNS`: image_id, path, predicted, score, second (missing where the model has one
        class), second_score, reason, label (''), topic, expected (corrected by what earlier looks
        came to; missing where nobody can say); one row an image, in the order in which they should
        be looked at. It may be empty. `attrs` names the model (its digest), its checkpoint (the
        path) and other_models (how many others have predictions here); of `low-score` also losses:
        what would be lost at each threshold (`losses.LOSS_COLUMNS`, records).

    Raises
    ------
    InputError
        No such recipe, class, model or name; or the recipe needs what was not given.
    LibraryError
        There are no predictions yet, or no embeddings where they are needed.
    PolicyError
        The filters contradict themselves.
    """
    recipe_of(recipe)
    if save:
        check_name(save)
    question = Question(filters, min_count, count, model, against, of, seed)
    parameters = {"recipe": recipe, **question.to_dict()}
    with runs.running(library, STAGE, parameters, alone=False) as run:
        with Answering(library, question) as answering:
            table = answering.of(recipe)
            losses = answering.losses() if recipe == "low-score" else None
        said = answering.said
        shown = table.assign(expected=table["raw"])
        offered.write(library, run.run_id, shown, recipe=recipe)
        if save:
            saving.save(library, run.run_id, save, parameters, table, recipe=recipe)
        run.summary.update(images=len(table), model=said.model, bulk_id=list(said.run_ids))
    found = told(table[list(QUEUE_COLUMNS)], said)
    if losses is not None:
        found.attrs["losses"] = losses.to_dict("records")
    return found


def unseen(
    library: Library, recipe: str, filters: Filters, *, min_count: int, count: str = "groups"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a queue that nobody looks at: a rule goes by it, and nothing of it is remembered.

    Parameters
    ----------
    library, recipe, filters, min_count, count
        As `queue` takes them.

    Returns
    -------
    DataFrame
        As `queue`.
    DataFrame
        The answers to images that the model predicted before, as `core.losses.losses` takes them.

    Raises
    ------
    InputError, LibraryError, PolicyError
        As `queue`.
    """
    with Answering(library, Question(filters, min_count, count)) as answering:
        return answering.of(recipe)[list(QUEUE_COLUMNS)], answering.decided()


def saved(library: Library, name: str) -> pd.DataFrame:
    """Give what is left of a saved queue, in its order.

    Returns
    -------
    DataFrame
        `QUEUE_COLUMNS` and `recipe`, without what somebody answered since; see `saving.saved`.

    Raises
    ------
    InputError
        None is saved under this name.
    """
    return saving.saved(library, name)[1]


def refresh(library: Library, name: str) -> pd.DataFrame:
    """Ask the question of a saved queue anew, and keep the answer in its place.

    Returns
    -------
    DataFrame
        As `queue`, or `planning.plan` where it was a plan.

    Raises
    ------
    InputError
        None is saved under this name, or another version of curate asked; and as `queue`.
    """
    from curate.queues.expectations.planning import PLAN, plan  # it takes long to import

    about, _ = saving.saved(library, name)
    question = Question.from_dict(about.question)
    asked: dict[str, Any] = {
        "min_count": question.min_count,
        "count": question.count,
        "model": question.model,
        "against": question.against,
        "seed": question.seed,
        "save": name,
    }
    if PLAN in about.question:
        return plan(library, int(about.question[PLAN]), question.filters, **asked)
    if "recipe" not in about.question:
        raise InputError(f"queue {name!r}", "has no recipe", "Save it again.")
    return queue(library, str(about.question["recipe"]), question.filters, of=question.of, **asked)


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


def follow(
    library: Library,
    recipe: str,
    filters: Filters,
    *,
    min_count: int,
    count: str = "groups",
    model: str | None = None,
    against: str | None = None,
    of: str = "",
    seed: int = 0,
) -> Iterator[Following]:
    """Give a queue again whenever there are new predictions, while bulk identifications run.

    Parameters
    ----------
    library, recipe, filters, min_count, count, model, against, of, seed
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
    question = Question(filters, min_count, count, model, against, of, seed)
    before, shown, due = None, None, 0.0
    while True:
        now, since = standing(library)
        begun = time.monotonic()
        if now != before and (since is None or begun >= due):
            table = None
            if now or since is None:
                with Answering(library, question) as answering:
                    found = answering.of(recipe)[list(QUEUE_COLUMNS)]
                table = told(found, answering.said)
            # What came in while the last one was made was in it already.
            if before is None or shown is None or table is None or not table.equals(shown):
                yield Following(table, since)
            before, shown = now, table
            due = time.monotonic() + REST * (time.monotonic() - begun)
        if since is None:
            return
        time.sleep(PERIOD)
