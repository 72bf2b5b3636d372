"""The header of a plain JPEG, read without a decoder: for small photos that is a tenth of the work.

A plain JPEG is a baseline or progressive photo in grey or colour, whose header holds nothing beside
what is needed to decode it: no EXIF, no profile, no further pictures. Whatever else a file is or
holds, and whatever is odd about it, this module does not know it, and Pillow decides.
"""

from __future__ import annotations

from struct import Struct

Size = tuple[int, int]

_SEGMENT = Struct(">BBH")
_FRAME = Struct(">BHHB")

_FRAMES = {0xC0, 0xC1, 0xC2}
_TABLES, _HUFFMAN, _RESTART, _SCAN = 0xDB, 0xC4, 0xDD, 0xDA
_JFIF, _COMMENT = 0xE0, 0xFE
_PLAIN = {_TABLES, _HUFFMAN, _RESTART, _JFIF, _COMMENT}


def plain_size(data: bytes) -> Size | None:
    """Give width and height of a plain JPEG; None for everything else."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    size, tables = None, False
    place, last = 2, len(data) - _SEGMENT.size
    while place <= last:
        start, kind, length = _SEGMENT.unpack_from(data, place)
        if start != 0xFF or length < 2:
            return None
        if kind == _SCAN:
            return size if tables else None
        if kind in _FRAMES and size is None:
            size = _size(data, place + _SEGMENT.size, length)
            if size is None:
                return None
        elif kind not in _PLAIN:
            return None
        tables |= kind == _TABLES
        place += 2 + length
    return None


def _size(data: bytes, place: int, length: int) -> Size | None:
    if length < 2 + _FRAME.size or place + _FRAME.size > len(data):
        return None
    depth, height, width, channels = _FRAME.unpack_from(data, place)
    plain = depth == 8 and channels in (1, 3) and width and height
    return (width, height) if plain else None
