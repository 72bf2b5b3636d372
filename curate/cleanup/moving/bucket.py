"""Files in object stores: the server copies, the copy is looked at, then the old one is deleted.

A store has no rename and no lock. What was copied is compared with what was read (by the store's
tag where it is a digest of the content, by reading it otherwise), and the old file is only deleted
while it still has the tag with which it was read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from curate.cleanup.moving import notes
from curate.cleanup.moving.disk import OCCUPIED, SPOILT
from curate.cleanup.moving.move import CHANGED, Found, Move, Outcome, Stays
from curate.core import paths, remote
from curate.core.errors import LibraryError
from curate.core.files import FileEntry, NotReadable


class _Unknown(Exception):
    """The server did not say what came of a change."""


class Bucket:
    """Moves files of object stores, some at a time: each costs several answers of a server."""

    def take(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        """Put files into quarantine, each as its item says."""
        for (quarantine, run), (header, text) in notes.noted(moves).items():
            _note(b"%s/%s/%s-%d.txt" % (quarantine, run, notes.NAME, moves[0].item), header + text)
        yield from self._each(moves, _take, "skipped")

    def give(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        """Put files back to their old URLs."""
        return self._each(moves, _give, "kept")

    def delete(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        """Delete files from quarantine."""
        return self._each(moves, _delete, "kept")

    def look(self, move: Move) -> Found:
        """See what an interruption left at the two places."""
        place = _looked(move.place, "")
        return Found(_looked(move.path, move.image_id if place == "there" else ""), place)

    def drop(self, move: Move) -> None:
        """Remove the file in quarantine, as its content lies at its URL as well."""
        _unspoilt(move)
        remote.delete(move.place)

    def entry(self, move: Move) -> FileEntry:
        """Give the state of the file at its URL."""
        return remote.status(move.path)

    def sync(self) -> None:
        """Do nothing: what a store has acknowledged is kept."""

    def close(self) -> None:
        """Do nothing: connections are kept by the package that opened them."""

    def _each(
        self, moves: Sequence[Move], act: Callable[[Move], Outcome], stays: str
    ) -> Iterator[tuple[Move, Outcome]]:
        def tried(move: Move) -> Outcome:
            try:
                return act(move)
            except Stays as why:
                failed = why.failed and stays == "skipped"
                return Outcome("failed" if failed else stays, str(why))
            except NotReadable as why:
                return Outcome("failed" if stays == "skipped" else stays, str(why))
            except _Unknown as why:
                return Outcome("", str(why))

        pool = ThreadPoolExecutor(remote.AT_ONCE)
        try:
            yield from zip(moves, pool.map(tried, moves), strict=True)
        finally:
            # Also on Ctrl-C: what is under way ends, what has not begun never does.
            pool.shutdown(cancel_futures=True)


def _note(url: bytes, text: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        try:
            remote.put(file.name, url)
        except NotReadable as error:
            raise LibraryError(
                paths.to_text(url), f"cannot be written: {error}", "See what the bucket allows."
            ) from error


def _take(move: Move) -> Outcome:
    try:
        seen = remote.status(move.path)
    except NotReadable as error:
        if str(error) == remote.GONE:
            raise Stays(f"{CHANGED}: it is not there any more") from error
        raise
    if seen.bytes != move.bytes or remote.image_of(move.path) != move.image_id:
        raise Stays(f"{CHANGED}: it has another content")
    # A copy goes over whatever is there: of another library, or of one whose database was lost.
    if remote.is_there(move.place):
        raise Stays("something lies at its place in quarantine", failed=True)
    _moved(move.path, move.place, move.image_id, seen)
    return Outcome("moved")


def _give(move: Move) -> Outcome:
    seen = _unspoilt(move)
    if remote.is_there(move.path):
        raise Stays(OCCUPIED)
    _moved(move.place, move.path, move.image_id, seen, ours=False)
    return Outcome("restored", "", remote.status(move.path))


def _delete(move: Move) -> Outcome:
    _unspoilt(move)
    try:
        remote.delete(move.place)
    except NotReadable as error:
        raise _Unknown(str(error)) from error
    return Outcome("purged")


def _unspoilt(move: Move) -> FileEntry:
    if not remote.is_there(move.place):
        raise Stays("is not in quarantine any more")
    seen = remote.status(move.place)
    if remote.image_of(move.place) != move.image_id:
        raise Stays(SPOILT)
    return seen


def _moved(old: bytes, new: bytes, image_id: str, seen: FileEntry, *, ours: bool = True) -> None:
    """Copy, look, delete. What lies at a place that is not ours may be somebody else's by now."""
    try:
        remote.copy(old, new)
        if remote.image_of(new) != image_id:
            if not ours:
                raise Stays(OCCUPIED)
            remote.delete(new)
            raise Stays("the copy is not what was read", failed=True)
        now = remote.status(old)
        if (now.inode, now.mtime_ns, now.bytes) != (seen.inode, seen.mtime_ns, seen.bytes):
            if ours:
                remote.delete(new)
            raise Stays(f"{CHANGED}: it was written to while it was copied")
        # Who took our lock over may have settled this item meanwhile.
        if not remote.is_there(new):
            raise _Unknown("its copy is gone")
        remote.delete(old)
    except NotReadable as error:
        raise _Unknown(str(error)) from error


def _looked(url: bytes, image_id: str) -> str:
    try:
        if not remote.is_there(url):
            return "absent"
        if not image_id:
            return "there"
        return "same" if remote.image_of(url) == image_id else "other"
    except NotReadable:
        return "unknown"
