r"""Paths are bytes; this is how they are written down for people and tables.

A path whose bytes are printable UTF-8 stands as it is. Everything else, and the backslash itself,
is escaped, so that the text always leads back to the exact bytes: ``b"a\xff\n"`` is written
``a\xff\x0a`` and ``b"a\\b"`` is written ``a\\b``.
"""

from __future__ import annotations

import os
import re

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
    """Give the absolute path, its folder's symbolic links resolved, as bytes."""
    return os.path.realpath(os.fsencode(path))


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    # Lone surrogates stand for the bytes that are not UTF-8; isprintable() is false for them.
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
