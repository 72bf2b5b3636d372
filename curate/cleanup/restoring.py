"""Put files back from quarantine, each to where it lay; nothing is overwritten."""

from __future__ import annotations

from typing import Any

from curate import engine
from curate.cleanup import batches, places
from curate.cleanup.applying import STAGE
from curate.cleanup.batches import Told
from curate.cleanup.chosen import Chosen
from curate.cleanup.links import Links
from curate.cleanup.moving import movers
from curate.cleanup.places import ground
from curate.core.chunks import batched
from curate.store import journal, runs
from curate.store.library import Library


def restore(library: Library, *, run_id: int | None = None, where: str = "") -> Told:
    """Put files back to their old paths.

    Decisions stay as they are. A file whose old path is occupied, or whose folder is on a disk that
    is not there, stays in quarantine.

    Parameters
    ----------
    library : Library
        Where all is written down.
    run_id : int, optional
        Only what this run moved.
    where : str
        Only what this condition holds for; see `chosen.COLUMNS`.

    Raises
    ------
    InputError
        The condition cannot be read.
    LibraryError
        A disk takes no more changes; what was put back is written down.
    """
    chosen = Chosen(where)
    found = ground(library)
    parameters: dict[str, Any] = {"action": "restore", "run": run_id, "where": where}
    with (
        runs.running(library, STAGE, parameters) as run,
        movers(Links(library, [])) as by,
        batches.moving(library, run, found, by) as told,
    ):
        with library.reading() as connection:
            total = journal.counts(connection, run_id).get(journal.QUARANTINED, (0, 0))[0]
        with engine.progress("Restoring", None if where else total, "files") as advance:
            for page in journal.in_pages(library, [journal.QUARANTINED], run_id=run_id):
                for items in batched(chosen.of(page), batches.SIZE):
                    begun = batches.begun(library, run.run_id, items, "restoring")
                    batches.carry_out(
                        library, run.run_id, found, by, begun, batches.give, told, advance
                    )
        places.tidy(library)
    return told
