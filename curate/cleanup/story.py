"""The story of a file: every row of the journal and every decision that concerns it, in order."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterator, Sequence

import pandas as pd
from sqlalchemy import ColumnElement, Connection, or_, select

from curate.core import paths
from curate.core.errors import InputError
from curate.core.identity import ID_LENGTH
from curate.store import journal, schema
from curate.store.library import Library

STORY_COLUMNS = ("made_at", "run_id", "what", "image_id", "path", "said", "by")
RUN_COLUMNS = ("run_id", "action", "status", "ended_at", "moved", "restored", "purged", "stayed")

_TOLD = {
    "intent": "is about to go to quarantine",
    "moved": "went to quarantine",
    "skipped": "stayed",
    "failed": "stayed: the system refused",
    "restoring": "is about to be put back",
    "restored": "was put back",
    "kept": "stays in quarantine",
    "purging": "is about to be deleted",
    "purged": "was deleted",
    "lost": "was not found",
}


def story(library: Library, asked: str) -> pd.DataFrame:
    """Tell what was decided of an image and what cleanup did to its files.

    Parameters
    ----------
    library : Library
        Which is asked.
    asked : str
        A path, or an image id (or its first 6 digits or more).

    Returns
    -------
    DataFrame
        `STORY_COLUMNS`, the oldest first: what happened, said (the reason, the value), by (the
        rule, the actor).

    Raises
    ------
    InputError
        The library knows nothing of it.
    """
    with library.reading() as connection:
        images, at = _meant(connection, asked)
        rows = heapq.merge(
            _decided(connection, images), _done(connection, images, at), key=lambda row: row[:2]
        )
        table = pd.DataFrame(list(rows), columns=list(STORY_COLUMNS))
    if not len(table) and not images:
        raise InputError(
            asked,
            "the library knows no such file or image",
            "Give a path as `curate show` prints it, or an image id.",
        )
    return table


def last_runs(library: Library, most: int = 20) -> pd.DataFrame:
    """Give the last runs that moved files: `RUN_COLUMNS`, the newest first."""
    table = schema.runs
    query = (
        select(table).where(table.c.stage == "cleanup").order_by(table.c.run_id.desc()).limit(most)
    )
    with library.reading() as connection:
        found = connection.execute(query).all()
    rows = []
    for run in found:
        told = json.loads(run.summary)
        counts = [told.get(name, 0) for name in ("moved", "restored", "purged")]
        stayed = sum(told.get(name, 0) for name in ("skipped", "failed", "kept"))
        action = json.loads(run.parameters).get("action", "")
        rows.append((run.run_id, action, run.status, run.ended_at, *counts, stayed))
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def _meant(connection: Connection, asked: str) -> tuple[list[str], list[bytes]]:
    """Give the images that a person means, and the paths."""
    digits = asked.lower()
    if 6 <= len(digits) <= ID_LENGTH and not digits.strip("0123456789abcdef"):
        query = select(schema.images.c.image_id).where(schema.images.c.image_id.startswith(digits))
        images = list(connection.scalars(query.limit(2)))
        if len(images) > 1:
            raise InputError(asked, "several images have ids that start so", "Give more digits.")
        if images:
            return images, []
    # As tables show it, and as a person types it.
    at = list({paths.from_text(asked), paths.absolute(asked)})
    if not paths.scheme_of(at[0]):
        at.append(os.path.normpath(os.path.join(os.getcwdb(), os.fsencode(asked))))
    found = connection.scalars(select(schema.files.c.image_id).where(schema.files.c.path.in_(at)))
    ever = connection.scalars(
        select(journal.FIRST.c.image_id).where(journal.FIRST.c.path.in_(at)).distinct()
    )
    return sorted({image for image in (*found, *ever) if image}), at


Row = tuple[str, int, str, str, str, str, str]


def _decided(connection: Connection, images: Sequence[str]) -> Iterator[Row]:
    log = schema.decisions
    query = select(log).where(log.c.image_id.in_(images)).order_by(log.c.seq)
    for one in connection.execute(query):
        what = f"{one.kind} {one.field}".strip()
        yield (
            one.made_at,
            one.run_id,
            what,
            one.image_id,
            "",
            one.value or "(taken back)",
            one.actor,
        )


def _done(connection: Connection, images: Sequence[str], at: Sequence[bytes]) -> Iterator[Row]:
    first, log = journal.FIRST, schema.journal
    meant: ColumnElement[bool] = first.c.path.in_(at) if at else first.c.image_id.in_(images)
    query = (
        select(
            *(log.c[name] for name in ("made_at", "run_id", "event", "reason")),
            *(first.c[name] for name in ("image_id", "path", "place", "why", "rule")),
        )
        .select_from(log)
        .join(first, (first.c.item == log.c.item) & (first.c.seq == first.c.item))
        .where(or_(meant))
        .order_by(log.c.seq)
    )
    for one in connection.execute(query):
        said = one.why if one.event == "intent" else one.reason
        if one.event == "moved" and not said:
            said = paths.to_text(one.place)
        told = _TOLD[one.event]
        yield (one.made_at, one.run_id, told, one.image_id, paths.to_text(one.path), said, one.rule)
