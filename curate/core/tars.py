"""The headers of a plain tar: which member lies where.

Written anew, because a tar of 100,000 photos is indexed by every worker: `tarfile` takes 30 to 45
microseconds a member, this takes a few. Only regular members with their data in one piece have a
place; nothing else is ever followed or made.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

BLOCK = 512
_ENDS = bytes(BLOCK)
_LONGEST_HEADER = 1 << 20
_REGULAR = frozenset(b"0\x007")
_LINKS = frozenset(b"12")
_SPECIAL = frozenset(b"346")
_FOLDER, _SPARSE, _LONG_NAME, _LONG_LINK = b"5SLK"
_OWN, _GLOBAL = b"xX", b"g"


class Source(Protocol):
    """Bytes that can be read anywhere: a file on a disk, or an object at a URL.

    Attributes
    ----------
    size : int
        How many bytes there are.
    stride : int
        Bytes that are worth one reading, where a little of them is asked for.
    """

    size: int
    stride: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Read so many bytes from there on; fewer where it ends."""
        ...


class Damaged(Exception):
    """The headers do not lead on from here; the text says why, in a few words."""


@dataclass
class Contents:
    """What an archive says that it holds.

    Attributes
    ----------
    members : dict of bytes to tuple of int
        By name: where a regular member's own header starts, its size, and what else its kind of
        archive needs. Of a name that is there twice, the last.
    twice : set of bytes
        Names that are there more than once.
    links, special : int
        Members that are links, or devices, pipes and sparse files.
    damage : str
        Why the headers could not be followed to the end; '' where they could.
    """

    members: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    twice: set[bytes] = field(default_factory=set)
    links: int = 0
    special: int = 0
    damage: str = ""

    def add(self, name: bytes, member: tuple[int, ...]) -> None:
        """Add a regular member."""
        if name in self.members:
            self.twice.add(name)
        self.members[name] = member


def read_headers(source: Source) -> Contents:
    """Follow the headers of a tar from its start to its end; members are (header, size)."""
    tar = Contents()
    try:
        for name, kind, header, size in _headers(_Blocks(source)):
            if kind in _REGULAR:
                tar.add(name, (header, size))
            elif kind in _LINKS:
                tar.links += 1
            elif kind != _FOLDER:
                tar.special += 1
    except Damaged as error:
        tar.damage = str(error)
    return tar


class _Blocks:
    """Reads a source by strides: the next header often lies in what was read for the last."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.start = 0
        self.block = b""

    def read_at(self, offset: int, length: int) -> bytes:
        at = offset - self.start
        if not 0 <= at <= at + length <= len(self.block):
            self.block = self.source.read_at(offset, max(length, self.source.stride))
            self.start, at = offset, 0
        return self.block[at : at + length]


def _headers(source: _Blocks) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield name, type, start of its own header, and size of every member.

    A record before a member (a long name, pax) is laid over the member that follows it.
    """
    offset = 0
    of_all: dict[bytes, bytes] = {}
    own: dict[bytes, bytes] = {}
    while True:
        header = source.read_at(offset, BLOCK)
        if header == _ENDS:
            return
        if len(header) < BLOCK:
            raise Damaged("it has no end mark; it may be cut off")
        _check(header, offset)
        kind = header[156]
        size = _number(header[124:136], offset)
        start = offset + BLOCK
        if kind in (_LONG_NAME, _LONG_LINK) or kind in _OWN or kind in _GLOBAL:
            data = _record(source, start, size)
            if kind == _LONG_NAME:
                own[b"path"] = data.partition(b"\x00")[0]
            elif kind in _OWN:
                own.update(_pax(data, offset))
            elif kind in _GLOBAL:
                of_all.update(_pax(data, offset))
            offset = start + _whole(size)
            continue
        said = {**of_all, **own} if own or of_all else own
        name = said[b"path"].rstrip(b"/") if b"path" in said else _name(header)
        if b"size" in said:
            size = _decimal(said[b"size"], offset)
        if kind == 0 and name.endswith(b"/"):
            kind = _FOLDER  # as tars wrote them before there was a type for folders
        if kind == _SPARSE:
            start = _behind_map(source, header, start)
        elif any(key.startswith(b"GNU.sparse.") for key in said):
            kind = _SPARSE
        yield name, kind, offset, size
        empty = kind in _LINKS or kind in _SPECIAL or kind == _FOLDER
        offset = start if empty else start + _whole(size)
        own = {}


def _check(header: bytes, offset: int) -> None:
    field = header[148:156]
    said = _number(field, offset)
    # The low half of Adler-32 is 1 + the sum of the bytes, modulo 65521, at the speed of C.
    found = zlib.adler32(header) & 0xFFFF
    if found != (1 + said - 256 + sum(field)) % 65521 and said != _signed_sum(header):
        raise _damaged(offset)


def _signed_sum(header: bytes) -> int:
    """Sum as some old programs did, which took bytes for signed numbers."""
    signed: tuple[int, ...] = struct.unpack("148b8x356b", header)
    return 256 + sum(signed)


def _number(text: bytes, offset: int) -> int:
    digits = text.strip(b" \x00")
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError as error:
            raise _damaged(offset) from error
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    if digits:
        raise _damaged(offset)
    return 0


def _decimal(text: bytes, offset: int) -> int:
    if not text.isdigit() or len(text) > 20:
        raise _damaged(offset)
    return int(text)


def _damaged(offset: int) -> Damaged:
    return Damaged(f"its header at byte {offset:,} is damaged" if offset else "is not a tar")


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\x00")[0]
    # GNU tars keep other things where POSIX has the folder of a long name.
    if header[257:263] == b"ustar\x00" and header[345]:
        return header[345:500].partition(b"\x00")[0] + b"/" + name
    return name


def _record(source: _Blocks, start: int, size: int) -> bytes:
    if size > _LONGEST_HEADER:
        raise Damaged(f"a header of {size:,} bytes, over the limit of {_LONGEST_HEADER:,}")
    data = source.read_at(start, size)
    if len(data) < size:
        raise Damaged("it is cut off in a header")
    return data


def _pax(data: bytes, offset: int) -> Mapping[bytes, bytes]:
    """Read records ``length key=value\\n``; the length counts the whole record."""
    said: dict[bytes, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 20)
        length = data[at:space] if space > at else b""
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not (at < space < end <= len(data)) or not equals:
            raise _damaged(offset)
        said[key] = value
        at = end
    return said


def _behind_map(source: _Blocks, header: bytes, start: int) -> int:
    """Pass by the blocks that say where the pieces of an old sparse file belong."""
    more = header[482]
    while more:
        block = _record(source, start, BLOCK)
        more = block[504]
        start += BLOCK
    return start


def _whole(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
