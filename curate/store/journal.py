"""The journal of cleanup: what was done to which file, row after row, and what that comes to.

An *item* is one stay of a file in quarantine. Before anything moves, a row says what is about to
happen; when it has happened, another row says so. An item whose last row only says what is about
to happen is *open*: the process ended between the two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

from curate.core import paths
from curate.core.files import FileEntry
from curate.store import schema
from curate.store.library import Library

journal = schema.journal

QUARANTINED = "quarantined"
OPEN = "open"

EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "intent": (OPEN, ("moved", "skipped", "failed", "lost")),
    "moved": (QUARANTINED, ("restoring", "purging")),
    "skipped": ("stayed", ()),
    "failed": ("stayed", ()),
    "restoring": (OPEN, ("restored", "kept", "lost")),
    "restored": ("restored", ()),
    "kept": (QUARANTINED, ("restoring", "purging")),
    "purging": (OPEN, ("purged", "kept")),
    "purged": ("purged", ()),
    "lost": ("lost", ()),
}
"""What a row says: the state that the item is in then, and the rows that may follow."""


class Leaving(NamedTuple):
    """One file that is about to go to quarantine."""

    path: bytes
    image_id: str
    bytes: int
    rule: str
    why: str
    predicted: str | None = None


class Item(NamedTuple):
    """One file's stay in quarantine.

    Attributes
    ----------
    item : int
        Names it.
    event, said, run_id, made_at
        Of its last row.
    path, place, image_id, bytes, rule, why, predicted, moved_run
        Of its first row: where it lay, where it lies (as the row has it, see `place_in`), its
        content, the rule and its reason, the class that the last model said, the run.
    """

    item: int
    event: str
    said: str
    run_id: int
    made_at: str
    path: bytes
    place: bytes
    image_id: str
    bytes: int
    rule: str
    why: str
    predicted: str | None
    moved_run: int

    @property
    def state(self) -> str:
        """What its last row comes to."""
        return EVENTS[self.event][0]


def states(rows: pd.DataFrame) -> pd.DataFrame:
    """Say what the rows of a journal come to.

    Parameters
    ----------
    rows : DataFrame
        item, seq, event; in any order.

    Returns
    -------
    DataFrame
        One row an item, sorted: item, state, event (the last), fault ('' or what a journal never
        says: an item that begins with another row than its first intent, or two rows of which the
        second cannot follow the first).
    """
    ordered = rows.sort_values("seq", kind="stable")
    last: dict[int, str] = {}
    faults: dict[int, str] = {}
    for item, seq, event in zip(ordered["item"], ordered["seq"], ordered["event"], strict=True):
        before = last.get(item)
        first = before is None and event == "intent" and seq == item
        if not first and (before is None or event not in EVENTS[before][1]):
            faults.setdefault(item, f"{event} after {before or 'nothing'}")
        last[item] = event
    found = sorted(last)
    return pd.DataFrame(
        {
            "item": found,
            "state": [EVENTS[last[item]][0] for item in found],
            "event": [last[item] for item in found],
            "fault": [faults.get(item, "") for item in found],
        }
    )


def begin(
    connection: Connection,
    run_id: int,
    leaving: Sequence[Leaving],
    place: Callable[[int, Leaving], bytes],
) -> list[Item]:
    """Write down that files are about to go to quarantine.

    Parameters
    ----------
    connection : Connection
        A transaction that writes.
    run_id : int
        The run that moves them.
    leaving : sequence of Leaving
        The files.
    place : callable
        From the item's number and its file to where it will lie.
    """
    first, now = _next(connection), _now()
    items = [
        Item(
            *(item, "intent", "", run_id, now, file.path, place(item, file)),
            *(file.image_id, file.bytes, file.rule, file.why, file.predicted, run_id),
        )
        for item, file in enumerate(leaving, start=first)
    ]
    if items:
        connection.execute(insert(journal), [_first_row(item) for item in items])
    return items


def _first_row(item: Item) -> dict[str, Any]:
    return {
        "seq": item.item,
        "item": item.item,
        "event": item.event,
        "reason": item.said,
        "run_id": item.run_id,
        "made_at": item.made_at,
        "path": item.path,
        "place": item.place,
        "image_id": item.image_id,
        "bytes": item.bytes,
        "rule": item.rule,
        "why": item.why,
        "predicted": item.predicted,
    }


def add(connection: Connection, run_id: int, events: Iterable[tuple[int, str, str]]) -> None:
    """Append rows: the item, what happened, and why ('' where that needs no words)."""
    seq, rows = _next(connection), []
    ordered = sorted(events)
    for low, high in _ranges([item for item, _, _ in ordered], [one[1:] for one in ordered]):
        item, event, reason = ordered[low]
        last = item + high - low
        told = {"event": event, "reason": reason}
        rows.append({"low": item, "high": last, "ahead": seq - item, **told})
        seq += last - item + 1
    if rows:
        # Most files of a batch meet one fate: the database itself makes the rows of neighbours.
        connection.execute(_ADDED, [row | {"run": run_id, "now": _now()} for row in rows])


def _ranges(items: Sequence[int], kinds: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Give the places of the first and the last of consecutive items of one kind."""
    start = 0
    for place in range(1, len(items) + 1):
        ends = place == len(items) or items[place] != items[place - 1] + 1
        if ends or kinds[place] != kinds[start]:
            yield start, place - 1
            start = place


_NEIGHBOURS = (journal.c.seq >= bindparam("low")) & (journal.c.seq <= bindparam("high"))
"""The first rows of consecutive items: those are numbered by them."""

_ADDED = insert(journal).from_select(
    ["seq", "item", "event", "reason", "run_id", "made_at"],
    select(
        journal.c.seq + bindparam("ahead", type_=BigInteger),
        journal.c.seq,
        *(bindparam(name, type_=Text) for name in ("event", "reason")),
        bindparam("run", type_=Integer),
        bindparam("now", type_=Text),
    ).where(_NEIGHBOURS),
)


def _next(connection: Connection) -> int:
    # Only one transaction writes at a time, and no row is ever taken out.
    return int(connection.scalar(select(func.coalesce(func.max(journal.c.seq), 0))) or 0) + 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def items(
    connection: Connection,
    among: Collection[str] = (),
    *,
    run_id: int | None = None,
    after: int = 0,
    most: int | None = None,
    where: ColumnElement[bool] | None = None,
) -> list[Item]:
    """Give items, by number.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    among : collection of str
        Only those in one of these states; all when empty.
    run_id : int, optional
        Only those that this run moved.
    after : int
        Only those with a higher number.
    most : int, optional
        No more than so many.
    where : condition, optional
        On `first`, the item's first row.
    """
    query = _items().order_by(FIRST.c.item)
    if among:
        events = [event for event, (state, _) in EVENTS.items() if state in among]
        query = query.where(journal.c.event.in_(events))
    if run_id is not None:
        query = query.where(FIRST.c.run_id == run_id)
    if after:
        query = query.where(FIRST.c.item > after)
    if where is not None:
        query = query.where(where)
    return [Item(*row) for row in connection.execute(query.limit(most))]


FIRST = journal.alias("first")
"""The first row of an item."""


def _items() -> Select[Any]:
    last = journal
    later = journal.alias("later")
    final = (
        select(func.max(later.c.seq))
        .where(later.c.item == FIRST.c.item)
        .correlate(FIRST)
        .scalar_subquery()
    )
    return (
        select(
            FIRST.c.item,
            *(last.c[name] for name in ("event", "reason", "run_id", "made_at")),
            *(FIRST.c[name] for name in ("path", "place", "image_id", "bytes")),
            *(FIRST.c[name] for name in ("rule", "why", "predicted")),
            FIRST.c.run_id.label("moved_run"),
        )
        .select_from(FIRST)
        .join(last, last.c.seq == final)
        .where(FIRST.c.seq == FIRST.c.item)
    )


def in_pages(
    library: Library, among: Collection[str], size: int = 10_000, **chosen: Any
) -> Iterator[list[Item]]:
    """Give items a page at a time, each page a view of the database of its own."""
    last = 0
    while True:
        with library.reading() as connection:
            page = items(connection, among, after=last, most=size, **chosen)
        if page:
            yield page
            last = page[-1].item
        if len(page) < size:
            return


def counts(connection: Connection, run_id: int | None = None) -> dict[str, tuple[int, int]]:
    """Give the number of items in each state, and their bytes; of all runs, or those of one."""
    chosen = _items()
    if run_id is not None:
        chosen = chosen.where(FIRST.c.run_id == run_id)
    found = chosen.subquery()
    query = select(found.c.event, func.count(), func.sum(found.c.bytes)).group_by(found.c.event)
    told: dict[str, tuple[int, int]] = {}
    for event, number, size in connection.execute(query):
        state = EVENTS[event][0]
        before = told.get(state, (0, 0))
        told[state] = (before[0] + number, before[1] + int(size or 0))
    return told


def left_runs(connection: Connection) -> list[Item]:
    """Give one item on a disk of each run none of whose files is in quarantine any more."""
    held = [event for event, (state, _) in EVENTS.items() if state in (QUARANTINED, OPEN)]
    found = _items().subquery()
    # Paths on a disk start with a slash, URLs do not.
    on_disk = (found.c.path >= b"/") & (found.c.path < b"0")
    query = (
        select(func.min(found.c.item))
        .where(on_disk)
        .group_by(found.c.moved_run)
        .having(func.count().filter(found.c.event.in_(held)) == 0)
    )
    chosen = connection.scalars(query).all()
    return [one for number in chosen for one in items(connection, after=number - 1, most=1)]


def moved_at(connection: Connection, first: int, last: int) -> dict[int, str]:
    """Give when items came to quarantine, of those with numbers from one to another."""
    query = select(journal.c.item, journal.c.made_at).where(
        journal.c.item.between(first, last), journal.c.event == "moved"
    )
    return {row.item: row.made_at for row in connection.execute(query)}


def place_in(library: Library, place: bytes) -> bytes:
    """Give where an item lies, from what its row says; a library can be moved with its files."""
    return place if paths.scheme_of(place) else os.path.join(os.fsencode(library.root), place)


def mark_moved(connection: Connection, run_id: int, items: Sequence[int]) -> None:
    """Say that the files of items are in quarantine and no longer at their paths."""
    ordered = sorted(items)
    rows = [
        {"low": ordered[low], "high": ordered[high]}
        for low, high in _ranges(ordered, [""] * len(ordered))
    ]
    if rows:
        files = schema.files
        statement = (
            update(files)
            .where(files.c.path.in_(select(journal.c.path).where(_NEIGHBOURS)))
            .values(status="gone", reason=f"in quarantine (run {run_id})", run_id=run_id)
        )
        connection.execute(statement, rows)


def mark_back(connection: Connection, run_id: int, back: Sequence[tuple[str, FileEntry]]) -> None:
    """Say that files lie at their paths again, as these entries show them."""
    if back:
        files = schema.files
        statement = (
            update(files)
            .where(files.c.path == bindparam("at"))
            .values(
                status="ok",
                reason="",
                run_id=run_id,
                # Another image may have lain there meanwhile.
                image_id=bindparam("image"),
                bytes=bindparam("size"),
                mtime_ns=bindparam("changed"),
                inode=bindparam("number"),
            )
        )
        rows = [
            {
                "at": one.path,
                "image": image_id,
                "size": one.bytes,
                "changed": one.mtime_ns,
                "number": one.inode,
            }
            for image_id, one in back
        ]
        connection.execute(statement, rows)
