"""Where files may be taken from, where they go, and whether those places are there at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from curate.cleanup.moving import notes
from curate.cleanup.moving.move import Move
from curate.core import config, paths
from curate.core.errors import LibraryError
from curate.core.files import LIBRARY_FOLDER, describe, sync_folder, write_whole
from curate.store import journal, protection, schema
from curate.store.journal import Item, Leaving
from curate.store.library import FOLDER, Library

QUARANTINE = "quarantine"
MARK = "README.txt"
IN_A_FOLDER = 1000
"""Files in one folder of a quarantine: file managers are slow with many."""

_LONGEST = 200
"""Bytes of a file's name that are kept in its new one; 255 may stand there, with the number."""

_PLAIN = re.compile(rb"[\w .,+@~=()-]{1,100}")
"""A name that is good as it is, as most are."""

_README = """\
Files that `curate cleanup apply` took out of the way. Nothing here is needed any more, and nothing
is deleted before `curate cleanup purge` says so.

Each folder run-N holds the files of one run; WHAT-LIES-HERE.txt in it says where each one lay.

To put files back:  curate cleanup restore --run N
To see why one is here:  curate cleanup log FILE
Without the library's database: move each file back by hand, as WHAT-LIES-HERE.txt says.

Please leave this file here: without it, curate takes the quarantine for a disk that is not mounted.
"""


@dataclass
class Ground:
    """The declared roots, and the quarantine.

    Attributes
    ----------
    library : Library
        Whose they are.
    roots : frozenset of bytes
        What was scanned.
    folder : bytes
        The quarantine of files on disks that are to be moved; absolute.
    inodes : dict
        The inode of each root as each run saw it, by (run, root): an empty folder that is another
        than then is where a disk should be mounted.
    """

    library: Library
    roots: frozenset[bytes]
    folder: bytes
    inodes: dict[int, dict[str, int]] = field(default_factory=dict)
    _there: dict[tuple[bytes, int], str] = field(default_factory=dict)

    def root_of(self, path: bytes) -> bytes | None:
        """Give the innermost root that a path lies under."""
        at = path
        while at not in self.roots:
            above = at.rpartition(b"/")[0] or (b"/" if at != b"/" else b"")
            if not above or above == at:
                return None
            at = above
        return at

    def place(self, item: int, file: Leaving, run_id: int) -> bytes:
        """Say where a file will lie: found by the number, and by people by its old name."""
        name = b"run-%06d/%06d/%d-%s" % (run_id, item // IN_A_FOLDER, item, _readable(file.path))
        root = self.root_of(file.path)
        if root is not None and paths.scheme_of(file.path):
            return b"/".join([_base(root, file.path), LIBRARY_FOLDER, QUARANTINE.encode(), name])
        return self.stored(self.folder + b"/" + name)

    def stored(self, place: bytes) -> bytes:
        """Give a place as rows have it; see `journal.place_in`."""
        return place.removeprefix(os.fsencode(self.library.root) + b"/")

    def move(self, item: Item, *, from_root: bool = True) -> Move:
        """Give an item with its two places.

        Raises
        ------
        LibraryError
            Its quarantine is not there, or (with `from_root`) the root of its path.
        """
        place = journal.place_in(self.library, item.place)
        root = self.root_of(item.path)
        wrong = _unmarked(_quarantine_of(place))
        if not wrong and from_root:
            wrong = "no scanned folder" if root is None else self.absent(root, item.moved_run)
        if wrong:
            raise LibraryError(paths.to_text(item.path), wrong, "Is its disk mounted?")
        at = root or os.path.dirname(item.path)
        return Move(
            item.item, item.path, place, at, _quarantine_of(place), item.image_id, item.bytes
        )

    def absent(self, root: bytes, run_id: int | None = None) -> str:
        """Say why a root is not there; '' where it is."""
        key = (root, run_id or 0)
        if key not in self._there:
            self._there[key] = "" if paths.scheme_of(root) else self._absent(root, run_id)
        return self._there[key]

    def _absent(self, root: bytes, run_id: int | None) -> str:
        text = paths.to_text(root)
        try:
            if os.path.realpath(root) != root:
                return f"{text} is reached by a symbolic link now, which it was not when scanned"
            seen = os.lstat(root)
            if os.path.isdir(root) and not any(name != LIBRARY_FOLDER for name in os.listdir(root)):
                then = self._inode(root, run_id)
                return "" if then == seen.st_ino else f"{text} is empty: is its disk mounted?"
        except OSError as error:
            return f"{text}: {describe(error)}; is its disk mounted?"
        return ""

    def _inode(self, root: bytes, run_id: int | None) -> int | None:
        if run_id is None:
            return None
        if run_id not in self.inodes:
            query = sa.select(schema.runs.c.parameters).where(schema.runs.c.run_id == run_id)
            with self.library.reading() as connection:
                told = json.loads(connection.scalar(query) or "{}")
            self.inodes[run_id] = told.get("roots", {})
        return self.inodes[run_id].get(paths.to_text(root))


def ground(library: Library) -> Ground:
    """Look up roots and quarantine.

    Raises
    ------
    LibraryError
        The quarantine lies in a folder of images, where the next scan would find its files.
    """
    asked = config.load(library.root).cleanup.quarantine
    folder = library.root / asked if asked else library.folder / QUARANTINE
    with library.reading() as connection:
        roots = frozenset(protection.roots(connection))
    found = Ground(library, roots, os.path.realpath(os.fsencode(folder)))
    inside = found.root_of(found.folder)
    if (
        inside is not None
        and b"/" + LIBRARY_FOLDER + b"/" not in found.folder[len(inside) :] + b"/"
    ):
        raise LibraryError(
            paths.to_text(found.folder),
            f"a quarantine cannot lie in a folder of images ({paths.to_text(inside)})",
            f"Name another folder under [cleanup] in {config.FILE}, or one in {FOLDER}.",
        )
    return found


def require_roots(found: Ground, planned: Iterable[bytes]) -> dict[str, int]:
    """Refuse where a root of the plan's files is not there; give the inode of each on a disk.

    Raises
    ------
    LibraryError
        All that are not there are named.
    """
    roots = {root for path in planned if (root := found.root_of(path)) is not None}
    wrong = [why for root in sorted(roots) if (why := found.absent(root))]
    if wrong:
        raise LibraryError(
            "; ".join(wrong),
            "nothing is moved while a folder of the plan is not there",
            "Mount it, or scan what has moved, and plan again.",
        )
    return {
        paths.to_text(root): os.lstat(root).st_ino for root in roots if not paths.scheme_of(root)
    }


def require_quarantine(found: Ground) -> None:
    """Make the quarantine of disks where there is none yet; refuse where it has gone.

    Raises
    ------
    LibraryError
        Files lie in it by the journal, and it is not there; or it cannot be made.
    """
    mark = Path(os.fsdecode(found.folder)) / MARK
    if mark.exists():
        return
    inside = found.stored(found.folder + b"/")
    at = journal.FIRST.c.place
    with found.library.reading() as connection:
        held = journal.items(
            connection,
            [journal.QUARANTINED, journal.OPEN],
            most=1,
            where=(at >= inside) & (at < inside[:-1] + b"0"),
        )
    if held:
        raise _not_there(found.folder)
    try:
        mark.parent.mkdir(0o700, parents=True, exist_ok=True)
        for half in mark.parent.glob(f".{MARK}.*.tmp"):
            half.unlink()
        sync_folder(mark.parent.parent)
        write_whole(mark, lambda file: file.write(_README.encode()))
    except OSError as error:
        raise LibraryError(
            str(mark.parent),
            f"no quarantine can be made there: {describe(error)}",
            f"Name another folder under [cleanup] in {config.FILE}.",
        ) from error


def tidy(library: Library) -> None:
    """Take away the folders of runs that hold nothing any more."""
    with library.reading() as connection:
        left = journal.left_runs(connection)
    for item in left:
        folder = os.path.dirname(os.path.dirname(journal.place_in(library, item.place)))
        if os.path.isdir(folder):
            _remove_empty(folder)


def _remove_empty(folder: bytes) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            if name != notes.NAME + b".txt":
                os.rmdir(os.path.join(folder, name))
        os.unlink(os.path.join(folder, notes.NAME + b".txt"))
        os.rmdir(folder)


def _not_there(folder: bytes) -> LibraryError:
    return LibraryError(
        paths.to_text(folder),
        "files lie in this quarantine, and it is not there",
        "Nothing was changed. Is its disk mounted?",
    )


def _unmarked(base: bytes) -> str:
    there = paths.scheme_of(base) or os.path.lexists(os.path.join(base, MARK.encode()))
    return "" if there else f"its quarantine {paths.to_text(base)} is not there"


def _quarantine_of(place: bytes) -> bytes:
    return place.rsplit(b"/", 3)[0]


def _base(root: bytes, path: bytes) -> bytes:
    return path.rpartition(b"/")[0] if root == path else root


def _readable(path: bytes) -> bytes:
    """Give a name that every file system takes and that people find: its end, then its start."""
    last = path.rpartition(b"/")[2]
    if _PLAIN.fullmatch(last):
        return last
    name = last.decode("utf-8", "replace")
    kept = "".join(sign if sign.isprintable() and sign not in '\\:*?"<>|' else "_" for sign in name)
    start, dot, suffix = kept.rpartition(".")
    end = f".{suffix}" if dot and start and len(suffix) <= 8 else ""
    stem = kept[: len(kept) - len(end)].encode()[: _LONGEST - len(end.encode())]
    return stem.decode("utf-8", "ignore").encode() + end.encode()
