"""Identification for Python programs: no library, no files of our own.

A serving app that asks a checkpoint through here prepares its images exactly as `curate bulk-id`,
training and evaluation do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.bulk_id import columns
from curate.bulk_id.pipeline import answered, thinker_of
from curate.bulk_id.thinking import Ask, Means
from curate.core.errors import InputError
from curate.core.files import FileEntry, Walked
from curate.core.identity import Content, image_id
from curate.core.images import NotAnImage, open_picture
from curate.core.listing import merged, place_of
from curate.engine import Computed, Outcome
from curate.models import checkpoint as checkpoints
from curate.models.checkpoint import Checkpoint
from curate.models.plan import FEW
from curate.models.preprocess import decode_side, prepare

Named = str | os.PathLike[str]
Image = bytes | NDArray[np.uint8]
"""The content of an image file, or upright RGB pixels (height, width, 3)."""


class Identifier:
    """A checkpoint that is loaded once and asked often.

    Parameters
    ----------
    model : path-like or Checkpoint
        As `curate bulk-id --model` takes it.
    ask : Ask, optional
        What is computed of each image.
    means : Means, optional
        What is settled of how it is run; nothing is measured.

    Attributes
    ----------
    checkpoint : Checkpoint
        The model.
    """

    def __init__(
        self, model: Named | Checkpoint, ask: Ask | None = None, means: Means | None = None
    ) -> None:
        self.checkpoint = model if isinstance(model, Checkpoint) else checkpoints.load(model)
        self._think = thinker_of([self.checkpoint], ask or Ask(), means or Means(), 0)

    def ask(self, images: Sequence[Image]) -> pd.DataFrame:
        """Identify images that are in memory.

        Parameters
        ----------
        images : sequence of bytes or ndarray
            Contents of image files, or upright RGB pixels, uint8 (height, width, 3).

        Returns
        -------
        DataFrame
            One row an image, in their order, with `columns.COLUMNS`. `path` is empty, and so is the
            `image_id` of pixels. What cannot be opened has the status ``failed`` and a reason.
        """
        outcomes, prepared = [], list[NDArray[np.uint8]]()
        for number, image in enumerate(images):
            entry = FileEntry(b"", len(image), 0, number)
            try:
                content, pixels = self._opened(image)
            except NotAnImage as error:
                outcomes.append(Outcome(entry, None, f"decode: {error}"))
            else:
                outcomes.append(Outcome(entry, content))
                prepared.append(pixels)
        result = self._think([np.stack(prepared)]) if prepared else None
        return columns.frame(Computed(outcomes, result))

    def _opened(self, image: Image) -> tuple[Content, NDArray[np.uint8]]:
        used = self.checkpoint.preprocessing
        if isinstance(image, bytes):
            picture = open_picture(image, decode_side(used))
            content = Content(
                image_id(image), len(image), picture.width, picture.height, picture.format, None
            )
            return content, prepare(picture.pixels, used)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(
                f"an array of {image.dtype} {image.shape}",
                "pixels are uint8 (height, width, 3)",
                "Give RGB pixels, or the bytes of the file.",
            )
        height, width, _ = image.shape
        return Content("", image.nbytes, width, height, "RGB", None), prepare(image, used)


def identify(
    model: Named | Checkpoint,
    images: Named | Sequence[Named],
    *,
    ask: Ask | None = None,
    means: Means | None = None,
) -> pd.DataFrame:
    """Identify image files without a library.

    Parameters
    ----------
    model : path-like or Checkpoint
        As `curate bulk-id --model` takes it.
    images : path-like or sequence of path-like
        Folders, files, archives, manifests, patterns, URLs.
    ask : Ask, optional
        What is computed of each image.
    means : Means, optional
        What is settled of how it is run.

    Returns
    -------
    DataFrame
        One row a file, by path, with `columns.COLUMNS`. A folder or an archive that could not be
        listed is a row too, with the status ``failed``.
    """
    found = pd.concat(identify_batches(model, images, ask=ask, means=means), ignore_index=True)
    return found.sort_values("path", ignore_index=True)


def identify_batches(
    model: Named | Checkpoint,
    images: Named | Sequence[Named],
    *,
    ask: Ask | None = None,
    means: Means | None = None,
) -> Iterator[pd.DataFrame]:
    """Identify image files as `identify` does, and yield the rows as they are made, in any order.

    The files may be more than fit into memory. Every frame has `columns.COLUMNS`; there is at least
    one.
    """
    loaded = model if isinstance(model, Checkpoint) else checkpoints.load(model)
    means = means or Means()
    named = [images] if isinstance(images, str | os.PathLike) else images
    passed = Walked()
    found = merged([place_of(image) for image in named], passed)
    few = list(islice(found, FEW))
    if few:
        think = thinker_of([loaded], ask or Ask(), means, len(few) if len(few) < FEW else None)
        for block in answered(chain(few, found), think, "processes", means.workers):
            yield columns.frame(block)
    unlisted = [
        Outcome(FileEntry(place, 0, 0, 0), None, f"read: it could not be listed ({why})")
        for place, why in passed.failed
    ]
    # Also where there is nothing at all: a table without a row.
    if unlisted or not few:
        yield columns.frame(Computed(unlisted))
