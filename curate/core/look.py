"""One read and one decode of a file, and everything that a stage wants to know from it.

This runs in worker processes, so it imports neither torch nor pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from curate.core import files
from curate.core.hashes import hashes_of
from curate.core.identity import Content, image_id
from curate.core.images import Picture, Pixels, as_pixels, open_picture, to_jpeg
from curate.core.quality import Quality, measured

DECODED_SIDE = 120
"""Pixels along the shorter side that the thumbnail and the measures need; see `open_picture`."""

HASHED_SIDE = 64
"""Pixels along the shorter side that hashes need; what has twice as many is averaged first."""

THUMBNAIL_SIDE = 160
"""Pixels along the longer side of a thumbnail."""


@dataclass(frozen=True)
class Look:
    """What one look at a file tells.

    Attributes
    ----------
    content : Content
        What the file holds.
    hashes : dict of str to int
        Perceptual hashes by the names of `hashes.HASHES`.
    quality : Quality
        How good the photo is.
    camera : str or None
        Make and model of the camera.
    place : (float, float) or None
        Latitude and longitude in degrees.
    thumbnail : bytes
        JPEG without metadata.
    """

    content: Content
    hashes: dict[str, int]
    quality: Quality
    camera: str | None
    place: tuple[float, float] | None
    thumbnail: bytes


@dataclass(frozen=True)
class Seen:
    """What one decode of a file gives: all but the hashes, which cost less for many at once.

    Attributes
    ----------
    content, quality, camera, place, thumbnail :
        As in `Look`.
    hashed : ndarray of uint8, shape (height, width, 3)
        The picture of which the hashes are taken.
    """

    content: Content
    quality: Quality
    camera: str | None
    place: tuple[float, float] | None
    thumbnail: bytes
    hashed: Pixels


def look(path: bytes) -> Look:
    """Look at one file: what scan wants to know.

    Raises
    ------
    NotReadable, NotAnImage, MemoryError
        As `files.read` and `open_picture` do.
    """
    return finished([seen(path)])[0]


def seen(path: bytes) -> Seen:
    """Read and decode one file, and keep what is small; raises as `look` does."""
    content, picture = open_content(path, DECODED_SIDE)
    small = shrunk(picture.pixels, THUMBNAIL_SIDE)
    return Seen(
        content,
        measured(small),
        picture.camera,
        picture.place,
        to_jpeg(small, quality=85),
        hashed(picture.pixels),
    )


def finished(some: Sequence[Seen]) -> list[Look]:
    """Give the looks at files that were seen, in their order."""
    hashes = hashes_of([one.hashed for one in some])
    return [
        Look(one.content, taken, one.quality, one.camera, one.place, one.thumbnail)
        for one, taken in zip(some, hashes, strict=True)
    ]


def hashed(pixels: Pixels) -> Pixels:
    """Give the picture of which a scan takes its hashes: the means of whole blocks of pixels."""
    blocks = max(1, min(pixels.shape[:2]) // HASHED_SIDE)
    return averaged(pixels, blocks, blocks)


def open_content(path: bytes, at_least: int | None) -> tuple[Content, Picture]:
    """Read a file once, and give its identity together with its pixels."""
    data = files.read(path)
    picture = open_picture(data, at_least)
    content = Content(
        image_id(data), len(data), picture.width, picture.height, picture.format, picture.taken
    )
    return content, picture


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """Shrink a picture to fit a square of `side` pixels, by the means of areas.

    Whole blocks of pixels are averaged first, and bilinear interpolation does the rest, by less
    than two. What is left over of the blocks at the edges is less than half a pixel of the result.
    """
    height, width = pixels.shape[:2]
    longer = max(height, width)
    if longer <= side:
        return pixels
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    rows, columns = (
        max(1, have // want) for have, want in zip((height, width), size[::-1], strict=True)
    )
    blocks = averaged(pixels, rows, columns)
    return as_pixels(cv2.resize(blocks, size, interpolation=cv2.INTER_LINEAR))


def averaged(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Average blocks of so many rows and columns; the rest is cut off, half of it at each side."""
    if rows == columns == 1:
        return pixels
    height, width = pixels.shape[:2]
    top, left = height % rows // 2, width % columns // 2
    blocks = pixels[top : top + height - height % rows, left : left + width - width % columns]
    whole = (blocks.shape[1] // columns, blocks.shape[0] // rows)
    return as_pixels(cv2.resize(blocks, whole, interpolation=cv2.INTER_AREA))
