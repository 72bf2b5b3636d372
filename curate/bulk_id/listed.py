"""The files of a run, spooled to disk: found, compared with what is known, put in an order.

Listing first tells how many there are, and keeps the memory flat however many that is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from curate.core.chunks import batched
from curate.core.errors import LibraryError
from curate.core.files import FileEntry
from curate.store.files import FileRow

PAGE = 2000
"""Files that are looked up in the library at a time."""

Known = Callable[[Sequence[bytes]], dict[bytes, FileRow]]
Rank = Callable[[FileEntry, FileRow | None], float | None]
"""The lower, the earlier it is done; None where it is done already, or not wanted."""


@dataclass(frozen=True)
class Counts:
    """How many files were found, how many of them are not done, and how many are done now."""

    found: int
    wanted: int
    todo: int


class Listed:
    """Files found under some places.

    Parameters
    ----------
    limit : int or None
        Give no more than so many of those that are to do.
    """

    def __init__(self, limit: int | None = None) -> None:
        # A database without a name lies in a temporary file that nobody else sees and that goes
        # with it. One thread at a time uses it: first to list, then the one that runs ahead.
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE found (path BLOB PRIMARY KEY, bytes INT, mtime_ns INT, inode INT, "
            "rank REAL) WITHOUT ROWID"
        )
        self._limit = -1 if limit is None else limit

    def add(
        self, entries: Iterable[FileEntry], known: Known, rank: Rank, advance: Callable[[int], None]
    ) -> None:
        """Take files in, each with its rank."""
        for page in batched(entries, PAGE):
            before = known([entry.path for entry in page])
            ranked = [
                (e.path, e.bytes, e.mtime_ns, e.inode, rank(e, before.get(e.path))) for e in page
            ]
            with _on_disk():
                self._rows.execute("BEGIN")
                self._rows.executemany("INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?, ?)", ranked)
                self._rows.execute("COMMIT")
            advance(len(page))

    def counts(self) -> Counts:
        """Count the files."""
        found, wanted = self._rows.execute("SELECT count(*), count(rank) FROM found").fetchone()
        return Counts(found, wanted, wanted if self._limit < 0 else min(wanted, self._limit))

    def todo(self) -> Iterator[FileEntry]:
        """Give the files that are to do, by rank and path."""
        ranked = self._rows.execute("SELECT 1 FROM found WHERE rank <> 0 LIMIT 1").fetchone()
        if ranked:
            # On disk; a sort of all rows would be made in memory.
            with _on_disk():
                self._rows.execute("CREATE INDEX IF NOT EXISTS ranked ON found (rank, path)")
        query = (
            "SELECT path, bytes, mtime_ns, inode FROM found WHERE rank IS NOT NULL "
            f"ORDER BY {'rank, path' if ranked else 'path'} LIMIT ?"
        )
        for row in self._rows.execute(query, (self._limit,)):
            yield FileEntry(*row)

    def some(self, number: int) -> list[FileEntry]:
        """Give some of the files that are to do, from all over the places."""
        rows = self._rows.execute(
            "SELECT path, bytes, mtime_ns, inode FROM found WHERE rank IS NOT NULL "
            "ORDER BY (inode & 0xffffffff) * 2654435761 % 4294967296, path LIMIT ?",
            (number,),
        )
        return [FileEntry(*row) for row in rows]

    def pages(self) -> Iterator[list[FileEntry]]:
        """Give all that was found, by path, some at a time."""
        last = b""
        while page := [
            FileEntry(*row)
            for row in self._rows.execute(
                "SELECT path, bytes, mtime_ns, inode FROM found WHERE path > ? "
                f"ORDER BY path LIMIT {PAGE}",
                (last,),
            )
        ]:
            yield page
            last = page[-1].path

    def lacks(self, paths: Sequence[bytes]) -> list[bytes]:
        """Give those of some paths that were not found."""
        return [
            path
            for path in paths
            if not self._rows.execute("SELECT 1 FROM found WHERE path = ?", (path,)).fetchone()
        ]


@contextmanager
def _on_disk() -> Iterator[None]:
    """Turn what the disk of temporary files refuses into an error for people."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LibraryError(
            "the folder for temporary files",
            f"it cannot hold the list of the files ({error})",
            "Nothing was changed. Make room there, or name another folder in TMPDIR",
        ) from error
