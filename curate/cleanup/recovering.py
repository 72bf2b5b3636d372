"""What an interruption left half done is settled from what lies on the disk, and nothing else.

Before anything moves, a row of the journal says so; an item that has no row after that is open. Its
file is in exactly one place afterwards, and nothing was overwritten.
"""

from __future__ import annotations

from contextlib import suppress

from curate.cleanup.moving import Movers
from curate.cleanup.moving.move import Found, Outcome, Stays
from curate.cleanup.places import Ground
from curate.core.chunks import batched
from curate.core.errors import CurateError
from curate.core.files import FileEntry, NotReadable
from curate.store import journal
from curate.store.journal import Item
from curate.store.library import Library

INTERRUPTED = "the run was interrupted before it came to this file"
TWICE = (
    "the run was interrupted; the file lay in both places, and the one in quarantine was removed"
)
OCCUPIED = "the run was interrupted, and another file lies at its old path"
UNSEEN = "the run was interrupted, and the folder that it came from is not there now"
LOST = "the run was interrupted, and the file is neither at its path nor in quarantine"

_OF_INTENT = {
    ("absent", "absent"): ("lost", LOST),
    ("there", "absent"): ("skipped", INTERRUPTED),
    ("other", "absent"): ("skipped", INTERRUPTED),
    ("absent", "there"): ("moved", ""),
    ("other", "there"): ("moved", ""),
    ("same", "there"): ("skipped", TWICE),
    # Where its root is not there now, what we did is known from the quarantine alone.
    ("unknown", "absent"): ("skipped", INTERRUPTED),
    ("unknown", "there"): ("moved", UNSEEN),
}
_OF_RESTORE = {
    ("absent", "absent"): ("lost", LOST),
    ("there", "absent"): ("restored", ""),
    ("other", "absent"): ("restored", ""),
    ("absent", "there"): ("kept", INTERRUPTED),
    ("other", "there"): ("kept", OCCUPIED),
    ("same", "there"): ("restored", TWICE),
    ("unknown", "absent"): ("restored", UNSEEN),
    ("unknown", "there"): ("kept", INTERRUPTED),
}
_DECIDED = {"intent": _OF_INTENT, "restoring": _OF_RESTORE}


def outcome(event: str, found: Found) -> tuple[str, str, bool]:
    """Decide what came of an open item.

    A file gets its name in quarantine, or its old one back, only when it is whole; and it lies in
    both places only in the moment before the first is removed.

    Parameters
    ----------
    event : str
        What was about to happen: intent, restoring, purging.
    found : Found
        What lies at the two places.

    Returns
    -------
    event : str
        The row that closes it; '' where nobody could look into the quarantine: it stays open.
    reason : str
        In words.
    drop : bool
        Whether the file in quarantine is one too many: the same content lies at its path.
    """
    if found.place == "unknown":
        return "", "", False
    if event == "purging":
        gone = found.place == "absent"
        return ("purged", "", False) if gone else ("kept", INTERRUPTED, False)
    closed, reason = _DECIDED[event][found.source, found.place]
    return closed, reason, reason is TWICE


def settle(library: Library, run_id: int, ground: Ground, movers: Movers) -> dict[str, int]:
    """Close the open items of runs that were interrupted.

    Those whose quarantine is not there now stay open: a disk that is not mounted says nothing of
    its files.

    Parameters
    ----------
    library : Library
        Whose lock of cleanups is held.
    run_id : int
        The run that says so.
    ground : Ground
        Roots and quarantine.
    movers : Movers
        See what lies where.

    Returns
    -------
    dict of str to int
        How many items were closed by which event; `open` counts those that stay open.
    """
    told: dict[str, int] = {}
    for page in journal.in_pages(library, [journal.OPEN]):
        for some in batched(page, 1000):
            closed = [(item, _settled(library, item, ground, movers)) for item in some]
            for mover in movers.all():
                mover.sync()
            write(library, run_id, closed)
            for _, result in closed:
                told[result.event or "open"] = told.get(result.event or "open", 0) + 1
    return told


def write(library: Library, run_id: int, closed: list[tuple[Item, Outcome]]) -> None:
    """Write down what came of items, and what that says of their files."""
    with library.writing() as connection:
        journal.add(
            connection,
            run_id,
            [(item.item, result.event, result.reason) for item, result in closed if result.event],
        )
        moved = [item for item, result in closed if result.event == "moved"]
        for number in {item.moved_run for item in moved}:
            gone = [item.item for item in moved if item.moved_run == number]
            journal.mark_moved(connection, number, gone)
        back = [(item.image_id, one.entry) for item, one in closed if one.entry is not None]
        journal.mark_back(connection, run_id, back)


def _settled(library: Library, item: Item, ground: Ground, movers: Movers) -> Outcome:
    mover = movers.of(item.path)
    entry: FileEntry | None = None
    try:
        move = ground.move(item, from_root=False)
        found = mover.look(move)
        if ground.absent(move.root, item.moved_run):
            found = Found("unknown", found.place)
        event, reason, drop = outcome(item.event, found)
        if drop:
            try:
                mover.drop(move)
            except Stays:
                # Another library's, or somebody's: not ours to remove.
                return Outcome("skipped" if item.event == "intent" else "kept", INTERRUPTED)
        if event == "restored" and found.source != "unknown":
            with suppress(Stays):
                entry = mover.entry(move)
    except (CurateError, OSError, NotReadable):
        return Outcome("")
    return Outcome(event, reason, entry)
