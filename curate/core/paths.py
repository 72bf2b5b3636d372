r"""Paths are bytes; this is what they name, and how they are written down for people and tables.

A path names one image file: on a disk (``/data/a.jpg``, always absolute), at a URL
(``s3://bucket/a.jpg``), or inside an archive at either (``/data/x.tar//a.jpg``: the archive, two
slashes, and the member's name as the archive has it).

A path whose bytes are printable UTF-8 stands as it is. Everything else, and the backslash itself,
is escaped, so that the text always leads back to the exact bytes: ``b"a\xff\n"`` is written
``a\xff\x0a`` and ``b"a\\b"`` is written ``a\\b``.
"""

from __future__ import annotations

import os
import re

ARCHIVES = (b".tar", b".zip")
"""How the names of archives end that are opened, in either case."""

COMPRESSED = (
    *(b".tar" + end for end in (b".gz", b".bz2", b".xz", b".zst", b".lz4", b".lzma", b".z")),
    *(b".tgz", b".tbz", b".tbz2", b".txz", b".tzst"),
)
"""How the names of tars end of which no member can be read without reading all before it."""

_URL = re.compile(rb"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_MEMBER = re.compile(rb"\.(?:tar|zip)(?=//)", re.IGNORECASE)
_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def to_text(path: bytes) -> str:
    """Write a path as printable text from which `from_text` gets the same bytes back."""
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(character) for character in text)


def from_text(text: str) -> bytes:
    """Read a path written by `to_text`, or typed by a person."""
    raw = text.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else b"\\", raw)


def absolute(path: str | bytes | os.PathLike[str]) -> bytes:
    """Give the absolute path of what a person named, symbolic links resolved, as bytes.

    A URL stays as it is, and so does the name of a member in an archive.
    """
    raw = os.fsencode(path)
    if scheme_of(raw):
        return raw
    found = _MEMBER.search(raw)
    if found and not os.path.isdir(raw[: found.end()]):
        return os.path.realpath(raw[: found.end()]) + raw[found.end() :]
    return os.path.realpath(raw)


def beside(folder: bytes, raw: bytes) -> bytes:
    """Give what a path in a table means, relative to a folder, without looking at the disk.

    A URL stays as it is, and so does the name of a member in an archive.
    """
    if scheme_of(raw):
        return raw
    found = _MEMBER.search(raw)
    cut = found.end() if found else len(raw)
    return os.path.normpath(os.path.join(folder, raw[:cut])) + raw[cut:]


def scheme_of(path: bytes) -> str:
    """Give the scheme of a URL, in small letters; '' for a path on a disk."""
    found = _URL.match(path)
    return found[1].decode().lower() if found else ""


def parted(path: bytes) -> tuple[bytes, bytes]:
    """Part a path into the archive and the member's name; that is b"" where it names no member.

    No real path on a disk holds two slashes. The key of a URL may, so only those after ``.tar``
    or ``.zip`` part it.
    """
    if scheme_of(path):
        found = _MEMBER.search(path)
        cut = found.end() if found else len(path)
    else:
        cut = path.find(b"//")
        cut = cut if cut >= 0 else len(path)
    return path[:cut], path[cut + 2 :]


def is_archive(path: bytes) -> bool:
    """Whether a name is that of an archive which is listed as its members."""
    return path.lower().endswith(ARCHIVES)


def is_compressed(path: bytes) -> bool:
    """Whether a name is that of a tar that is compressed as a whole."""
    return path.lower().endswith(COMPRESSED)


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    # Lone surrogates stand for the bytes that are not UTF-8; isprintable() is false for them.
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
