"""From one disk to another: copy, look at what was written, and only then let go of the old one."""

from __future__ import annotations

import os
from contextlib import suppress

from curate.cleanup.moving import handles
from curate.cleanup.moving.move import CHANGED, Move, Stays

_PART = 1 << 20


def temporary(item: int) -> bytes:
    """Name a copy that is not whole yet."""
    return b".curate-%d.part" % item


def copied(move: Move, source: int, into: int, new: bytes) -> None:
    """Copy an open file to a folder on another disk, whole under its name or not there at all.

    The copy is read back from the disk: it has the image's content before it gets its name.

    Raises
    ------
    FileExistsError
        Something has that name.
    Stays
        What was written is not what was read.
    """
    name = temporary(move.item)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    # What bears that name already is not ours to remove.
    handle = os.open(name, flags, 0o600, dir_fd=into)
    try:
        try:
            _write(source, handle)
            _dress(source, handle)
            os.fsync(handle)
            # What was written is on the disk now: forget it, so that the disk is read.
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            if handles.image_of(handle) != move.image_id:
                raise Stays("the copy is not what was read: the disk lost something", failed=True)
        finally:
            os.close(handle)
        handles.move(name, into, new, into)
        os.fsync(into)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=into)
        raise


def let_go(name: bytes, at: int, seen: os.stat_result, new: bytes, into: int) -> None:
    """Remove the file that was copied, or its copy where it changed meanwhile or has to stay."""
    try:
        if not handles.same(handles.status(name, at), seen):
            raise Stays(f"{CHANGED}: it was written to while it was copied")
    except (Stays, OSError):
        os.unlink(new, dir_fd=into)
        raise
    handles.removed(name, at, new, into)


def _write(source: int, handle: int) -> None:
    at = 0
    while data := os.pread(source, _PART, at):
        at += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]


def _dress(source: int, handle: int) -> None:
    """Give the copy the owner, the rights, the times and the notes of the file."""
    seen = os.fstat(source)
    # Not everybody may give files away, and not every file system keeps all of it.
    with suppress(OSError):
        os.fchown(handle, seen.st_uid, seen.st_gid)
    with suppress(OSError):
        os.fchmod(handle, seen.st_mode & 0o7777)
    with suppress(OSError):
        for key in os.listxattr(source):
            os.setxattr(handle, key, os.getxattr(source, key))
    os.utime(handle, ns=(seen.st_atime_ns, seen.st_mtime_ns))
