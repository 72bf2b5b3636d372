"""Files on disk: found without following links, read without hanging, written whole or not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

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


@dataclass
class Walked:
    """What a walk passed by: folders and files it could not see, and what it does not follow."""

    failed: list[tuple[bytes, str]] = field(default_factory=list)
    links: int = 0
    special: int = 0


class NotReadable(Exception):
    """A file cannot be read; the text says why, in a few words."""


def walk(root: bytes, passed: Walked, skip: frozenset[bytes] = frozenset()) -> Iterator[FileEntry]:
    """Yield the regular files under `root`, a folder's own before those of the folders in it.

    Symbolic links are counted and never followed, so a loop cannot hold the walk and nothing
    outside the root is met. Pipes, sockets and devices are counted.

    Parameters
    ----------
    root : bytes
        A folder, or one file.
    passed : Walked
        Filled with what was not yielded.
    skip : frozenset of bytes
        Names of folders that are not entered (``.curate``).
    """
    status = os.lstat(root)
    if stat.S_ISREG(status.st_mode):
        yield _entry(root, status)
        return
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            passed.failed.append((folder, describe(error)))
            continue
        deeper = []
        for entry in entries:
            if entry.is_symlink():
                passed.links += 1
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in skip:
                    deeper.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it vanished since the listing: it was never there
                except OSError as error:
                    passed.failed.append((entry.path, describe(error)))
                    continue
                yield _entry(entry.path, status)
            else:
                passed.special += 1
        pending.extend(reversed(deeper))


def listed(root: str | os.PathLike[str], passed: Walked) -> tuple[bytes, list[FileEntry]]:
    """List the files of a folder that a user named (or that one file).

    Returns
    -------
    root : bytes
        The absolute path, its links resolved.
    found : list of FileEntry
        In the order of their paths; a library's own folder is not entered.

    Raises
    ------
    InputError
        There is no such folder, or nothing in it.
    """
    place = os.path.realpath(os.fsencode(root))
    try:
        mode = os.stat(place).st_mode
    except OSError as error:
        raise InputError(str(root), describe(error), "Give a folder of images.") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise InputError(str(root), "is neither a folder nor a file", "Give a folder of images.")
    found = list(walk(place, passed, skip=frozenset({LIBRARY_FOLDER})))
    if not found:
        raise InputError(
            str(root),
            "there is no file in it" + (" that can be listed" if passed.failed else ""),
            "Give a folder of images. If it should hold some, is its disk mounted?",
        )
    return place, found


def read(path: bytes) -> bytes:
    """Read a whole regular file.

    Raises
    ------
    NotReadable
        Not a regular file, too large, or the system refuses.
    """
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
    """Write a file that the user asked for, whole or not at all.

    Raises
    ------
    InputError
        It cannot be written there.
    """
    try:
        if path.exists() and not path.is_file():
            # /dev/stdout is written to; a rename would put a file in the place of the device.
            path.write_bytes(content)
        else:
            write_whole(path, lambda file: file.write(content))
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


def _entry(path: bytes, status: os.stat_result) -> FileEntry:
    return FileEntry(path, status.st_size, status.st_mtime_ns, status.st_ino)
