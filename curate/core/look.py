"""One read and one decode of a file, and everything that a stage wants to know from it.

This runs in worker processes, so it imports neither torch nor pandas.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from curate.core import files
from curate.core.hashes import HASHES
from curate.core.identity import Content, image_id
from curate.core.images import Picture, Pixels, open_picture

HASH_SIDE = 256
"""Pixels along the shorter side that hashing and the thumbnail need; see `open_picture`."""

THUMBNAIL_SIDE = 160
"""Pixels along the longer side of a thumbnail."""


@dataclass(frozen=True)
class Look:
    """Content, perceptual hashes by name, and a thumbnail (JPEG bytes without metadata)."""

    content: Content
    hashes: dict[str, int]
    thumbnail: bytes


def look(path: bytes) -> Look:
    """Look at one file: what scan wants to know.

    Raises
    ------
    NotReadable, NotAnImage, MemoryError
        As `files.read` and `open_picture` do.
    """
    content, picture = open_content(path, HASH_SIDE)
    hashes = {name: take(picture.pixels) for name, take in HASHES.items()}
    return Look(content, hashes, thumbnail(picture.pixels))


def open_content(path: bytes, at_least: int | None) -> tuple[Content, Picture]:
    """Read a file once, and give its identity together with its pixels."""
    data = files.read(path)
    picture = open_picture(data, at_least)
    content = Content(
        image_id(data), len(data), picture.width, picture.height, picture.format, picture.taken
    )
    return content, picture


def thumbnail(pixels: Pixels, side: int = THUMBNAIL_SIDE) -> bytes:
    """Shrink a picture to fit a square of `side` pixels; JPEG bytes."""
    small = Image.fromarray(pixels)
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()
