"""One file to be moved, and what can come of it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import NamedTuple

from curate.core import paths
from curate.core.errors import LibraryError
from curate.core.files import FileEntry, describe

CHANGED = "changed since the plan"


class Move(NamedTuple):
    """A file and its two places.

    Attributes
    ----------
    item : int
        Its number in the journal.
    path : bytes
        Where the library knows it.
    place : bytes
        Where it lies, or will lie, in quarantine; absolute, or a URL.
    root : bytes
        The declared root that `path` lies under.
    quarantine : bytes
        The folder that holds the folders of all runs; `place` lies under it.
    image_id : str
        What its content must be.
    bytes : int
        And its size.
    """

    item: int
    path: bytes
    place: bytes
    root: bytes
    quarantine: bytes
    image_id: str
    bytes: int


class Outcome(NamedTuple):
    """What came of a move: the journal's word for it, why, and the file where it is back.

    The word is '' where nobody knows yet: the item stays open, and the next run looks again.
    """

    event: str
    reason: str = ""
    entry: FileEntry | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at the two places of a file.

    Attributes
    ----------
    source, place : str
        ``absent``; ``same`` (it has the content of the image); ``other``; ``there`` (not looked
        into, as nothing depends on it); ``unknown`` (nobody could look).
    """

    source: str
    place: str


class Stays(Exception):
    """A file is not moved; the text says why. `failed` where the system refused."""

    def __init__(self, reason: str, *, failed: bool = False) -> None:
        super().__init__(reason)
        self.failed = failed


class Missing(Stays):
    """It stays because it, or a folder on the way to it, is not there."""


STOPPING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENFILE, errno.EMFILE}
"""What no other file would be spared either."""


def stopped(error: OSError, place: bytes) -> LibraryError:
    """Give the error for a disk that takes no more changes."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return LibraryError(
        paths.to_text(place),
        f"the disk takes no more changes ({describe(error)})",
        ("Free some space there" if full else "See to that disk")
        + " and give the same command again: what was done is written down, and it goes on.",
    )


def refused(error: OSError, place: bytes) -> Stays:
    """Turn what the system says of one file into its reason; raise where it concerns all."""
    if error.errno in STOPPING:
        raise stopped(error, place) from error
    return Stays(describe(error), failed=True)


def below(root: bytes, path: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Part a path into the folder to begin at, the folders in between, and the name.

    A root may be a single file: then its own folder is where it begins.
    """
    if path == root:
        return os.path.dirname(path), [], os.path.basename(path)
    parts = path[len(root.rstrip(b"/")) + 1 :].split(b"/")
    if b".." in parts or b"." in parts or b"" in parts:
        raise Stays("its path is not a plain one", failed=True)
    return root, parts[:-1], parts[-1]
