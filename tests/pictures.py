"""Small pictures for tests: smooth noise, so lossy formats keep it and hashes tell it apart."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from curate.core.images import Pixels


def picture(seed: int = 0, size: tuple[int, int] = (96, 64)) -> Pixels:
    """Draw a picture of a seed: RGB, shape (height, width, 3)."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))


def encoded(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    """Encode a picture in memory."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
