"""Folders and files by their handles: no name is followed anywhere that was not meant.

A path is walked from the handle of its root, one name at a time, and no symbolic link is followed.
A rename never overwrites: `renameat2` with RENAME_NOREPLACE, or, on a file system without it, a
second link and then one less.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from curate.cleanup.moving.move import CHANGED, Missing, Stays
from curate.core.identity import ID_LENGTH

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe must not wait for a writer that never comes.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_NO_REPLACE = 1
_PART = 1 << 20
_SPECIAL = f"{CHANGED}: it is no regular file any more"

_library = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_library, "renameat2", None)


@contextmanager
def folder(root: int, parts: Sequence[bytes]) -> Iterator[int]:
    """Open the folder that lies some names below an open one.

    Raises
    ------
    Stays
        A name on the way is not there, or is no folder (any more).
    """
    handle = walked(root, parts)
    try:
        yield handle
    finally:
        os.close(handle)


def walked(root: int, parts: Sequence[bytes]) -> int:
    """Give a new handle of the folder that lies some names below an open one; see `folder`."""
    handle = os.dup(root)
    try:
        for part in parts:
            inner = os.open(part, FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
    except OSError as error:
        os.close(handle)
        if error.errno == errno.ENOENT:
            raise Missing(f"{CHANGED}: a folder of its path is not there any more") from error
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise Stays(f"{CHANGED}: a folder of its path is something else now") from error
        raise
    return handle


def made(root: int, parts: Sequence[bytes], mode: int = 0o777) -> int:
    """Give a new handle of a folder below an open one, the missing ones made for good."""
    handle = os.dup(root)
    try:
        for part in parts:
            try:
                inner = os.open(part, FOLDER, dir_fd=handle)
            except FileNotFoundError:
                os.mkdir(part, mode, dir_fd=handle)
                os.fsync(handle)
                inner = os.open(part, FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
    except BaseException:
        os.close(handle)
        raise
    return handle


def regular(name: bytes, at: int) -> int:
    """Open a regular file for reading; raise `Stays` where it is something else, or nothing."""
    try:
        handle = os.open(name, FILE, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise Missing(f"{CHANGED}: it is not there any more") from error
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Stays(_SPECIAL) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Stays(_SPECIAL)
    return handle


def image_of(handle: int) -> str:
    """Give the image id of what an open file holds, from its start."""
    digest = hashlib.sha256()
    at = 0
    while data := os.pread(handle, _PART, at):
        digest.update(data)
        at += len(data)
    return digest.hexdigest()[:ID_LENGTH]


def status(name: bytes, at: int) -> os.stat_result:
    """Look at what has a name in a folder; a link is not followed."""
    return os.stat(name, dir_fd=at, follow_symlinks=False)


def same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two looks saw one file in one state."""
    return _state(one) == _state(other)


def identity(status: os.stat_result) -> tuple[int, int]:
    """Tell a file or folder from every other that exists at the time."""
    return status.st_dev, status.st_ino


def _state(status: os.stat_result) -> tuple[int, ...]:
    # Not the time of the last change of the status: a rename sets that.
    return *identity(status), status.st_size, status.st_mtime_ns


def move(name: bytes, at: int, new: bytes, into: int) -> None:
    """Rename a file; FileExistsError where something has the new name, EXDEV on another disk."""
    number = _rename(name, at, new, into)
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        # Two names for a moment: an interrupted one is settled from what lies there.
        os.link(name, new, src_dir_fd=at, dst_dir_fd=into, follow_symlinks=False)
        try:
            if identity(status(name, at)) != identity(status(new, into)):
                raise Stays(f"{CHANGED}: another file took its name during the move")
        except (Stays, OSError):
            os.unlink(new, dir_fd=into)
            raise
        removed(name, at, new, into)
    elif number:
        raise OSError(number, os.strerror(number))


def removed(name: bytes, at: int, new: bytes, into: int) -> None:
    """Remove a file that lies under a second name as well; that one goes where the first stays.

    A server may have removed it though its answer is an error: the second name is the last then.
    """
    try:
        os.unlink(name, dir_fd=at)
    except OSError:
        try:
            status(name, at)
        except FileNotFoundError:
            return
        os.unlink(new, dir_fd=into)
        raise


def _rename(name: bytes, at: int, new: bytes, into: int) -> int:
    if _renameat2 is None:
        return errno.ENOSYS
    done: int = _renameat2(at, name, into, new, _NO_REPLACE)
    return ctypes.get_errno() if done else 0
