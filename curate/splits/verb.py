"""The permanent split of a library: read what it knows, assign, write down what is new."""

from __future__ import annotations

from dataclasses import asdict
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
        images = _images(library)
        assignment = assign(images, policy, _previous(images))
        with library.writing() as connection:
            decisions.append(connection, run.run_id, _new(assignment, images, run.run_id))
        run.summary["digest"] = digest(assignment.table)
        run.summary["images"] = assignment.table["split"].value_counts().to_dict()
    return assignment


def preview(library: Library, policy: SplitPolicy) -> Assignment:
    """Assign without writing anything down: for `--explain`, and for throw-away models."""
    images = _images(library)
    return assign(images, policy, _previous(images))


def digest(table: pd.DataFrame) -> str:
    """Digest of an assignment: the same when every image has the same place."""
    used = table[table["split"] != ""].sort_values("image_id")
    lines = (used["image_id"] + "\t" + used["split"]).tolist()
    return sha256("\n".join(lines).encode()).hexdigest()[:32]


def _images(library: Library) -> pd.DataFrame:
    with library.reading() as connection:
        return facts.images(connection)


def _previous(images: pd.DataFrame) -> pd.DataFrame:
    return images.loc[images["split"] != "", ["image_id", "split"]]


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
