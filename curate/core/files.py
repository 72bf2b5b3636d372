"""Files: read without hanging wherever they lie, written whole or not at all."""

from __future__ import annotations

import builtins
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from curate.core import paths
from curate.core.errors import InputError

MAX_BYTES = 1 << 29
"""The largest file that is read as an image: 512 MiB."""

LIBRARY_FOLDER = b".curate"
"""Where a library keeps its own files; no walk enters it."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One regular file as the walk met it; `mtime_ns` and `inode` tell whether it changed since."""

    path: bytes
    bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: builtins.bytes, status: os.stat_result) -> FileEntry:
        """Give the entry of a file from its status."""
        # Databases have signed numbers, and some file systems use the 64th bit.
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino & (1 << 63) - 1)


@dataclass
class Walked:
    """What a listing passed by.

    Attributes
    ----------
    failed : list of (bytes, str)
        Folders, archives and files that could not be seen, and why: what the library knows of them
        is not gone.
    links, special : int
        Symbolic links and links in archives; pipes, sockets and devices. None is followed.
    sidecars : int
        Members of archives that lie beside an image under its name.
    notes : list of (bytes, str)
        What a person should know of an archive.
    """

    failed: list[tuple[bytes, str]] = field(default_factory=list)
    links: int = 0
    special: int = 0
    sidecars: int = 0
    notes: list[tuple[bytes, str]] = field(default_factory=list)


class NotReadable(Exception):
    """A file cannot be read; the text says why, in a few words."""


def read(path: bytes) -> bytes:
    """Read the whole file that a path names: on a disk, in an archive, at a URL.

    Raises
    ------
    NotReadable
        Not a regular file, too large, or the system refuses.
    """
    # Here, because both stand on this module, and because most runs need neither.
    if paths.parted(path)[1]:
        from curate.core import archives

        return archives.read(path)
    if paths.scheme_of(path):
        from curate.core import remote

        return remote.read(path)
    return _read_from_disk(path)


def _read_from_disk(path: bytes) -> bytes:
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer that never comes.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotReadable(describe(error)) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise NotReadable("not a regular file")
        if status.st_size > MAX_BYTES:
            raise NotReadable(f"{status.st_size:,} bytes, over the limit of {MAX_BYTES:,}")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise NotReadable(describe(error)) from error
    finally:
        os.close(handle)


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut.

    Parameters
    ----------
    path : Path
        Where the file shall lie; its folder must exist.
    write : callable
        Gets the open temporary file and writes the content.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_asked(path: Path, content: bytes) -> None:
    """Write a file that the user asked for, whole or not at all; see `write_asked_by`."""
    write_asked_by(path, lambda file: file.write(content))


def write_asked_by(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file that the user asked for, whole or not at all.

    Parameters
    ----------
    path : Path
        Where.
    write : callable
        Gets the open file and writes the content.

    Raises
    ------
    InputError
        It cannot be written there.
    """
    try:
        if path.exists() and not path.is_file():
            # /dev/stdout is written to; a rename would put a file in the place of the device.
            with path.open("wb") as file:
                write(file)
        else:
            write_whole(path, write)
    except OSError as error:
        raise InputError(
            str(path), f"cannot be written: {describe(error)}", "Give a path that can be."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename counts only after this."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def describe(error: OSError) -> str:
    """Say what the system said, without the path (a row has a column for it)."""
    return (error.strerror or str(error)).lower()
