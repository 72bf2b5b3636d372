"""The table of looks: what a scan took from one decode of each image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:  # who only asks the table need not wait for decoders and transforms
    from curate.core.look import Look

TABLE = "looks"

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("phash", pa.uint64()),
        ("dhash", pa.uint64()),
        ("whash", pa.uint64()),
        ("colorhash", pa.uint64()),
        ("sharpness", pa.float32()),
        ("brightness", pa.float32()),
        ("contrast", pa.float32()),
        ("quality", pa.float32()),
        ("camera", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("thumbnail", pa.binary()),
    ]
)
"""Hashes as in `hashes.HASHES`, measures as in `quality.Quality`; camera and place may be null.

A shard with another schema is of another version of curate: the next scan looks again.
"""


def rows(looks: Iterable[Look]) -> pa.Table:
    """Make the rows of looks."""
    return pa.Table.from_pylist([_row(look) for look in looks], schema=SCHEMA)


def _row(look: Look) -> dict[str, object]:
    latitude, longitude = look.place or (None, None)
    return {
        "image_id": look.content.image_id,
        **look.hashes,
        **vars(look.quality),
        "camera": look.camera,
        "latitude": latitude,
        "longitude": longitude,
        "thumbnail": look.thumbnail,
    }
