"""A decoding worker that counts, for models that run in the same process."""

from __future__ import annotations

from collections.abc import Sequence

from curate.core.identity import Content
from curate.core.images import Pixels
from curate.models.preprocess import Preprocessing
from curate.models.reading import read_into


def read(
    path: bytes,
    arrays: Sequence[Pixels],
    preprocessings: Sequence[Preprocessing],
    decoded: list[bytes],
) -> Content:
    """Read as bulk-id does, and write down what was read."""
    decoded.append(path)
    return read_into(path, arrays, preprocessings)
