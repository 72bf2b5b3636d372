"""Files and images: which content lies where, and since when it has not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, true, update

from curate.core import paths
from curate.core.chunks import batched
from curate.core.files import FileEntry, Walked
from curate.core.identity import Content
from curate.store import schema
from curate.store.dialect import first_path, insert_new, insert_or_replace
from curate.store.library import Library

files = schema.files


@dataclass(frozen=True)
class FileRow:
    """One file as it was last looked at; `image_id` is None where it could not be opened."""

    path: bytes
    image_id: str | None
    bytes: int
    mtime_ns: int
    inode: int
    status: str
    reason: str = ""

    @classmethod
    def read(cls, entry: FileEntry, image_id: str | None, reason: str) -> FileRow:
        """Write down a file as it was read: what content it has, or why it has none."""
        status = "failed" if image_id is None else "ok"
        return cls(entry.path, image_id, entry.bytes, entry.mtime_ns, entry.inode, status, reason)

    def changed(self, entry: FileEntry) -> bool:
        """Whether the file at this path differs from what was looked at, without reading it."""
        now = (entry.bytes, entry.mtime_ns, entry.inode)
        return now != (self.bytes, self.mtime_ns, self.inode)

    def was_read(self, entry: FileEntry) -> bool:
        """Whether this very file was read before, and well."""
        return self.status == "ok" and not self.changed(entry)


def register(
    connection: Connection, run_id: int, seen: Sequence[FileRow], contents: Sequence[Content]
) -> None:
    """Put down what was found at which path, and the contents that are new."""
    insert_new(
        connection,
        schema.images,
        [{**vars(image), "run_id": run_id} for image in contents],
        unique="image_id",
    )
    insert_or_replace(connection, files, [{**vars(file), "run_id": run_id} for file in seen])


def known(connection: Connection, roots: Sequence[bytes]) -> dict[bytes, FileRow]:
    """Give what the library knows of the files under some folders, by path."""
    columns = [files.c[name] for name in FileRow.__dataclass_fields__]
    query = select(*columns).where(under(roots))
    return {row.path: FileRow(*row) for row in connection.execute(query)}


def known_at(connection: Connection, places: Sequence[bytes]) -> dict[bytes, FileRow]:
    """Give what the library knows of the files at some paths, by path."""
    if not places:
        return {}
    chosen = select(*[files.c[name] for name in FileRow.__dataclass_fields__])
    # Neighbours are read as a range, which costs a tenth of asking for each …
    most = _SPARSE * len(places)
    within = chosen.where(files.c.path.between(min(places), max(places))).limit(most + 1)
    rows = connection.execute(within).all()
    if len(rows) <= most:
        wanted = set(places)
        return {row[0]: FileRow(*row) for row in rows if row[0] in wanted}
    # … unless they are far apart.
    found: dict[bytes, FileRow] = {}
    for some in batched(places, 500):
        rows = connection.execute(chosen.where(files.c.path.in_(some))).all()
        found.update((row[0], FileRow(*row)) for row in rows)
    return found


_SPARSE = 4
"""Rows for each path that is asked for, up to which a range of paths is read."""


def in_pages(library: Library, roots: Sequence[bytes], size: int = 10_000) -> Iterator[list[Any]]:
    """Give the files that are there under some folders, by path, a page of rows at a time.

    Each page is a view of the database of its own, so that others may write between two pages.
    The rows have path (bytes), image_id, status and reason.
    """
    chosen = select(files.c.path, files.c.image_id, files.c.status, files.c.reason).where(
        files.c.status != "gone", under(roots)
    )
    last = b""
    while True:
        with library.reading() as connection:
            query = chosen.where(files.c.path > last).order_by(files.c.path).limit(size)
            page: list[Any] = list(connection.execute(query))
        if page:
            yield page
            last = page[-1].path
        if len(page) < size:
            return


def hidden_by(passed: Walked) -> Callable[[bytes], bool]:
    """Say of paths whether a walk could not look there."""
    at = {path for path, _ in passed.failed}
    inside = tuple(folder.rstrip(b"/") + b"/" for folder, _ in passed.failed)
    return lambda path: path in at or path.startswith(inside)


def missing(
    known: Mapping[bytes, FileRow], found: Iterable[FileEntry], passed: Walked
) -> list[bytes]:
    """Give the paths that the library knows and the walk did not meet.

    What could not be listed is not missing, nor is what lies under it: nobody could look.
    """
    met = {entry.path for entry in found}
    hidden = hidden_by(passed)
    return [
        path
        for path, file in known.items()
        if file.status != "gone" and path not in met and not hidden(path)
    ]


def mark_gone(connection: Connection, run_id: int, missing: Sequence[bytes]) -> None:
    """Say that files are no longer at their paths; their images keep every decision."""
    for some in batched(missing, 500):
        connection.execute(
            update(files).where(files.c.path.in_(some)).values(status="gone", run_id=run_id)
        )


def table(connection: Connection, roots: Sequence[bytes] | None = None) -> pd.DataFrame:
    """Give one row a file that is there.

    Returns
    -------
    DataFrame
        Columns path (text), image_id (missing where the file failed), status (ok, failed),
        reason, bytes; sorted by path.
    """
    query = (
        select(files.c.path, files.c.image_id, files.c.status, files.c.reason, files.c.bytes)
        .where(files.c.status != "gone", under(roots) if roots is not None else true())
        .order_by(files.c.path)
    )
    frame = pd.DataFrame(
        connection.execute(query).all(), columns=["path", "image_id", "status", "reason", "bytes"]
    )
    frame["path"] = [paths.to_text(path) for path in frame["path"]]
    return frame


def one_path_each(connection: Connection, of: Select[tuple[str]] | None = None) -> pd.DataFrame:
    """Give one place for every image that can be read: the first by path, and how many there are.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    of : select, optional
        Gives the ids of the images that are asked for; all of them when not given.

    Returns
    -------
    DataFrame
        Columns image_id, path (text), files; sorted by image_id.
    """
    query = (
        select(files.c.image_id, first_path(files.c.path), func.count())
        .where(files.c.status == "ok", true() if of is None else files.c.image_id.in_(of))
        .group_by(files.c.image_id)
        .order_by(files.c.image_id)
    )
    frame = pd.DataFrame(connection.execute(query).all(), columns=["image_id", "path", "files"])
    frame["path"] = [paths.to_text(path) for path in frame["path"]]
    return frame


def under(roots: Sequence[bytes]) -> ColumnElement[bool]:
    """Condition: the file is one of these, or lies in one of these folders."""
    conditions = []
    for root in roots:
        inside = root.rstrip(b"/") + b"/"
        # The bytes that start with "root/" are those from it up to, not including, "root0".
        after = inside[:-1] + bytes([inside[-1] + 1])
        conditions.append(
            (files.c.path == root) | (files.c.path >= inside) & (files.c.path < after)
        )
    return or_(*conditions)
