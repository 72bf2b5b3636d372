"""What a person names (a folder, an archive, a manifest, a pattern, a URL), listed as files.

Every listing runs in the order of the paths' bytes and meets each path once, so that it can be
laid beside a sorted table; it holds one folder (or one archive's index) at a time for each level,
never all that is below.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from curate.core import archives, manifest, paths, remote
from curate.core.errors import InputError
from curate.core.files import LIBRARY_FOLDER, FileEntry, NotReadable, Walked, describe
from curate.core.pattern import Pattern, is_pattern

_REMEDY = "Give a folder, an image, a .tar or .zip, a manifest, a quoted pattern or a URL."
_UNPACK = "Unpack it, or pack it again without: images are compressed already."
_NEVER = frozenset({LIBRARY_FOLDER})
_NOT_YET = -1

_by_path = attrgetter("path")
_by_key = attrgetter("key")


@dataclass(frozen=True)
class Place:
    """One thing that a person named.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    path : bytes
        Absolute, or a URL.
    within : bytes or None
        Where the paths start of which a listing is complete: files known there and not met are
        gone. None where a listing says nothing of what it does not name.
    schemes : collection of str
        Those that URLs in a manifest may have.
    """

    kind: str
    path: bytes
    within: bytes | None
    schemes: Collection[str] = ()


def place_of(root: str | os.PathLike[str], schemes: Collection[str] = ()) -> Place:
    """Find out what a person named.

    Parameters
    ----------
    root : path-like
        A folder, an image, an archive (``.tar``, ``.zip``) or a member of one, a manifest
        (``.csv``, ``.tsv``, ``.parquet``, ``.txt``), a pattern (``photos/**/*.jpg``), or a URL of
        a folder, an image or an archive.
    schemes : collection of str
        Those that URLs in a manifest may have.

    Raises
    ------
    InputError
        There is nothing, or what there is cannot be listed.
    """
    text = os.fspath(root)
    raw = os.fsencode(text)
    if paths.scheme_of(raw):
        return _at_url(raw)
    path = paths.absolute(raw)
    if paths.parted(path)[1]:
        _require_member(text, path)
        return Place("file", path, None)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if is_pattern(raw):
            return Place("glob", os.path.join(os.getcwdb(), raw), None)
        raise InputError(text, describe(error), _REMEDY) from error
    if stat.S_ISDIR(mode):
        return Place("folder", path, path.rstrip(b"/") + b"/")
    if not stat.S_ISREG(mode):
        raise InputError(text, "is neither a folder nor a file", _REMEDY)
    if paths.is_archive(path) or paths.is_compressed(path):
        _require_plain(text, path)
        return Place("archive", path, path + b"//")
    if path.lower().endswith(manifest.SUFFIXES):
        return Place("manifest", path, None, schemes)
    return Place("file", path, None)


def entries_of(place: Place, passed: Walked) -> Iterator[FileEntry]:
    """Yield the files of a place in the order of their paths, each once.

    An archive that lies in a folder is listed as its members.

    Raises
    ------
    InputError, FaultsError
        A pattern that nothing matches, a manifest that cannot be read or has faults.
    """
    return KINDS[place.kind](place, passed)


def merged(places: Sequence[Place], passed: Walked) -> Iterator[FileEntry]:
    """Yield the files of several places in the order of their paths, each once."""
    last = None
    for entry in heapq.merge(*(_late(place, passed) for place in places), key=_by_path):
        if entry.inode != _NOT_YET and entry.path != last:
            last = entry.path
            yield entry


def listed(root: str | os.PathLike[str], passed: Walked) -> tuple[bytes, list[FileEntry]]:
    """List all files of a folder, an archive or a URL that a user named (or that one file).

    Returns
    -------
    root : bytes
        The absolute path, its links resolved, or the URL.
    found : list of FileEntry
        In the order of their paths; a library's own folder is not entered.

    Raises
    ------
    InputError
        There is no such place, or nothing in it.
    """
    place = place_of(root)
    if place.kind in ("manifest", "glob"):
        raise InputError(
            os.fspath(root),
            f"is a {_CALLED[place.kind]}, which says nothing of the files that it does not name",
            "Give a folder, an archive or a URL.",
        )
    found = list(entries_of(place, passed))
    if not found:
        raise InputError(
            os.fspath(root),
            "there is no file in it" + (" that can be listed" if passed.failed else ""),
            "Give a folder of images. If it should hold some, is its disk mounted?",
        )
    return place.path, found


def walk(root: bytes, passed: Walked, skip: frozenset[bytes] = frozenset()) -> Iterator[FileEntry]:
    """Yield the regular files under `root` in the order of their paths, archives opened.

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
        yield FileEntry.of(root, status)
        return
    yield from _tree(root, partial(_in_folder, passed=passed), _all_but(skip), passed)


@dataclass(frozen=True)
class _Item:
    """One name in a folder; its status is asked for when its turn comes."""

    path: bytes
    folder: bool
    entry: Callable[[], FileEntry | None]

    @property
    def key(self) -> bytes:
        """What the paths start with that come of it: so a folder's lie behind `folder.jpg`."""
        if self.folder:
            return self.path + b"/"
        return self.path + b"//" if paths.is_archive(self.path) else self.path


State = Collection[int]
_Step = Callable[[State, bytes], tuple[State | None, bool]]
"""From the state in a folder and a name in it: the state in the folder of this name (None: it is
not entered), and whether the file of this name is taken."""


def _all_but(skip: frozenset[bytes]) -> _Step:
    return lambda state, name: (None if name in skip else state, True)


def _tree(
    root: bytes,
    children: Callable[[bytes], list[_Item]],
    step: _Step,
    passed: Walked,
    state: State = (),
) -> Iterator[FileEntry]:
    """Descend from a folder, files and folders of each in one order."""
    # Not by recursion: folders may be nested deeper than calls.
    levels = [(iter(children(root)), state)]
    while levels:
        items, state = levels[-1]
        item = next(items, None)
        if item is None:
            levels.pop()
            continue
        inner, taken = step(state, os.path.basename(item.path))
        if item.folder:
            if inner is not None:
                levels.append((iter(children(item.path)), inner))
        elif taken and paths.is_compressed(item.path):
            passed.failed.append((item.path, f"is a compressed tar: {_UNPACK}"))
        elif taken and paths.is_archive(item.path):
            yield from archives.entries(item.path, passed)
        elif taken and (entry := item.entry()):
            yield entry


def _in_folder(folder: bytes, passed: Walked) -> list[_Item]:
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        passed.failed.append((folder, describe(error)))
        return []
    items = []
    for entry in entries:
        if entry.is_symlink():
            passed.links += 1
        elif entry.is_dir(follow_symlinks=False):
            items.append(_Item(entry.path, True, _nothing))
        elif entry.is_file(follow_symlinks=False):
            items.append(_Item(entry.path, False, partial(_looked, entry, passed)))
        else:
            passed.special += 1
    return sorted(items, key=_by_key)


def _looked(entry: os.DirEntry[bytes], passed: Walked) -> FileEntry | None:
    try:
        return FileEntry.of(entry.path, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None  # it vanished since the listing: it was never there
    except OSError as error:
        passed.failed.append((entry.path, describe(error)))
        return None


def _nothing() -> None:
    return None


def _in_bucket(folder: bytes, passed: Walked) -> list[_Item]:
    folders, found = remote.children(folder, passed)
    items = [_Item(path, True, _nothing) for path in folders]
    items += [_Item(entry.path, False, partial(_same, entry)) for entry in found]
    return sorted(items, key=_by_key)


def _same(entry: FileEntry) -> FileEntry:
    return entry


def _at_url(url: bytes) -> Place:
    remote.require(url)
    text = paths.to_text(url)
    remedy = "Give the URL of a file, of a folder of a bucket, or of a .tar or .zip."
    if paths.parted(url)[1]:
        _require_member(text, url)
        return Place("file", url, None)
    folder = url.rstrip(b"/")
    try:
        below = remote.is_folder(folder)
    except NotReadable as error:
        raise InputError(text, str(error), remedy) from error
    if below or folder != url:
        if paths.scheme_of(url) in ("http", "https"):
            raise InputError(text, "names a folder, which no web server can list", remedy)
        return Place("url", folder, folder + b"/")
    if paths.is_archive(url) or paths.is_compressed(url):
        _require_plain(text, url)
        return Place("archive", url, url + b"//")
    return Place("file", url, None)


def _require_member(text: str, path: bytes) -> None:
    try:
        archives.entry(path)
    except NotReadable as error:
        raise InputError(text, str(error), _REMEDY) from error


def _require_plain(text: str, path: bytes) -> None:
    """Raise where a tar is compressed: each of its images could be read only after all others."""
    try:
        kind = archives.compression_of(path)
    except NotReadable as error:
        raise InputError(text, str(error), _REMEDY) from error
    if kind or paths.is_compressed(path):
        raise InputError(text, f"is a tar compressed as a whole{kind and f' by {kind}'}", _UNPACK)


def _folder(place: Place, passed: Walked) -> Iterator[FileEntry]:
    return walk(place.path, passed, skip=_NEVER)


def _file(place: Place, passed: Walked) -> Iterator[FileEntry]:
    try:
        if paths.parted(place.path)[1]:
            yield archives.entry(place.path)
        elif paths.scheme_of(place.path):
            yield remote.status(place.path)
        else:
            yield FileEntry.of(place.path, os.lstat(place.path))
    except NotReadable as error:
        passed.failed.append((place.path, str(error)))
    except OSError as error:
        passed.failed.append((place.path, describe(error)))


def _archive(place: Place, passed: Walked) -> Iterator[FileEntry]:
    return archives.entries(place.path, passed)


def _manifest(place: Place, passed: Walked) -> Iterator[FileEntry]:
    return manifest.entries(place.path, place.schemes)


def _glob(place: Place, passed: Walked) -> Iterator[FileEntry]:
    pattern = Pattern.of(place.path)

    def step(state: State, name: bytes) -> tuple[State | None, bool]:
        inner, taken = pattern.step(state, name)
        return (None if name in _NEVER else inner), taken

    nothing = True
    if os.path.isdir(pattern.folder):
        children = partial(_in_folder, passed=passed)
        for entry in _tree(pattern.folder, children, step, passed, pattern.start()):
            nothing = False
            yield entry
    if nothing:
        raise InputError(
            paths.to_text(place.path),
            "no file matches this pattern",
            "Put quotes around it; `**` stands for any number of folders, hidden ones left out.",
        )


def _url(place: Place, passed: Walked) -> Iterator[FileEntry]:
    return _tree(place.path, partial(_in_bucket, passed=passed), _all_but(_NEVER), passed)


KINDS: dict[str, Callable[[Place, Walked], Iterator[FileEntry]]] = {
    "folder": _folder,
    "file": _file,
    "archive": _archive,
    "manifest": _manifest,
    "glob": _glob,
    "url": _url,
}
"""Kinds of places, and how each is listed."""

_CALLED = {"manifest": "manifest", "glob": "pattern"}


def _late(place: Place, passed: Walked) -> Iterator[FileEntry]:
    """Begin with a mark before the first path, so that a place is opened when its turn comes.

    A merge asks every place for its first path at once: a thousand archives would all be indexed.
    """
    yield FileEntry(_first(place), 0, 0, _NOT_YET)
    yield from entries_of(place, passed)


def _first(place: Place) -> bytes:
    """Give what no path of a place is before."""
    if place.kind == "manifest":
        return b""
    return Pattern.of(place.path).folder if place.kind == "glob" else place.path
