"""The permanent split of a library: read what it knows, assign, write down what is new."""

from __future__ import annotations

from dataclasses import asdict, replace
from hashlib import sha256

import pandas as pd

from curate.splits.assign import Assignment, assign
from curate.splits.policy import SplitPolicy
from curate.store import decisions, facts, runs
from curate.store.decisions import Decision
from curate.store.library import Library

STAGE = "split"


def split(library: Library, policy: SplitPolicy) -> Assignment:
    """Bring the permanent split up to date; what was assigned before stays where it is.

    Parameters
    ----------
    library : Library
        Read, and written to: one decision for every image whose place is new or had to change.
    policy : SplitPolicy
        What is asked.

    Raises
    ------
    PolicyError
        No class passes the cutoff.
    """
    with runs.running(library, STAGE, asdict(policy)) as run:
        images, assignment = _assigned(library, policy)
        with library.writing() as connection:
            decisions.append(connection, run.run_id, _new(assignment, images, run.run_id))
        run.summary["digest"] = digest(assignment.table)
        run.summary["images"] = assignment.table["split"].value_counts().to_dict()
    return assignment


def preview(library: Library, policy: SplitPolicy) -> Assignment:
    """Assign without writing anything down: for `--explain`, and for throw-away models."""
    return _assigned(library, policy)[1]


def digest(table: pd.DataFrame) -> str:
    """Digest of an assignment: the same when every image has the same place."""
    used = table[table["split"] != ""].sort_values("image_id")
    lines = (used["image_id"] + "\t" + used["split"]).tolist()
    return sha256("\n".join(lines).encode()).hexdigest()[:32]


def _assigned(library: Library, policy: SplitPolicy) -> tuple[pd.DataFrame, Assignment]:
    with library.reading() as connection:
        images = facts.images(connection)
        # An image that was left out and comes back returns to the split it once was in: what
        # has trained a model must never test one.
        placed = decisions.current(connection, "split", withdrawn=False)
    previous = placed[["image_id", "value"]].rename(columns={"value": "split"})
    assignment = assign(images, policy, previous[previous["image_id"].isin(images["image_id"])])
    now = set(images.loc[images["split"] != "", "image_id"])
    news = assignment.changes[assignment.changes["image_id"].isin(now)]
    return images, replace(assignment, changes=news.reset_index(drop=True))


def _new(assignment: Assignment, images: pd.DataFrame, run_id: int) -> list[Decision]:
    before = images.set_index("image_id")["split"]
    table = assignment.table
    changed = table[table["split"].to_numpy() != before.reindex(table["image_id"]).to_numpy()]
    return [
        Decision(
            kind="split",
            image_id=row["image_id"],
            value=row["split"],
            key=f"split/{run_id}/{row['image_id']}",
            actor=STAGE,
            detail={"reason": row["reason"]},
        )
        for row in changed.to_dict("records")
    ]
