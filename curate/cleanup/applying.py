"""Apply a plan: exactly its files go to quarantine, each looked at again; what changed stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import sqlalchemy as sa

from curate import engine
from curate.cleanup import batches, places
from curate.cleanup.batches import Told
from curate.cleanup.links import Links
from curate.cleanup.moving import KINDS, Movers, movers
from curate.cleanup.moving.move import CHANGED, Outcome
from curate.cleanup.places import Ground, ground
from curate.cleanup.plans import Plan
from curate.cleanup.protected import places as misplaced
from curate.cleanup.protected import protected
from curate.core import paths
from curate.core.chunks import batched
from curate.core.errors import PolicyError
from curate.store import decisions, journal, runs, schema
from curate.store.files import FileRow, known_at
from curate.store.journal import Leaving
from curate.store.library import Library

STAGE = "cleanup"
"""The lock of everything that moves files, and the stage of its runs."""


def apply(library: Library, plan: Plan) -> Told:
    """Move the files of a plan into quarantine.

    Parameters
    ----------
    library : Library
        Where all is written down.
    plan : Plan
        What goes. A plan that was begun goes on where it was interrupted; a file of it that was
        put back since stays.

    Raises
    ------
    LibraryError, PolicyError
        No image has a label, a folder of the plan is not there (nothing was moved then); or a disk
        takes no more changes (what was moved is written down).
    """
    found = ground(library)
    require_labels(library)
    planned = [paths.from_text(path) for path in plan.table["path"]]
    roots = places.require_roots(found, planned)
    parameters = {
        "action": "apply",
        "plan": plan.digest,
        "planned": plan.run_id,
        "policy": plan.policy,
        "roots": roots,
    }
    links = Links(library, planned)
    with (
        runs.running(library, STAGE, parameters, f"apply/{plan.digest}") as run,
        movers(links) as by,
        batches.moving(library, run, found, by) as told,
    ):
        if roots or not len(plan.table):
            places.require_quarantine(found)
        before = _earlier(library, plan)
        with engine.progress("Moving to quarantine", len(plan.table), "files") as advance:
            for files in _in_order(plan.table, planned):
                _batch(library, run.run_id, found, by, files, before, told, advance)
    return told


def require_labels(library: Library) -> None:
    """Refuse where no image has a label: nothing would say what is wanted."""
    with library.reading() as connection:
        labels = decisions.current(connection, "label")["value"]
    if not (labels != "").any():
        raise PolicyError(
            str(library.folder),
            "no image has a label, so nothing says what is wanted",
            "Is this the right library? `curate scan FOLDER --labels folder` brings labels in.",
        )


_OF_PLAN = ("image_id", "bytes", "rule", "reason", "predicted")
"""Columns of a plan, in the order of `Leaving` after its path."""


def _in_order(table: pd.DataFrame, planned: Sequence[bytes]) -> Iterator[list[Leaving]]:
    """Give batches of files by path: neighbours share folders, and pages of the database."""
    order = sorted(range(len(planned)), key=planned.__getitem__)
    for some in batched(order, batches.SIZE):
        rows = table[list(_OF_PLAN)].take(list(some)).astype(object)
        told = rows.where(rows.notna(), None)
        columns = (told[name].tolist() for name in _OF_PLAN)
        ats = (planned[number] for number in some)
        yield [Leaving(*row) for row in zip(ats, *columns, strict=True)]


def _batch(
    library: Library,
    run_id: int,
    found: Ground,
    by: Movers,
    files: list[Leaving],
    before: Mapping[bytes, str],
    told: Told,
    advance: engine.Progress,
) -> None:
    with library.writing() as connection:
        # In the transaction that says what is about to happen: whoever labels an image later
        # finds its file in quarantine, and no purge takes it.
        reasons = _reasons(connection, found, files, before)
        leaving = [file for file, reason in zip(files, reasons, strict=True) if not reason]
        items = journal.begin(
            connection, run_id, leaving, lambda item, file: found.place(item, file, run_id)
        )
    for file, reason in zip(files, reasons, strict=True):
        if reason:
            event = "done" if reason == DONE else "skipped"
            told.counts[event] += 1
            if event == "skipped":
                result = Outcome(event, reason)
                told.stayed(None, file.image_id, file.path, file.rule, file.bytes, result)
            advance(1)
    batches.carry_out(library, run_id, found, by, items, batches.take, told, advance)


DONE = "is in quarantine already, by this plan"
BACK = "was put back since the plan was applied"


def _earlier(library: Library, plan: Plan) -> dict[bytes, str]:
    """Say what earlier runs of the same plan did to its files."""
    query = sa.select(schema.runs.c.run_id).where(
        schema.runs.c.stage == STAGE, schema.runs.c.key == f"apply/{plan.digest}"
    )
    with library.reading() as connection:
        numbers = list(connection.scalars(query))
    told: dict[bytes, str] = {}
    for number in numbers:
        for page in journal.in_pages(library, [journal.QUARANTINED, "restored"], run_id=number):
            for item in page:
                if item.state == journal.QUARANTINED:
                    told[item.path] = DONE
                elif item.run_id > plan.run_id:
                    told[item.path] = BACK
    return told


def _reasons(
    connection: sa.Connection,
    found: Ground,
    files: Sequence[Leaving],
    before: Mapping[bytes, str],
) -> list[str]:
    """Say of each file of a batch why it stays; '' where it goes."""
    ats = [file.path for file in files]
    known = known_at(connection, ats)
    wanted = protected(connection, [file.image_id for file in files])
    outside = misplaced(ats, sorted(found.roots))
    return [
        before.get(file.path)
        or where
        or _unmovable(file.path)
        or _unlike(known.get(file.path), file.image_id)
        or why
        for file, where, why in zip(files, outside, wanted, strict=True)
    ]


def _unmovable(path: bytes) -> str:
    scheme = paths.scheme_of(path)
    return "" if scheme in KINDS else f"files at {scheme}:// cannot be moved"


def _unlike(known: FileRow | None, image_id: str) -> str:
    if known is None:
        return "the library does not know this file"
    if known.status != "ok" or known.image_id != image_id:
        return f"{CHANGED}: the library knows another content of it, or none"
    return ""
