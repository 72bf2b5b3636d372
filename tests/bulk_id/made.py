"""Small models and photos for the tests of bulk identification."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from curate.bulk_id import Identified, Means, bulk_id
from curate.core.files import FileEntry
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from curate.store.library import Library

from ..pictures import encoded, picture

CLASSES = ("ant", "bee", "cat", "dog")
MEANS = Means(device="cpu", backend="torch", precision="fp32", batch_size=7, workers=2)


def checkpoint(seed: int = 3, side: int = 32, classes: Sequence[str] = CLASSES) -> Checkpoint:
    """An untrained network whose answers differ from image to image."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = build("test_resnet", len(classes)).state_dict()
    prepared = preprocessing("test_resnet").at_size(side)
    return Checkpoint("test_resnet", tuple(classes), prepared, weights, temperature=0.05)


def renamed(one: Checkpoint, classes: Sequence[str]) -> Checkpoint:
    """The same network with its classes in another order."""
    order = [one.classes.index(name) for name in classes]
    weights = {
        name: values[order] if name.startswith("fc.") else values
        for name, values in one.weights.items()
    }
    return replace(one, classes=tuple(classes), weights=weights)


def saved(one: Checkpoint, path: Path) -> Path:
    """Write a checkpoint down."""
    save(one, path)
    return path


def photos(folder: Path, number: int, first: int = 0) -> list[Path]:
    """Different photos, written at known times: one a day, from 2026-01-01 (UTC) on."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for at in range(first, first + number):
        path = folder / f"{at:03}.jpg"
        path.write_bytes(encoded(picture(at, (48, 40)), "JPEG"))
        os.utime(path, (1767225600 + 86400 * at,) * 2)
        made.append(path)
    return made


def identified(
    library: Library, models: Path | Sequence[Path], places: Sequence[Path | str], **options: Any
) -> Identified:
    """Identify on this machine, in this process, unless told otherwise."""
    return bulk_id(library, models, places, **{"engine_name": "serial", "means": MEANS, **options})


def entry(name: str, number: int = 1) -> FileEntry:
    """A file that nobody reads."""
    return FileEntry(f"/photos/{name}".encode(), number, number, number)


def pixels(number: int, side: int = 32, seed: int = 0) -> Any:
    """Prepared pixels, as a worker writes them: (N, side, side, 3)."""
    shape = (number, side, side, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
