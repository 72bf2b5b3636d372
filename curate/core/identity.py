"""The identity of an image is its content."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

ID_LENGTH = 32
"""Hexadecimal digits of an image id: 128 of the 256 bits, so that a billion images stay apart."""


def image_id(data: bytes) -> str:
    """Name a content: the first 32 hexadecimal digits of the SHA-256 of a file's bytes."""
    return sha256(data).hexdigest()[:ID_LENGTH]


def file_id(path: Path) -> str:
    """Name the content of a large file (a checkpoint) in the same way, without holding it."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:ID_LENGTH]


@dataclass(frozen=True)
class Content:
    """What a file's content is: its identity and what its header says.

    Attributes
    ----------
    image_id : str
        Made from the digest of the bytes.
    bytes : int
        Length of the file.
    width, height : int
        Size of the upright picture, in pixels.
    format : str
        As `core.images.Picture` names it.
    taken : str or None
        When the photo was taken by its camera's clock, ISO 8601 without a zone.
    """

    image_id: str
    bytes: int
    width: int
    height: int
    format: str
    taken: str | None
