"""Files with several names: hard links go together, or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import sqlalchemy as sa

from curate.cleanup.moving.handles import identity
from curate.store import journal, schema
from curate.store.library import Library


class Links:
    """Counts the names of a file that may go.

    Moving one of two names frees nothing, and a person who finds the other one deletes it in the
    belief that the first is still there.

    Parameters
    ----------
    library : Library
        Knows the files.
    planned : sequence of bytes
        The paths of the plan.
    """

    def __init__(self, library: Library, planned: Sequence[bytes]) -> None:
        self._library = library
        self._planned = planned
        self._moved: Counter[tuple[int, int]] = Counter()

    def count(self, seen: os.stat_result) -> int:
        """Count the names of a file that are in the plan, or in quarantine already."""
        wanted = identity(seen)
        there = sum(_identity(path) == wanted for path in self._places.get(_number(seen), ()))
        return there + self._moved[wanted]

    def moved(self, seen: os.stat_result) -> None:
        """Remember that one of the names went to quarantine."""
        self._moved[identity(seen)] += 1

    @cached_property
    def _places(self) -> dict[int, list[bytes]]:
        """Places by inode, of inodes that several known files have; read when first needed."""
        files = schema.files
        several = (
            sa.select(files.c.inode).group_by(files.c.inode).having(sa.func.count() > 1).subquery()
        )
        query = sa.select(files.c.path, files.c.inode).join(
            several, several.c.inode == files.c.inode
        )
        with self._library.reading() as connection:
            inodes = {row.path: row.inode for row in connection.execute(query)}
        found: dict[int, list[bytes]] = {}
        for path in inodes.keys() & set(self._planned):
            found.setdefault(inodes[path], []).append(path)
        for page in journal.in_pages(self._library, [journal.QUARANTINED]):
            for item in page:
                if item.path in inodes:
                    place = journal.place_in(self._library, item.place)
                    found.setdefault(inodes[item.path], []).append(place)
        return found


def _number(seen: os.stat_result) -> int:
    return seen.st_ino & (1 << 63) - 1


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        return identity(os.lstat(path))
    except OSError:
        return None
