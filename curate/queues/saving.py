"""Queues of a library that outlive the command: saved by name, and what came of their looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from curate.queues.expectations.outcomes import NEW, yields_report
from curate.queues.expectations.outcomes import outcomes as came_to
from curate.queues.recipe import QUEUE_COLUMNS
from curate.queues.recipes.featured import FEWEST
from curate.store import files, offered, queues, schema
from curate.store.library import Library
from curate.store.queues import Saved


def save(
    library: Library,
    run_id: int,
    name: str,
    question: Mapping[str, Any],
    table: pd.DataFrame,
    *,
    recipe: str = "",
) -> None:
    """Keep a queue under a name, in the place of the one that had it.

    Parameters
    ----------
    library : Library
        Where it is kept.
    run_id : int
        The run that made it.
    name : str
        Follows the rules for names of classes.
    question : mapping
        What was asked, JSON values: asked anew, it refreshes the queue.
    table : DataFrame
        `QUEUE_COLUMNS`; with `recipe` where it is a plan.
    recipe : str
        The recipe of all rows, where the table has no column `recipe`.

    Raises
    ------
    InputError
        The name is none, or would be taken for that of another saved queue.
    """
    rows = table if "recipe" in table else table.assign(recipe=recipe)
    with library.writing() as connection:
        queues.save(connection, run_id, name, question, rows)


def saved(library: Library, name: str) -> tuple[Saved, pd.DataFrame]:
    """Open a saved queue: what is left of it.

    Parameters
    ----------
    library : Library
        Where it was saved.
    name : str
        Its name.

    Returns
    -------
    Saved
        What was asked, and when.
    DataFrame
        `QUEUE_COLUMNS` and `recipe`, in the order in which it was saved: without images that
        somebody answered since, and without those of which no file can be read now. `attrs` has
        images (how many the queue had) and decided (so many were answered since).

    Raises
    ------
    InputError
        None is saved under this name.
    """
    with library.reading() as connection:
        about = queues.saved(connection, name)
        table = queues.images(connection, name)
        wanted = select(schema.queued.c.image_id).where(schema.queued.c.name == name)
        places = files.one_path_each(connection, wanted).set_index("image_id")["path"]
        said = offered.answers(connection, table["image_id"])
    since = said[said["run_id"] > about.run_id].drop_duplicates("image_id", keep="last")
    decided = table["image_id"].isin(since.loc[since["answer"] != "", "image_id"])
    table["path"] = table["image_id"].map(places).astype("string")
    table["label"] = pd.Series("", index=table.index, dtype="string")
    left = table[~decided & table["path"].notna()].reset_index(drop=True)
    left.attrs.update(images=len(table), decided=int(decided.sum()))
    return about, left[[*QUEUE_COLUMNS, "recipe"]]


def names(library: Library) -> pd.DataFrame:
    """List the saved queues.

    Returns
    -------
    DataFrame
        name, recipe (as asked; '' where the question names none), images, left (not answered
        since), saved_at; sorted by name.
    """
    with library.reading() as connection:
        known = queues.names(connection)
    rows = []
    for name in known:
        about, table = saved(library, name)
        asked = str(about.question.get("recipe", ""))
        rows.append((name, asked, table.attrs["images"], len(table), about.saved_at))
    return pd.DataFrame(rows, columns=["name", "recipe", "images", "left", "saved_at"])


def forget(library: Library, name: str) -> None:
    """Let go of a saved queue; what was decided stays.

    Raises
    ------
    InputError
        None is saved under this name.
    """
    with library.writing() as connection:
        queues.forget(connection, name)


def outcomes(library: Library) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give what the looks at the last queues came to.

    Returns
    -------
    DataFrame
        `outcomes.OUTCOME_COLUMNS`.
    DataFrame
        What was offered (see `store.offered.read`).
    """
    shown = offered.read(library)
    with library.reading() as connection:
        return _came(connection, shown), shown


def looks(library: Library) -> pd.DataFrame:
    """Give what the looks at the last queues came to: `outcomes.OUTCOME_COLUMNS`.

    What was offered is read only as far as anybody can have answered it.
    """
    runs = schema.runs
    with library.reading() as connection:
        # Answers come with other runs than queues.
        last = connection.scalar(select(func.max(runs.c.run_id)).where(runs.c.stage != "queue"))
        shown = offered.read(library, before=last or 0)
        return _came(connection, shown)


def _came(connection: Connection, shown: pd.DataFrame) -> pd.DataFrame:
    said = offered.answers(connection, shown["image_id"])
    new = shown.loc[shown["recipe"] == NEW, "image_id"]
    named = said.loc[said["image_id"].isin(new), "answer"]
    return came_to(shown, said, offered.labelled_since(connection, named, FEWEST))


def report(library: Library, run_id: int | None = None) -> pd.DataFrame:
    """Say what the looks of each recipe came to, beside what was expected.

    Parameters
    ----------
    library : Library
        Its queues and answers.
    run_id : int, optional
        Only the queue, or plan, of this run.

    Returns
    -------
    DataFrame
        As `outcomes.yields_report`.
    """
    rows, shown = outcomes(library)
    if run_id is not None:
        rows, shown = rows[rows["run_id"] == run_id], shown[shown["run_id"] == run_id]
    return yields_report(rows, shown)
