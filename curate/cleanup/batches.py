"""Batches: say what is about to happen, do it, make it durable, say what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pandas as pd
from sqlalchemy import Connection

from curate import engine
from curate.cleanup import recovering
from curate.cleanup.moving import Mover, Movers
from curate.cleanup.moving.disk import Disk
from curate.cleanup.moving.move import Move, Outcome
from curate.cleanup.places import Ground
from curate.core import paths
from curate.core.errors import CurateError
from curate.store import journal, locks, runs
from curate.store.journal import Item
from curate.store.library import LOCKS, Library

SIZE = 2000
"""Files of a batch: two transactions and a few syncs each. After a kill so many are looked at."""

LOCK = "cleanup moves"
"""The kernel's lock of whoever moves files."""

RESULT_COLUMNS = ("item", "image_id", "path", "rule", "outcome", "reason", "bytes")

Act = Callable[[Mover, Sequence[Move]], Iterator[tuple[Move, Outcome]]]
"""What is done to the files of one kind of place."""


@dataclass
class Told:
    """What a run did.

    Attributes
    ----------
    run_id : int
        The run.
    counts : dict of str to int
        Files by what came of them (`journal.EVENTS`), `bytes` of those that were moved, and
        `settled`, those of interrupted runs.
    exceptions : DataFrame
        `RESULT_COLUMNS`: the files that were not moved, and why; the first `SHOWN`.
    reasons : dict of str to int
        How many stayed for each reason.
    """

    run_id: int
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _rows: list[tuple[object, ...]] = field(default_factory=list)

    @property
    def exceptions(self) -> pd.DataFrame:
        """The files that stayed where they were."""
        return pd.DataFrame(self._rows, columns=list(RESULT_COLUMNS))

    def add(self, item: Item, result: Outcome) -> None:
        """Count one file."""
        event = result.event or "open"
        self.counts[event] += 1
        if event in MOVED:
            self.counts["bytes"] += item.bytes
        else:
            self.stayed(item.item, item.image_id, item.path, item.rule, item.bytes, result)

    def stayed(
        self, item: int | None, image_id: str, path: bytes, rule: str, size: int, result: Outcome
    ) -> None:
        """Remember a file that stayed."""
        self.reasons[result.reason] += 1
        if len(self._rows) < SHOWN:
            text = paths.to_text(path)
            self._rows.append((item, image_id, text, rule, result.event, result.reason, size))


MOVED = ("moved", "restored", "purged")
SHOWN = 100_000


def carry_out(
    library: Library,
    run_id: int,
    ground: Ground,
    movers: Movers,
    items: Sequence[Item],
    act: Act,
    told: Told,
    advance: engine.Progress,
) -> None:
    """Do what the journal says is about to happen to a batch, and write down what came of it."""
    ready, closed = _ready(ground, items, act is not delete)
    by_number = {item.item: item for item in items}
    kinds: dict[str, list[Move]] = {}
    for move in ready:
        kinds.setdefault(paths.scheme_of(move.path), []).append(move)
    for moves in kinds.values():
        for move, result in act(movers.of(moves[0].path), moves):
            closed.append((by_number[move.item], result))
            advance(1, f"{told.counts['bytes'] / 1e9:,.1f} GB")
    # Only what is durable is written down: a sync that fails leaves the items open.
    for mover in movers.all():
        mover.sync()
    recovering.write(library, run_id, closed)
    for item, result in closed:
        told.add(item, result)


def begun(
    library: Library,
    run_id: int,
    items: Sequence[Item],
    event: str,
    stay: Callable[[Connection, Sequence[Item]], Mapping[int, str]] | None = None,
) -> list[Item]:
    """Write down what is about to happen to items in quarantine; give them as they are then.

    `stay` is asked in the same transaction which of them stay, and why.
    """
    with library.writing() as connection:
        staying = stay(connection, items) if stay else {}
        going = [item for item in items if item.item not in staying]
        journal.add(connection, run_id, [(item.item, event, "") for item in going])
    return [item._replace(event=event) for item in going]


def take(mover: Mover, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
    """Put files into quarantine."""
    return mover.take(moves)


def give(mover: Mover, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
    """Put files back."""
    return mover.give(moves)


def delete(mover: Mover, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
    """Delete files from quarantine."""
    return mover.delete(moves)


def settled(library: Library, run_id: int, ground: Ground, movers: Movers, told: Told) -> None:
    """Settle what an earlier run left open."""
    found = recovering.settle(library, run_id, ground, movers)
    told.counts["settled"] = sum(number for event, number in found.items() if event != "open")


@contextmanager
def moving(library: Library, run: runs.Run, ground: Ground, movers: Movers) -> Iterator[Told]:
    """Begin with what earlier runs left open, end with all settled, and write down what was done.

    Yields
    ------
    Told
        To be filled.

    Raises
    ------
    LockedError
        A process that lost its lock on the server is at it still.
    """
    told = Told(run.run_id)
    # The lock of a stage on PostgreSQL ends with a connection, and its process may go on moving:
    # nobody else settles what it has under way before the process itself has ended.
    with locks.hold(library.folder / LOCKS, LOCK):
        try:
            settled(library, run.run_id, ground, movers, told)
            yield told
        except (KeyboardInterrupt, SystemExit):
            left_whole(library, run.run_id, ground, movers)
            raise
        finally:
            run.summary.update(told.counts, reasons=dict(told.reasons.most_common(20)))


def left_whole(library: Library, run_id: int, ground: Ground, movers: Movers) -> None:
    """Settle at once what an interruption leaves, where that can be done."""
    # A store may still be at it (a second Ctrl-C, an answer that never came): the next run looks.
    if not all(isinstance(mover, Disk) for mover in movers.all()):
        return
    with suppress(CurateError, OSError):
        recovering.settle(library, run_id, ground, movers)


def _ready(
    ground: Ground, items: Sequence[Item], from_root: bool
) -> tuple[list[Move], list[tuple[Item, Outcome]]]:
    """Part the items into those that can be tried, and those whose folder or disk is not there."""
    ready, closed = [], []
    for item in items:
        try:
            ready.append(ground.move(item, from_root=from_root))
        except CurateError as error:
            stays = "skipped" if item.event == "intent" else "kept"
            closed.append((item, Outcome(stays, error.rule)))
    return ready, closed
