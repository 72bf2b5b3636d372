"""Formats at URLs: written here and sent whole, fetched before they are read.

What lies at a URL has no rename: the files that say what is there are sent last, and a folder
without them is no whole one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from curate.core import paths, remote, urls
from curate.core.errors import InputError
from curate.core.files import NotReadable, Walked
from curate.core.suffixes import SUFFIXES
from curate.formats.exchange import Second

_BULK = (*SUFFIXES, ".tar")


def send(url: str, write: Callable[[Path], None]) -> Iterator[int]:
    """Write a file or a folder, and send it to a URL.

    Parameters
    ----------
    url : str
        Of a file, or of a folder that is new or empty.
    write : callable
        Gets a path on this machine and writes the file or folder there.

    Yields
    ------
    int
        How many files are still to be sent: first when all are written, then after each.

    Raises
    ------
    InputError
        The URL cannot be written, something is there already, or a file did not arrive whole.
    """
    target = url.rstrip("/").encode()
    remote.require(target, kept=False)
    _refuse_full(target)
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        name = os.path.basename(target)
        local = Path(folder) / os.fsdecode(name)
        write(local)
        # Beside a file there may be a second one, which it names.
        files = _in_order(Path(folder))
        yield len(files)
        for number, file in enumerate(files, start=1):
            place = target.removesuffix(name) + os.fsencode(file.relative_to(folder))
            try:
                remote.put(str(file), place)
            except NotReadable as error:
                sent = f"; {number - 1:,} of {len(files):,} files were sent" if number > 1 else ""
                raise InputError(
                    paths.to_text(urls.shown(place)),
                    f"cannot be written: {error}{sent}",
                    "Give a place that can be, or write to this machine and copy it there.",
                ) from error
            yield len(files) - number


@contextmanager
def fetched(url: str, second: Second | None = None) -> Iterator[Path]:
    """Fetch a file, or all that is no picture of a folder, for as long as it is read.

    Pictures are there by their names alone, empty.

    Parameters
    ----------
    url : str
        Of the file or folder.
    second : callable, optional
        Told of a file once it is here. The one that it names is fetched too, if it is there; not
        from a signed address, whose signature is for one file.

    Raises
    ------
    InputError
        Nothing is there, or the server refuses.
    """
    place = url.rstrip("/").encode()
    remote.require(place, kept=False)
    shown = urls.shown(place)
    with tempfile.TemporaryDirectory(prefix="curate-") as folder:
        above, name = (os.fsdecode(part) for part in shown.split(b"/")[-2:])
        # Where a second file lies may depend on what the folder is called.
        root = Path(folder) / ("" if above in (".", "..") else above)
        root.mkdir(exist_ok=True)
        local = root / name
        with _readable(shown):
            if remote.is_folder(place):
                _fetch_folder(place, local)
                second = None
            else:
                remote.fetch(place, str(local))
        other = second(local) if second and shown == place else None
        if other:
            beside = shown.removesuffix(os.fsencode(local.relative_to(folder)))
            beside += os.fsencode(other.relative_to(folder))
            with _readable(beside):
                if remote.is_there(beside):
                    remote.fetch(beside, str(other))
        yield local


@contextmanager
def _readable(shown: bytes) -> Iterator[None]:
    try:
        yield
    except NotReadable as error:
        raise InputError(
            paths.to_text(shown),
            f"cannot be read: {error}",
            "Give the URL of a file that is there.",
        ) from error


def _refuse_full(target: bytes) -> None:
    try:
        full = remote.is_folder(target)
    except NotReadable as error:
        if str(error).endswith(remote.GONE):
            return
        raise InputError(
            paths.to_text(urls.shown(target)),
            f"cannot be asked for: {error}",
            "Mend that, and try again.",
        ) from error
    if full:
        raise InputError(
            paths.to_text(target), "is there already", "Give a folder that is new or empty."
        )


def _in_order(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(files, key=lambda path: path.suffix.lower() not in _BULK)


def _fetch_folder(place: bytes, local: Path) -> None:
    if local.name in ("", ".", ".."):
        raise NotReadable(f"{paths.to_text(place)}: no file can be called so")
    local.mkdir()
    passed = Walked()
    folders, entries = remote.children(place, passed)
    if passed.failed:
        raise NotReadable(passed.failed[0][1])
    for entry in entries:
        file = local / os.fsdecode(os.path.basename(entry.path))
        if file.suffix.lower() in SUFFIXES:
            file.touch()
        else:
            remote.fetch(entry.path, str(file))
    for folder in folders:
        _fetch_folder(folder, local / os.fsdecode(os.path.basename(folder)))
