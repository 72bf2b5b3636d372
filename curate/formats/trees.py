"""A split as a folder tree of links or copies, brought up to date; what is not ours is not touched.

The tree has an index of what was made in it. Only what the index names, and what is still as it
was made, is ever replaced or taken away. Before the first change the index of everything that is
and that shall be is written under another name: a run that was killed is continued, and a tree is
done when only the index without that name is there.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from curate.core import paths
from curate.core.errors import FaultsError, InputError
from curate.core.files import NotReadable, describe, read, write_whole
from curate.core.identity import file_id
from curate.core.identity import image_id as id_of
from curate.formats.layout import laid_out
from curate.formats.tables import read_rows

INDEX = ".curate-tree.csv"
UNDERWAY = ".curate-tree.underway.csv"
_PART = ".curate-tree.part"
_COLUMNS = ["place", "made", "mark"]
_CLOCKS_APART = 2
"""Seconds by which file systems round the time of a file, at most."""

Advance = Callable[[int], object]


@dataclass(frozen=True)
class Written:
    """What was done to a tree.

    Attributes
    ----------
    made, kept, removed : int
        Files of the tree.
    left : list of str
        Places that the index named, that are no longer right, and that somebody has changed: they
        were left as they are.
    without_file : int
        Images that have a place in the split and no file any more.
    """

    made: int
    kept: int
    removed: int
    left: list[str]
    without_file: int


@dataclass(frozen=True)
class _Item:
    """One file of the tree: how it is made, how it is recognised later, and of what."""

    made: str
    mark: str
    source: bytes = b""
    image_id: str = ""
    text: bytes = b""


def write_tree(
    table: pd.DataFrame,
    folder: Path,
    *,
    copy: bool = False,
    texts: Mapping[str, bytes] | None = None,
    advance: Advance = lambda done: None,
) -> Written:
    """Write a split as ``split/class/file``, or bring such a tree up to date.

    Parameters
    ----------
    table : DataFrame
        As `laid_out` takes it.
    folder : Path
        Made when it is not there; the folder it lies in must be.
    copy : bool
        Copy the files; otherwise make symbolic links to them.
    texts : mapping of str to bytes, optional
        Further files of the tree: place to content.
    advance : callable
        Told how many files were just made.

    Raises
    ------
    FaultsError
        What `curate` did not make is in the way, or a file is no longer there. Nothing was changed.
    InputError
        The folder cannot be written, or a file has changed since the scan. What is there is then
        no whole tree; the same command goes on.
    """
    rows = laid_out(table)
    root = os.path.abspath(os.fsencode(folder))
    sources = [paths.from_text(path) for path in rows["path"]]
    wanted, faults = _wanted(rows["place"], sources, rows["image_id"], copy)
    for place, content in (texts or {}).items():
        wanted[place] = _Item("text", id_of(content), text=content)
    before = _index(folder)
    keep, faults_there = _already(root, wanted, before)
    faults += faults_there
    if faults:
        raise FaultsError(
            str(folder),
            faults,
            "Take away what is in the way, or give another folder; for files that are gone, "
            "`curate scan` their folder and split again.",
        )
    stale = {place: marks for place, marks in before.items() if place not in wanted}
    try:
        folder.mkdir(exist_ok=True)
        _write_index(folder / UNDERWAY, _both(wanted, before))
        gone, left = _take_away(root, stale)
        advance(len(keep))
        _make(root, {place: wanted[place] for place in wanted if place not in keep}, advance)
        if copy:
            os.sync()  # the index must not outlive the copies that it names
        _write_index(folder / INDEX, [(place, i.made, i.mark) for place, i in wanted.items()])
        (folder / UNDERWAY).unlink()
    except OSError as error:
        raise InputError(
            str(folder),
            f"cannot be written: {describe(error)}; the tree is not whole",
            "Mend that and give the command again; it goes on from here.",
        ) from error
    placed = int((table["split"] != "").sum())
    return Written(len(wanted) - len(keep), len(keep), gone, left, placed - len(rows))


def _wanted(
    places: Iterable[str], sources: Iterable[bytes], ids: Iterable[str], copy: bool
) -> tuple[dict[str, _Item], list[str]]:
    """What the tree shall hold, and the sources that are not there."""
    wanted, faults = {}, []
    for place, source, image_id in zip(places, sources, ids, strict=True):
        try:
            status = os.lstat(source)
        except OSError as error:
            faults.append(f"{paths.to_text(source)}: {describe(error)}")
            continue
        if not stat.S_ISREG(status.st_mode):
            faults.append(f"{paths.to_text(source)}: is no regular file any more")
            continue
        if copy:
            mark = f"{status.st_size} {status.st_mtime_ns // 10**9}"
            wanted[place] = _Item("copy", mark, source, image_id)
        else:
            wanted[place] = _Item("link", paths.to_text(source), source, image_id)
    return wanted, faults


def _already(
    root: bytes, wanted: Mapping[str, _Item], before: Mapping[str, set[tuple[str, str]]]
) -> tuple[set[str], list[str]]:
    """The places that are as they shall be, and those where something foreign is in the way."""
    keep, faults = set(), []
    folders = {place.rpartition("/")[0] for place in wanted} - {""}
    for name in sorted(folders | {f.partition("/")[0] for f in folders}):
        status = _status(_at(root, name))
        if status and not stat.S_ISDIR(status.st_mode):
            faults.append(f"{name}: is in the way, and no folder")
    for place, item in wanted.items():
        path = _at(root, place)
        if not _status(path):
            continue
        if not any(_is(path, *mark) for mark in before.get(place, ())):
            faults.append(f"{place}: is in the way: not made by curate, or changed since")
        elif _is(path, item.made, item.mark):
            keep.add(place)
    return keep, faults


def _take_away(root: bytes, stale: Mapping[str, set[tuple[str, str]]]) -> tuple[int, list[str]]:
    """Remove what is no longer right, and the folders that this leaves empty."""
    gone, left = 0, []
    emptied = set()
    for place, marks in stale.items():
        path = _at(root, place)
        parents = {place.rpartition("/")[0], place.partition("/")[0]} if "/" in place else set()
        if any(os.path.islink(_at(root, name)) for name in parents):
            left.append(place)  # what lies behind a link is not in the tree
        elif any(_is(path, *mark) for mark in marks):
            os.unlink(path)
            gone += 1
            emptied |= parents
        elif _status(path):
            left.append(place)
    for name in sorted(emptied, key=len, reverse=True):
        folder = _at(root, name)
        if not os.listdir(folder):
            os.rmdir(folder)
    return gone, left


def _make(root: bytes, items: Mapping[str, _Item], advance: Advance) -> None:
    part = _at(root, _PART)
    if _status(part):
        os.unlink(part)  # of a run that was killed
    # The texts, which speak of the files, come last.
    for place, item in sorted(items.items(), key=lambda pair: (pair[1].made == "text", pair[0])):
        path = _at(root, place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if _status(path):
            os.unlink(path)
        if item.made == "link":
            os.symlink(item.source, path)
        elif item.made == "copy":
            _copy(item, part)
            os.rename(part, path)
        else:
            _write(Path(os.fsdecode(path)), item.text)
        advance(1)


def _copy(item: _Item, part: bytes) -> None:
    try:
        data = read(item.source)
        status = os.lstat(item.source)
    except NotReadable as error:
        raise _changed(item.source, str(error)) from error
    if id_of(data) != item.image_id:
        raise _changed(item.source, "its content has changed since the scan")
    try:
        with open(part, "wb") as file:
            file.write(data)
        os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError:
        if os.path.lexists(part):
            os.unlink(part)
        raise


def _changed(source: bytes, why: str) -> InputError:
    return InputError(
        paths.to_text(source),
        f"{why}; the tree is not whole",
        "`curate scan` its folder, split again, and give the command again.",
    )


def _is(path: bytes, made: str, mark: str) -> bool:
    """Whether at this path lies what was made there, unchanged."""
    status = _status(path)
    if not status:
        return False
    if made == "link":
        return stat.S_ISLNK(status.st_mode) and paths.to_text(os.readlink(path)) == mark
    if not stat.S_ISREG(status.st_mode):
        return False
    if made == "copy":
        size, _, seconds = mark.partition(" ")
        apart = abs(status.st_mtime_ns // 10**9 - int(seconds))
        return status.st_size == int(size) and apart <= _CLOCKS_APART
    return file_id(Path(os.fsdecode(path))) == mark


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _at(root: bytes, place: str) -> bytes:
    return os.path.join(root, place.encode())


def _both(
    wanted: Mapping[str, _Item], before: Mapping[str, set[tuple[str, str]]]
) -> list[tuple[str, str, str]]:
    rows = {(place, made, mark) for place, marks in before.items() for made, mark in marks}
    return sorted(rows | {(place, item.made, item.mark) for place, item in wanted.items()})


def _index(folder: Path) -> dict[str, set[tuple[str, str]]]:
    """What earlier runs have made here, or were about to."""
    found: dict[str, set[tuple[str, str]]] = {}
    for name in (INDEX, UNDERWAY):
        file = folder / name
        if not os.path.lexists(file):
            continue
        records = read_rows(file)
        _, header = next(records, (1, []))
        if header != _COLUMNS:
            raise InputError(
                str(file), "is not the index of a tree", "Give another folder, or take it away."
            )
        for line, cells in records:
            if len(cells) != 3 or not _inside(cells[0]) or not _sound(*cells[1:]):
                raise InputError(
                    f"{file}, line {line}",
                    "does not name a file of the tree",
                    "Give another folder, or take the tree away and give the command again.",
                )
            found.setdefault(cells[0], set()).add((cells[1], cells[2]))
    return found


def _inside(place: str) -> bool:
    """Whether a place stays in the tree: nothing outside is removed, whatever an index says."""
    parts = place.split("/")
    return "\x00" not in place and not any(part in ("", ".", "..") for part in parts)


def _sound(made: str, mark: str) -> bool:
    numbers = mark.split(" ")
    is_copy = len(numbers) == 2 and all(part.lstrip("-").isdecimal() for part in numbers)
    return made in ("link", "text") or (made == "copy" and is_copy)


def _write_index(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    lines.writerows(rows)
    _write(path, text.getvalue().encode())


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda file: file.write(content))
