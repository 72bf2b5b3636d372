"""Pictures with something to see at every scale, what is done to copies of them, and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from curate.core.hashes import HASHES, phash
from curate.core.images import Pixels, open_picture, to_jpeg
from curate.core.look import THUMBNAIL_SIDE, shrunk
from curate.duplicates.evidence import Evidence
from curate.duplicates.fingerprints import fingerprints
from curate.duplicates.pictures import Part, parts
from curate.duplicates.policy import LEAST, DuplicatePolicy
from curate.duplicates.search import all_starts, arranged, measured
from curate.duplicates.verify import Parts
from curate.duplicates.views import Affine

from ..pictures import encoded

Edit = Callable[[Pixels], Pixels]

SIZE = (144, 108)
HERE: Affine = np.eye(2, 3)


def drawn(seed: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Draw coloured noise of three scales: RGB, shape (height, width, 3)."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells, share in ((5, 0.4), (11, 0.35), (27, 0.25)):
        noise = rng.integers(0, 256, (cells, cells + 2, 3), dtype=np.uint8)
        total += share * np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
    return clipped((total - 128) * 1.3 + 128)


def blank(colour: tuple[int, int, int], size: tuple[int, int] = SIZE) -> Pixels:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def clipped(values: NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def jpeg(pixels: Pixels, quality: int = 60) -> Pixels:
    return open_picture(encoded(pixels, "JPEG", quality=quality)).pixels


def as_seen(pixels: Pixels) -> Pixels:
    """Give a photo as its thumbnail shows it."""
    return open_picture(to_jpeg(shrunk(pixels, THUMBNAIL_SIDE), 85)).pixels


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def cropped(pixels: Pixels, share: float) -> Pixels:
    """Cut `share` of the width and height off, half of it at each side."""
    height, width = pixels.shape[:2]
    x, y = round(width * share / 2), round(height * share / 2)
    return np.ascontiguousarray(pixels[y : height - y, x : width - x])


def rotated(pixels: Pixels, degrees: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC))


def framed(
    pixels: Pixels, top: int, bottom: int, left: int, right: int, colour: tuple[int, int, int]
) -> Pixels:
    """Lay a plain margin around a picture; it becomes larger by so many pixels."""
    height, width = pixels.shape[:2]
    out = blank(colour, (width + left + right, height + top + bottom))
    out[top : top + height, left : left + width] = pixels
    return out


def transposed(pixels: Pixels, how: Image.Transpose) -> Pixels:
    return np.asarray(Image.fromarray(pixels).transpose(how))


EDITS: dict[str, Edit] = {
    "nothing": lambda pixels: pixels,
    "brighter": lambda pixels: clipped(pixels * 1.15 + 10),
    "darker": lambda pixels: clipped(pixels * 0.6),
    "less contrast": lambda pixels: clipped((pixels.astype(float) - 128) * 0.6 + 128),
    "JPEG": lambda pixels: jpeg(pixels, 20),
    "smaller": lambda pixels: resized(pixels, (80, 60)),
    "larger": lambda pixels: resized(pixels, (400, 300)),
    "squashed": lambda pixels: resized(pixels, (100, 144)),
    "cropped": lambda pixels: cropped(pixels, 0.08),
    "cropped more": lambda pixels: cropped(pixels, 0.15),
    "turned a little": lambda pixels: rotated(pixels, 3),
    "turned a little back": lambda pixels: rotated(pixels, -3),
}
"""What the search promises to see through."""

SYMMETRIC: dict[str, Image.Transpose] = {
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
    "upside down": Image.Transpose.FLIP_TOP_BOTTOM,
    "turned left": Image.Transpose.ROTATE_90,
    "turned by half": Image.Transpose.ROTATE_180,
    "turned right": Image.Transpose.ROTATE_270,
    "mirrored and turned left": Image.Transpose.TRANSPOSE,
    "mirrored and turned right": Image.Transpose.TRANSVERSE,
}
"""The symmetries by Pillow, which turns against the clock."""


def part(pixels: Pixels) -> Part:
    """The whole picture, as it is compared."""
    return parts(pixels)[0]


def images_of(pixels: Mapping[str, Pixels]) -> pd.DataFrame:
    """What is known of images beside their pictures; nothing of time and place."""
    rows = [
        {
            "image_id": image_id,
            "label": None,
            "usable": True,
            "origin": "real",
            "split": "",
            "taken": None,
            "camera": "",
            "latitude": np.nan,
            "longitude": np.nan,
            "bytes": picture.size,
            "width": picture.shape[1],
            "height": picture.shape[0],
            "quality": 0.5,
            **dict.fromkeys(HASHES, phash(picture)),
        }
        for image_id, picture in pixels.items()
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(HASHES, "uint64"))


def searched(
    pixels: Mapping[str, Pixels], images: pd.DataFrame | None = None, **asked: object
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The whole search on pictures in memory: the groups and the alike pairs."""
    policy = DuplicatePolicy(**asked)  # type: ignore[arg-type]  # whatever a test asks
    shown = {image_id: parts(picture, policy.symmetries) for image_id, picture in pixels.items()}
    images = images_of(pixels) if images is None else images

    def fetch(image_ids: Sequence[str]) -> Parts:
        return {image_id: shown[image_id] for image_id in image_ids}

    starts = all_starts(fingerprints(shown), images, set(pixels), policy)
    measures = measured(starts, fetch, LEAST)
    return arranged(measures, Evidence.of(images), images, fetch, policy)


def groups_in(table: pd.DataFrame) -> set[frozenset[str]]:
    """The groups of more than one image."""
    sets = table.groupby("group")["image_id"].agg(frozenset)
    return {members for members in sets if len(members) > 1}
