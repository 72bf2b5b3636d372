"""Files on disks of this machine: to quarantine, back, and away for good.

Every change goes through handles (see `handles`), and a folder that was changed is synced once,
at the end of the batch.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from curate.cleanup.moving import copying, handles, notes
from curate.cleanup.moving.move import (
    CHANGED,
    Found,
    Missing,
    Move,
    Outcome,
    Stays,
    below,
    refused,
    stopped,
)
from curate.core.files import FileEntry

OPEN_FOLDERS = 64
"""Folders that wait to be synced, and folders that wait for a neighbour; each holds a handle."""

OCCUPIED = "another file lies at its old path"
SPOILT = "what lies in quarantine is not what was put there"


class Names(Protocol):
    """Knows of files with several names which of these may go."""

    def count(self, seen: os.stat_result) -> int:
        """Give the number of names that are in the plan, or in quarantine already."""

    def moved(self, seen: os.stat_result) -> None:
        """Hear that one of the names went to quarantine."""


class Disk:
    """Moves files of this machine.

    Parameters
    ----------
    names : Names
        Is asked when a file has several.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self._roots: dict[bytes, int] = {}
        self._walked: dict[tuple[bytes, ...], int] = {}
        self._gained: dict[tuple[int, int], int] = {}
        self._lost: dict[tuple[int, int], int] = {}

    def take(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        """Put files into quarantine, each as its item says."""
        self._note(moves)
        yield from self._each(moves, self._take, "skipped")

    def give(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        """Put files back to their old paths."""
        return self._each(moves, self._give, "kept")

    def delete(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        """Delete files from quarantine."""
        return self._each(moves, self._delete, "kept")

    def look(self, move: Move) -> Found:
        """See what an interruption left at the two places."""
        self._drop_parts(move)
        place = self._looked(self._in_quarantine(move))
        # Only where both are there does it matter what they hold.
        source = self._looked(below(move.root, move.path), move if place == "there" else None)
        return Found(source, place)

    def drop(self, move: Move) -> None:
        """Remove the file in quarantine, as its content lies at its path as well."""
        base, parts, name = self._in_quarantine(move)
        with handles.folder(self._root(base), parts) as folder:
            os.close(self._unspoilt(move, name, folder))
            self.sync()
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def entry(self, move: Move) -> FileEntry:
        """Give the state of the file at its path."""
        base, parts, name = below(move.root, move.path)
        with handles.folder(self._root(base), parts) as folder:
            handle = handles.regular(name, folder)
            try:
                if handles.image_of(handle) != move.image_id:
                    raise Stays(OCCUPIED)
                return FileEntry.of(move.path, os.fstat(handle))
            finally:
                os.close(handle)

    def sync(self) -> None:
        """Make all changes durable: whatever happens meanwhile, a file has one name at least."""
        for handle in [*self._gained.values(), *self._lost.values()]:
            try:
                os.fsync(handle)
            except OSError as error:
                folder = os.readlink(b"/proc/self/fd/%d" % handle)
                raise stopped(error, folder) from error
        self._forget()

    def close(self) -> None:
        """Close what is open."""
        self._forget()
        self._leave()
        while self._roots:
            os.close(self._roots.popitem()[1])

    def _each(
        self, moves: Iterable[Move], act: Callable[[Move], Outcome], stays: str
    ) -> Iterator[tuple[Move, Outcome]]:
        self._leave()
        for move in moves:
            try:
                outcome = act(move)
            except Stays as why:
                self._leave()
                failed = why.failed and stays == "skipped"
                outcome = Outcome("failed" if failed else stays, str(why))
            except OSError as error:
                self._leave()
                reason = str(refused(error, move.path))
                outcome = Outcome("failed" if stays == "skipped" else stays, reason)
            yield move, outcome

    def _take(self, move: Move) -> Outcome:
        base, parts, name = below(move.root, move.path)
        folder = self._folder(base, parts)
        source = handles.regular(name, folder)
        try:
            seen = os.fstat(source)
            if seen.st_size != move.bytes or handles.image_of(source) != move.image_id:
                raise Stays(f"{CHANGED}: it has another content")
            self._require_same(os.fstat(source), seen)
            self._require_same(handles.status(name, folder), seen)
            if seen.st_nlink > 1 and self.names.count(seen) < seen.st_nlink:
                raise Stays("has other names: hard links that the plan does not move as well")
            # Hashing takes a while; the way to the file must still be the one that was walked.
            with handles.folder(self._root(base), parts) as again:
                if handles.identity(os.fstat(again)) != handles.identity(os.fstat(folder)):
                    raise Stays(f"{CHANGED}: its folder is another one now")
            self._into_quarantine(move, name, folder, source, seen)
        finally:
            os.close(source)
        return Outcome("moved")

    def _into_quarantine(
        self, move: Move, name: bytes, folder: int, source: int, seen: os.stat_result
    ) -> None:
        base, parts, new = self._in_quarantine(move)
        into = self._folder(base, parts, 0o700)
        try:
            try:
                handles.move(name, folder, new, into)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                copying.copied(move, source, into, new)
                copying.let_go(name, folder, seen, new, into)
            else:
                if not handles.same(handles.status(new, into), seen):
                    # Where its path is taken by now it is in quarantine after all, and no purge
                    # will touch it: its content is not what its row says.
                    with suppress(OSError):
                        handles.move(new, into, name, folder)
                        raise Stays(f"{CHANGED}: it was written to during the move")
                if seen.st_nlink > 1:
                    self.names.moved(seen)
        finally:
            self._changed(into, self._gained)
            self._changed(folder, self._lost)

    def _give(self, move: Move) -> Outcome:
        base, parts, name = self._in_quarantine(move)
        folder = self._folder(base, parts)
        source = self._unspoilt(move, name, folder)
        try:
            base, parts, old = below(move.root, move.path)
            into = handles.made(self._root(base), parts)
            try:
                now = self._back(move, name, folder, source, old, into)
            finally:
                self._changed(into, self._gained)
                self._changed(folder, self._lost)
                os.close(into)
        finally:
            os.close(source)
        return Outcome("restored", "", FileEntry.of(move.path, now))

    def _back(
        self, move: Move, name: bytes, folder: int, source: int, old: bytes, into: int
    ) -> os.stat_result:
        seen = os.fstat(source)
        try:
            handles.move(name, folder, old, into)
        except FileExistsError as error:
            raise Stays(OCCUPIED) from error
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            try:
                copying.copied(move, source, into, old)
            except FileExistsError as occupied:
                raise Stays(OCCUPIED) from occupied
            copied = handles.status(old, into)
            copying.let_go(name, folder, seen, old, into)
            return copied
        return seen

    def _delete(self, move: Move) -> Outcome:
        base, parts, name = self._in_quarantine(move)
        folder = self._folder(base, parts)
        source = self._unspoilt(move, name, folder)
        try:
            self._require_same(handles.status(name, folder), os.fstat(source))
            os.unlink(name, dir_fd=folder)
        finally:
            os.close(source)
        self._changed(folder, self._lost)
        return Outcome("purged")

    def _unspoilt(self, move: Move, name: bytes, folder: int) -> int:
        try:
            source = handles.regular(name, folder)
        except Stays as why:
            raise Stays("is not in quarantine any more") from why
        if handles.image_of(source) != move.image_id:
            os.close(source)
            raise Stays(SPOILT)
        return source

    def _note(self, moves: Sequence[Move]) -> None:
        for (quarantine, run), (header, text) in notes.noted(moves).items():
            try:
                self._append(quarantine, run, header, text)
            except OSError as error:
                raise stopped(error, quarantine) from error

    def _append(self, quarantine: bytes, run: bytes, header: str, text: str) -> None:
        folder = handles.made(self._root(quarantine), [run], 0o700)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(notes.NAME + b".txt", flags, 0o600, dir_fd=folder)
            with os.fdopen(handle, "ab") as file:
                file.write(("" if file.tell() else header).encode() + text.encode())
                file.flush()
                os.fsync(file.fileno())
            self._changed(folder, self._gained)
        finally:
            os.close(folder)

    def _looked(self, place: tuple[bytes, list[bytes], bytes], move: Move | None = None) -> str:
        """See what lies at a place; its content only where `move` says what to compare with."""
        base, parts, name = place
        try:
            root = self._root(base)
        except OSError:
            return "unknown"
        try:
            with handles.folder(root, parts) as folder:
                # What a killed run did here may not be on the disk yet.
                self._changed(folder, self._gained)
                handles.status(name, folder)
                return "there" if move is None else self._compared(move, name, folder)
        except (Missing, FileNotFoundError):
            return "absent"
        except Stays:
            return "other"
        except OSError:
            return "unknown"

    def _compared(self, move: Move, name: bytes, folder: int) -> str:
        handle = handles.regular(name, folder)
        try:
            return "same" if handles.image_of(handle) == move.image_id else "other"
        finally:
            os.close(handle)

    def _drop_parts(self, move: Move) -> None:
        """Remove a copy that did not become whole, at either place."""
        name = copying.temporary(move.item)
        for base, parts, _ in (self._in_quarantine(move), below(move.root, move.path)):
            with (
                suppress(Stays, FileNotFoundError),
                handles.folder(self._root(base), parts) as folder,
            ):
                os.unlink(name, dir_fd=folder)

    def _in_quarantine(self, move: Move) -> tuple[bytes, list[bytes], bytes]:
        return below(move.quarantine, move.place)

    def _root(self, path: bytes) -> int:
        if path not in self._roots:
            self._roots[path] = os.open(path, handles.FOLDER)
        return self._roots[path]

    def _folder(self, base: bytes, parts: Sequence[bytes], mode: int | None = None) -> int:
        """Open a folder, made where there is a mode; neighbours find it open still."""
        key = (base, *parts)
        handle = self._walked.pop(key, None)
        if handle is None:
            root = self._root(base)
            handle = (
                handles.walked(root, parts) if mode is None else handles.made(root, parts, mode)
            )
            if len(self._walked) >= OPEN_FOLDERS:
                os.close(self._walked.pop(next(iter(self._walked))))
        self._walked[key] = handle
        return handle

    def _leave(self) -> None:
        # Out of the table first: whatever interrupts this, no number is closed twice.
        while self._walked:
            os.close(self._walked.popitem()[1])

    def _require_same(self, now: os.stat_result, seen: os.stat_result) -> None:
        if not handles.same(now, seen):
            raise Stays(f"{CHANGED}: it was written to while it was read")

    def _changed(self, folder: int, how: dict[tuple[int, int], int]) -> None:
        known = handles.identity(os.fstat(folder))
        if known not in how:
            if len(self._gained) + len(self._lost) >= OPEN_FOLDERS:
                self.sync()
            how[known] = os.dup(folder)

    def _forget(self) -> None:
        for folders in (self._gained, self._lost):
            while folders:
                os.close(folders.popitem()[1])
