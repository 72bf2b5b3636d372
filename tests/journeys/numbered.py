"""Images whose pixels say their number, a network that reads it, and workers that misbehave.

An image is of one colour; red and green are the two digits of its number to the base of 32. The
network hands the mean colour on to its head, and the score of a class is highest for the number
that it is named after: so a row tells of which file's pixels it was made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from curate.bulk_id import Ask, Means, pipeline, thinking
from curate.core import paths
from curate.core.files import FileEntry
from curate.core.identity import image_id
from curate.engine import Computed, Work
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from curate.models.preprocess import Preprocessing

from .misbehaving import once

BASE = 32
NUMBERS = BASE * BASE
SHARPNESS = 20.0
"""How clearly the right number wins: its score is near 1."""


def encoded(number: int) -> bytes:
    """Draw a number: without loss, or with little, and of many sizes."""
    high, low = divmod(number, BASE)
    pixels = np.full((40 + number % 23, 40 + number % 31, 3), (8 * high + 4, 8 * low + 4, 128))
    sink = BytesIO()
    picture = Image.fromarray(pixels.astype(np.uint8))
    if number % 2:
        picture.save(sink, "JPEG", quality=95)
    else:
        picture.save(sink, "PNG")
    return sink.getvalue()


def network(path: Path) -> Path:
    """Write a checkpoint that reads numbers; one class for each of them."""
    model = build("test_resnet", NUMBERS)
    state = model.state_dict()
    for name, weights in state.items():
        if name.endswith("running_var"):
            weights.fill_(1)
        elif weights.dtype.is_floating_point:
            weights.zero_()
        # The branches say nothing; what is handed on is the middle pixel of each colour.
        through = name.startswith(("conv1.", "bn1.")) or ".downsample." in name
        if through and name.endswith("weight") and weights.ndim == 4:
            middle = weights.shape[2] // 2
            for colour in range(3):
                weights[colour, colour, middle, middle] = 1
        elif through and name.endswith("weight"):
            weights.fill_(1)
    # The nearest number wins: -(x - k)² is 2kx - k², and an x² that all classes have.
    for number in range(NUMBERS):
        for colour, digit in enumerate(divmod(number, BASE)):
            state["fc.weight"][number, colour] = SHARPNESS * 2 * digit * 255 / 8
            state["fc.bias"][number] -= SHARPNESS * (digit**2 + digit)
    used = replace(preprocessing("test_resnet").at_size(32), mean=(0.0,) * 3, std=(1.0,) * 3)
    classes = tuple(f"{number:04}" for number in range(NUMBERS))
    with torch.no_grad():
        save(Checkpoint("test_resnet", classes, used, state), path)
    return path


def draw(folder: Path, number_of_images: int) -> None:
    """Fill a folder: numbers, copies, files that are none, and files that are hard on a worker."""
    for number in range(number_of_images):
        place = folder / f"{number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        way = WAYS_BY_NUMBER.get(number % 60, "")
        (place / f"{number:04}{way}.img").write_bytes(encoded(number))
        if number % 25 == 3:
            (folder / f"{number:04} again.img").write_bytes(encoded(number))
        if number % 20 == 5:
            (place / f"{number:04} broken.img").write_bytes(encoded(number)[:40])


WAYS_BY_NUMBER = {7: ".once", 23: ".slow", 31: ".refused", 44: ".short"}
"""Of every sixty images, how five behave; see `read_badly`."""

DEADLY = (100, 260)
"""Numbers of images that end every worker that opens them; see `draw_deadly`."""


def draw_deadly(folder: Path) -> None:
    """Add images that end every worker that opens them."""
    for number in DEADLY:
        (folder / f"{number:04}.always.img").write_bytes(encoded(number))


def expected(path: str, behaved: bool) -> str:
    """Say what becomes of a file: its number, or what its reason starts with."""
    name = Path(path).name
    if "broken" in name:
        return "decode: "
    for way, reason in _FAILS.items():
        if way in name and not behaved:
            return reason
    return name[:4]


_FAILS = {".refused": "decode: refused", ".short": "memory: ", ".always": "crash: "}


def check(table: pd.DataFrame, folder: Path, *, behaved: bool) -> None:
    """Compare every row with the file that it names; none is missing, none is there twice."""
    files = sorted(str(path) for path in folder.rglob("*.img"))
    assert sorted(table["path"]) == files
    for row in table.to_dict("records"):
        wanted = expected(row["path"], behaved)
        if wanted.isdigit():
            content = Path(os.fsdecode(paths.from_text(row["path"]))).read_bytes()
            assert row["status"] == "ok", row
            assert row["predicted"] == wanted, row
            assert row["image_id"] == image_id(content), row
            assert row["score"] > 0.99, row
        else:
            assert row["status"] == "failed", row
            assert row["reason"].startswith(wanted), row


def reading_badly(marks: Path) -> Callable[[Sequence[Preprocessing], bool], Work]:
    """Make what stands in for `curate.bulk_id.thinking.reading`."""
    return lambda forms, _many: Work(
        "tests.journeys.misbehaving:read_badly",
        {"preprocessings": tuple(forms), "marks": str(marks)},
    )


def actor(
    models: Sequence[Checkpoint], ask: Ask, means: Means, many: bool, marks: str
) -> Callable[[list[FileEntry]], list[Computed]]:
    """Do what `pipeline.chunk_identifier` does, with such workers, and end the actor once."""
    vars(thinking).update(reading=reading_badly(Path(marks)))
    identify = pipeline.chunk_identifier(models, ask, means, many)

    def answer(chunk: list[FileEntry]) -> list[Computed]:
        found = identify(chunk)
        if any(b"0150" in entry.path for entry in chunk):
            once(Path(marks) / "actor")
        return found

    return answer
