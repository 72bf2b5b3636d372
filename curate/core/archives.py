"""Members of archives: found by an index that is kept, read in place, never unpacked to a disk."""

from __future__ import annotations

import io
import os
import stat
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from curate.core import paths, remote
from curate.core.files import MAX_BYTES, FileEntry, NotReadable, Walked, describe
from curate.core.suffixes import SUFFIXES
from curate.core.tars import BLOCK, Contents, Source, read_headers

HELD = 4
"""Archives that a process holds open at a time; a run reads them one after the other."""

_PAGE = 4096

_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""How files start that are compressed as a whole."""


class _Archive(Protocol):
    """An archive whose index was read."""

    contents: Contents

    def span(self, name: bytes) -> tuple[int, int]:
        """Where the bytes of a member start, and how many they are."""
        ...

    def unpacked(self, name: bytes, data: bytes) -> bytes:
        """Give the content of a member from the bytes of its span."""
        ...


@dataclass(frozen=True)
class _Held:
    """An archive that is open, and its file as it was when it was opened."""

    entry: FileEntry
    source: Source
    archive: _Archive


_held: OrderedDict[bytes, _Held] = OrderedDict()
_lock = threading.Lock()


def read(path: bytes) -> bytes:
    """Read a member of an archive.

    Raises
    ------
    NotReadable
        No such archive or member, a damaged one, an encrypted one, or one that is too large.
    """
    archive, name = paths.parted(path)
    held = _open(archive)
    _size(held, name)
    data = held.source.read_at(*held.archive.span(name))
    return held.archive.unpacked(name, data)


def span(path: bytes) -> tuple[bytes, int, int]:
    """Give the archive of a member, and where its bytes start and end there."""
    archive, name = paths.parted(path)
    held = _open(archive)
    _size(held, name)
    start, length = held.archive.span(name)
    return archive, start, min(start + length, held.source.size)


def entry(path: bytes) -> FileEntry:
    """Give one member as a listing does.

    Raises
    ------
    NotReadable
        There is no such archive or member.
    """
    archive, name = paths.parted(path)
    return _entry(_open(archive), path, name)


def entries(archive: bytes, passed: Walked) -> Iterator[FileEntry]:
    """Yield the members of an archive in the order of their paths, each name once.

    What lies beside an image under its name (``0001.jpg``, ``0001.json``, ``0001.cls``: the parts
    of one sample of a WebDataset) is counted as a sidecar and not yielded. Everything else is, also
    what turns out not to be an image.

    Parameters
    ----------
    archive : bytes
        The path of a ``.tar`` or ``.zip``.
    passed : Walked
        Filled with what was not yielded; an archive that cannot be opened is a failure there, and
        so is one that is damaged further on.
    """
    try:
        held = _open(archive, anew=True)
    except NotReadable as error:
        passed.failed.append((archive, str(error)))
        return
    contents = held.archive.contents
    _report(archive, contents, passed)
    names = sorted(contents.members)
    pictured = {_sample(name) for name in names if _is_image(name)}
    for name in names:
        if name and (_is_image(name) or _sample(name) not in pictured):
            yield _entry(held, archive + b"//" + name, name)
        else:
            passed.sidecars += 1


def compression_of(archive: bytes) -> str:
    """Name the compression of what is called a tar; '' for a plain one.

    Raises
    ------
    NotReadable
        It cannot be opened.
    """
    start = _source(archive)[1].read_at(0, 6)
    return next((kind for magic, kind in _PACKED.items() if start.startswith(magic)), "")


def _report(archive: bytes, contents: Contents, passed: Walked) -> None:
    passed.links += contents.links
    passed.special += contents.special
    if contents.damage:
        passed.failed.append((archive, contents.damage))
    if contents.twice:
        count = len(contents.twice)
        said = f"{count:,} names are" if count > 1 else "a name is"
        passed.notes.append((archive, f"{said} there more than once; the last of each counts"))


def _size(held: _Held, name: bytes) -> int:
    member = held.archive.contents.members.get(name)
    if member is None:
        raise NotReadable("no such member in the archive")
    if member[1] > MAX_BYTES:
        raise NotReadable(f"{member[1]:,} bytes, over the limit of {MAX_BYTES:,}")
    return member[1]


def _entry(held: _Held, path: bytes, name: bytes) -> FileEntry:
    member = held.archive.contents.members.get(name)
    if member is None:
        raise NotReadable("no such member in the archive")
    # The offset of its header stands where a file has its inode.
    return FileEntry(path, member[1], held.entry.mtime_ns, member[0])


def _is_image(name: bytes) -> bool:
    return os.path.splitext(name)[1].lower().decode("latin-1") in SUFFIXES


def _sample(name: bytes) -> bytes:
    """Give the name of a sample, which goes to the first dot behind the folders."""
    folder, slash, base = name.rpartition(b"/")
    return folder + slash + base.partition(b".")[0]


def _open(archive: bytes, anew: bool = False) -> _Held:
    """Give an archive with its index, which is read again when the archive has changed.

    One at a URL is asked for changes only where it is listed (`anew`), not at every member.
    """
    with _lock:
        known = _held.pop(archive, None)
        asks = anew or not paths.scheme_of(archive)
        if known is None or (asks and _status(archive) != known.entry):
            status, source = _source(archive)
            kind = _KINDS.get(os.path.splitext(archive)[1].lower())
            if kind is None:
                raise NotReadable("not an archive: its name ends neither with .tar nor with .zip")
            known = _Held(status, source, kind(source))
        _held[archive] = known
        while len(_held) > HELD:
            _held.popitem(last=False)
        return known


def _status(archive: bytes) -> FileEntry:
    if paths.scheme_of(archive):
        return remote.status(archive)
    try:
        return FileEntry.of(archive, os.lstat(archive))
    except OSError as error:
        raise NotReadable(describe(error)) from error


def _source(archive: bytes) -> tuple[FileEntry, Source]:
    if paths.scheme_of(archive):
        entry = remote.status(archive)
        return entry, remote.Ranges(archive, entry.bytes)
    source = _File(archive)
    return source.entry, source


class _File:
    """An archive on a disk."""

    stride = _PAGE

    def __init__(self, path: bytes) -> None:
        self.handle = -1
        try:
            self.handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise NotReadable(describe(error)) from error
        status = os.fstat(self.handle)
        if not stat.S_ISREG(status.st_mode):
            raise NotReadable("not a regular file")
        self.entry = FileEntry.of(path, status)
        self.size = status.st_size

    def read_at(self, offset: int, length: int) -> bytes:
        # A header may name any place; what lies behind the end of the file is not there.
        length = min(length, self.size - offset)
        try:
            return os.pread(self.handle, length, offset) if length > 0 else b""
        except OSError as error:
            raise NotReadable(describe(error)) from error

    def __del__(self) -> None:
        # Not closed sooner: another thread may be reading while the archive is put away.
        if self.handle >= 0:
            os.close(self.handle)


class _Tar:
    def __init__(self, source: Source) -> None:
        self.contents = read_headers(source)
        if self.contents.damage and not self.contents.members:
            raise NotReadable(self.contents.damage)

    def span(self, name: bytes) -> tuple[int, int]:
        header, size = self.contents.members[name]
        return header + BLOCK, size

    def unpacked(self, name: bytes, data: bytes) -> bytes:
        size = self.contents.members[name][1]
        if len(data) < size:
            raise NotReadable(f"cut off: {len(data):,} of {size:,} bytes are in the archive")
        return data


_LOCAL_HEADER = 30
_SLACK = 256
"""Bytes that a member's header may have beyond its name, as a rule."""
_ENCRYPTED = 1


class _Zip:
    """Members are (header, size, size when packed, checksum, method, flags)."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.contents = Contents()
        try:
            with zipfile.ZipFile(io.BufferedReader(_Stream(source), 1 << 16)) as directory:
                infos = directory.infolist()
        except (NotReadable, MemoryError):
            raise
        except Exception as error:  # a hostile directory makes it raise whatever it likes
            raise NotReadable(f"broken zip: {remote.first_line(error)}") from error
        for info in infos:
            self._add(info)

    def _add(self, info: zipfile.ZipInfo) -> None:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            return
        if kind == stat.S_IFLNK:
            self.contents.links += 1
        elif kind not in (0, stat.S_IFREG):
            self.contents.special += 1
        else:
            name = info.filename.encode("utf-8", "surrogateescape")
            where = (info.header_offset, info.file_size, info.compress_size, info.CRC)
            self.contents.add(name, (*where, info.compress_type, info.flag_bits))

    def span(self, name: bytes) -> tuple[int, int]:
        header, _, packed, *_ = self.contents.members[name]
        if packed > MAX_BYTES:
            raise NotReadable(f"{packed:,} bytes, over the limit of {MAX_BYTES:,}")
        return header, _LOCAL_HEADER + len(name) + _SLACK + packed

    def unpacked(self, name: bytes, data: bytes) -> bytes:
        header, size, packed, checksum, method, flags = self.contents.members[name]
        if flags & _ENCRYPTED:
            raise NotReadable("is encrypted")
        if data[:4] != b"PK\x03\x04" or len(data) < _LOCAL_HEADER:
            raise NotReadable("broken zip: there is no member where its directory says")
        start = _LOCAL_HEADER + int.from_bytes(data[26:28], "little")
        start += int.from_bytes(data[28:30], "little")
        if start + packed > len(data):
            data += self.source.read_at(header + len(data), start + packed - len(data))
        content = _inflated(data[start : start + packed], size, method)
        if len(content) != size or zlib.crc32(content) != checksum:
            raise NotReadable("broken zip: the member is not what its directory says")
        return content


def _inflated(data: bytes, size: int, method: int) -> bytes:
    if method == zipfile.ZIP_STORED:
        return data
    if method != zipfile.ZIP_DEFLATED:
        raise NotReadable(f"zip method {method}: only stored and deflated members are read")
    try:
        # One byte more than it may have: a bomb is stopped there.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error as error:
        raise NotReadable(f"broken zip: {error}") from error


class _Stream(io.RawIOBase):
    """A source as a file that can be read and sought in."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self.at, self.source.size)[whence]
        self.at = base + offset
        if self.at < 0:
            raise ValueError("before the start")
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self.source.read_at(self.at, len(view))
        view[: len(data)] = data
        self.at += len(data)
        return len(data)


_KINDS: dict[bytes, Callable[[Source], _Archive]] = {b".tar": _Tar, b".zip": _Zip}
