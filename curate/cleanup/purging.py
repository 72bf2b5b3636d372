"""Delete from quarantine what has lain there for long enough: the only thing that deletes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Connection, func, select

from curate import engine
from curate.cleanup import batches, places
from curate.cleanup.ages import ages
from curate.cleanup.applying import STAGE, require_labels
from curate.cleanup.batches import Told
from curate.cleanup.links import Links
from curate.cleanup.moving import movers
from curate.cleanup.places import ground
from curate.cleanup.protected import protected
from curate.core import config
from curate.core.chunks import batched
from curate.core.durations import duration
from curate.core.errors import LibraryError, PolicyError
from curate.store import check, journal, runs, schema
from curate.store.journal import Item
from curate.store.library import Library

WANTED = "is wanted by now: {}"


@dataclass
class Purged:
    """What a purge did, or would do.

    Attributes
    ----------
    items : frozenset of int
        What may go.
    bytes : int
        How much that is.
    staying : dict of str to int
        How many files stay, by reason.
    told : Told or None
        What was done; None where nothing was asked to be.
    """

    items: frozenset[int]
    bytes: int
    staying: Counter[str]
    told: Told | None = None

    @property
    def files(self) -> int:
        """How many files may go."""
        return len(self.items)


def purge(
    library: Library,
    *,
    grace: timedelta | None = None,
    really: bool = False,
    only: Collection[int] | None = None,
) -> Purged:
    """Delete files from quarantine, or only say how many would go.

    Parameters
    ----------
    library : Library
        Where all is written down.
    grace : timedelta, optional
        How long files stay at least; of the settings when not given.
    really : bool
        Delete. Otherwise nothing is changed.
    only : collection of int, optional
        The items that somebody agreed to: what has come of age since stays.

    Raises
    ------
    PolicyError
        No image has a label, or more than the settings' share of all files would go.
    LibraryError
        The quarantine is not there, `curate check` finds faults, or a disk takes no more changes.
    """
    settings = config.load(library.root).cleanup
    grace = duration(settings.grace) if grace is None else grace
    require_labels(library)
    if not really:
        purged = _looked(library, grace, only)
        _require_share(library, purged.files, settings.max_share)
        return purged
    found = ground(library)
    parameters: dict[str, Any] = {"action": "purge", "days": grace / timedelta(days=1)}
    with (
        runs.running(library, STAGE, parameters) as run,
        movers(Links(library, [])) as by,
        batches.moving(library, run, found, by) as told,
    ):
        _require_whole(library)
        purged = _looked(library, grace, only)
        _require_share(library, purged.files, settings.max_share)
        purged.told = told
        with engine.progress("Deleting", purged.files, "files") as advance:
            # Not one that has come of age since the share was looked at.
            for due, _ in _pages(library, grace, purged.items):
                for items in batched(due, batches.SIZE):
                    begun = batches.begun(library, run.run_id, items, "purging", _wanted)
                    batches.carry_out(
                        library, run.run_id, found, by, begun, batches.delete, told, advance
                    )
        places.tidy(library)
    return purged


def _looked(library: Library, grace: timedelta, only: Collection[int] | None) -> Purged:
    items, size, why = list[int](), 0, Counter[str]()
    with engine.progress("Looking at the quarantine", None, "files") as advance:
        for due, staying in _pages(library, grace, only):
            items += [item.item for item in due]
            size += sum(item.bytes for item in due)
            why.update(staying)
            advance(len(due) + len(staying))
    return Purged(frozenset(items), size, why)


def _pages(
    library: Library, grace: timedelta, only: Collection[int] | None
) -> Iterator[tuple[list[Item], list[str]]]:
    """Give the files that may be purged, and why the others may not, a page at a time."""
    with library.reading() as connection:
        table = schema.runs
        query = select(table.c.run_id, table.c.ended_at).where(table.c.status == "done")
        done = pd.DataFrame(connection.execute(query).all(), columns=["run_id", "ended_at"])
    done["ended_at"] = [datetime.fromisoformat(text) for text in done["ended_at"]]
    now = _now()
    for page in journal.in_pages(library, [journal.QUARANTINED]):
        with library.reading() as connection:
            moved = journal.moved_at(connection, page[0].item, page[-1].item)
            wanted = _wanted(connection, page)
        table_ = pd.DataFrame(
            {
                "item": [item.item for item in page],
                "run_id": [item.moved_run for item in page],
                "moved_at": [datetime.fromisoformat(moved[item.item]) for item in page],
            }
        )
        why = ages(table_, done, now, grace)["reason"]
        reasons = [wanted.get(i.item) or young for i, young in zip(page, why, strict=True)]
        old = [item for item, reason in zip(page, reasons, strict=True) if not reason]
        due = [item for item in old if only is None or item.item in only]
        yield due, [reason for reason in reasons if reason]


def _wanted(connection: Connection, items: Sequence[Item]) -> dict[int, str]:
    """Say which files nobody may delete any more, whatever their age."""
    reasons = protected(connection, [item.image_id for item in items])
    return {
        item.item: WANTED.format(reason)
        for item, reason in zip(items, reasons, strict=True)
        if reason
    }


def _require_whole(library: Library) -> None:
    with engine.progress("Checking the library", None, "rows"):
        faults = check.faults(library)
    if faults:
        raise LibraryError(
            str(library.folder),
            f"nothing is deleted while the library has faults ({faults[0]}"
            + (f", and {len(faults) - 1:,} more)" if len(faults) > 1 else ")"),
            "See `curate check`.",
        )


def _require_share(library: Library, going: int, most: float) -> None:
    files = schema.files
    with library.reading() as connection:
        query = select(func.count()).select_from(files).where(files.c.status != "gone")
        there = int(connection.scalar(query) or 0)
        held = journal.counts(connection).get(journal.QUARANTINED, (0, 0))[0]
    if going > most * (there + held):
        raise PolicyError(
            f"{going:,} of {there + held:,} files",
            f"more than the share of {most:g} would be deleted (max_share)",
            "Look at them with `curate cleanup log`; raise max_share under [cleanup] in "
            "curate.toml if that is meant.",
        )


def _now() -> datetime:
    return datetime.now(UTC)
