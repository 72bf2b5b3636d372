"""The library at a glance: how much of what there is, and which classes pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from curate.core.cutoffs import counted
from curate.core.names import UNKNOWN
from curate.store import facts, schema
from curate.store.library import Library


@dataclass(frozen=True)
class Status:
    """What `curate status` shows.

    Attributes
    ----------
    counts : dict of str to int
        images, files, failed, labelled, pool, unknown, rejected, placed (in the split).
    classes : DataFrame
        A line a class: label, real, staged, synthetic, usable, groups (real ones), countable_real,
        countable_staged, counted (towards the min-count), short (by how many it misses it);
        largest first.
    min_count : int
        The cutoff that they are held against.
    runs : list of dict
        The last run of each stage: stage, status, started_at.
    next : tuple of str
        The command that comes next, and why.
    """

    counts: dict[str, int]
    classes: pd.DataFrame
    min_count: int
    runs: list[dict[str, Any]]
    next: tuple[str, str]


def status(library: Library, min_count: int, staged_share: float, count: str = "groups") -> Status:
    """Read the state of a library.

    Parameters
    ----------
    library : Library
        Only read.
    min_count : int
        The cutoff to hold classes against.
    staged_share : float
        The share of it that staged and synthetic ones may fill.
    count : str
        What counts towards it: groups or images.
    """
    with library.reading() as connection:
        images = facts.images(connection)
        files = schema.files
        grouped = select(files.c.status, func.count()).group_by(files.c.status)
        by_status: dict[str, int] = {row[0]: row[1] for row in connection.execute(grouped)}
        runs = _last_runs(connection)
        done = set(connection.scalars(select(schema.runs.c.stage).where(_DONE).distinct()))
    classes = against_cutoff(facts.class_counts(images, count), min_count, staged_share)
    labelled = images["label"].notna()
    placed = images["path"] != ""
    rejected = images["unusable_reason"].str.startswith("rejected")
    counts = {
        "images": int(placed.sum()),
        "files": by_status.get("ok", 0) + by_status.get("failed", 0),
        "failed": by_status.get("failed", 0),
        "labelled": int((placed & labelled & (images["label"] != UNKNOWN)).sum()),
        "pool": int((placed & ~labelled & ~rejected).sum()),
        "unknown": int((placed & (images["label"] == UNKNOWN)).sum()),
        "rejected": int((placed & rejected).sum()),
        "placed": int((images["split"] != "").sum()),
    }
    return Status(counts, classes, min_count, runs, _next(counts, done))


def against_cutoff(classes: pd.DataFrame, min_count: int, staged_share: float) -> pd.DataFrame:
    """Add to counts by class what counts towards the min-count, and how many are missing."""
    real, others = classes["countable_real"].to_numpy(), classes["countable_staged"].to_numpy()
    towards = counted(real, others, min_count, staged_share)
    return classes.assign(counted=towards, short=(min_count - towards).clip(min=0))


_DONE = schema.runs.c.status == "done"


def _last_runs(connection: Any) -> list[dict[str, Any]]:
    runs = schema.runs
    last = select(func.max(runs.c.run_id)).group_by(runs.c.stage)
    query = (
        select(runs.c.stage, runs.c.status, runs.c.started_at)
        .where(runs.c.run_id.in_(last))
        .order_by(runs.c.run_id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def _next(counts: dict[str, int], done: set[str]) -> tuple[str, str]:
    if not counts["labelled"]:
        return "curate scan FOLDER --labels folder", "no image has a label yet"
    if not counts["placed"]:
        return "curate split", "no image has its place yet"
    if "train" not in done:
        return "curate train -o ckpt.pt", "no model was trained on this split"
    if "bulk-id" not in done:
        return "curate bulk-id --model ckpt.pt FOLDER", "the pool has not been identified"
    return "curate queue low-count --csv queue.csv", "what would bring classes over the cutoff"
