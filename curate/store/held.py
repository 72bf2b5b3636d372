"""Do the journal and the quarantine say the same?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd
from sqlalchemy import select

from curate.core import paths, remote
from curate.store import journal
from curate.store.journal import Item
from curate.store.library import Library

_NOTES = (b"WHAT-LIES-HERE.txt", b"README.txt")


def faults(library: Library) -> Iterator[str]:
    """Give a line for each file that is not where its row says, or of which no row says anything.

    Rows that cannot follow each other are named too, and files that an interrupted run left half
    way; what they hold is not read: whoever moves or deletes one does that first.
    """
    yield from _sequences(library)
    under_way: Counter[int] = Counter()
    absent: Counter[bytes] = Counter()
    folders: set[bytes] = set()
    held: set[bytes] = set()
    for page in journal.in_pages(library, [journal.QUARANTINED, journal.OPEN]):
        under_way.update(item.run_id for item in page if item.state == journal.OPEN)
        resting = []
        for item in page:
            base = journal.place_in(library, item.place).rsplit(b"/", 3)[0]
            if not paths.scheme_of(base) and not os.path.lexists(base):
                absent[base] += 1
            elif item.state == journal.QUARANTINED:
                resting.append(item)
        for item, size in zip(resting, _sizes(library, resting), strict=True):
            if size != item.bytes:
                name, text = paths.to_text(item.path), paths.to_text(item.place)
                wrong = (
                    "is not there" if size is None else f"has {size:,} bytes, not {item.bytes:,}"
                )
                yield f"quarantine {text}: {wrong} (it was {name})"
        for item in page:
            place = journal.place_in(library, item.place)
            if not paths.scheme_of(place):
                folders.add(place.rsplit(b"/", 3)[0])
                held.add(place)
    for run_id, number in sorted(under_way.items()):
        yield (
            f"cleanup run {run_id}: it was interrupted with {number:,} files under way; the next "
            "`curate cleanup apply`, `restore` or `purge --yes` settles them"
        )
    for base, number in sorted(absent.items()):
        text = paths.to_text(base)
        yield f"quarantine {text}: is not there, with {number:,} files; is its disk mounted?"
    for folder in sorted(folders):
        for place in _files(folder):
            if place not in held:
                yield f"quarantine {paths.to_text(place)}: no row of the journal says why"


def _sequences(library: Library) -> Iterator[str]:
    table, last = journal.journal, 0
    while True:
        query = select(table.c.item, table.c.seq, table.c.event).where(table.c.item > last)
        numbers = select(table.c.item).where(table.c.item > last, table.c.item == table.c.seq)
        with library.reading() as connection:
            page = connection.scalars(numbers.order_by(table.c.item).limit(50_000)).all()
            upto = query.where(table.c.item <= (page[-1] if page else last))
            # The last page takes what has no first row as well.
            rows = connection.execute(query if len(page) < 50_000 else upto).all()
        found = journal.states(pd.DataFrame(rows, columns=["item", "seq", "event"]))
        for one in found[found["fault"] != ""].itertuples():
            yield f"journal: item {one.item} has {one.fault}"
        if len(page) < 50_000:
            return
        last = page[-1]


def _sizes(library: Library, items: Sequence[Item]) -> list[int | None]:
    """Give the size of what lies at the places of items; None where nothing does."""
    places = [journal.place_in(library, item.place) for item in items]
    urls = [place for place in places if paths.scheme_of(place)]
    asked = dict(zip(urls, remote.statuses(urls), strict=True))
    sizes: list[int | None] = []
    for place in places:
        if place in asked:
            sizes.append(asked[place].bytes if asked[place].mtime_ns else None)
            continue
        try:
            sizes.append(os.lstat(place).st_size)
        except OSError:
            sizes.append(None)
    return sizes


def _files(folder: bytes) -> Iterator[bytes]:
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names if name not in _NOTES)
