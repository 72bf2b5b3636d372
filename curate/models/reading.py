"""What a worker does for a model: one read, one decode, one resize."""

from __future__ import annotations

from collections.abc import Sequence

from curate.core.identity import Content
from curate.core.images import Pixels
from curate.core.look import open_content
from curate.models.preprocess import Preprocessing, Resize, decode_side, prepare, with_pillow


def read_prepared(path: bytes, preprocessing: Preprocessing) -> tuple[Content, Pixels]:
    """Read a file and prepare its pixels for a model.

    Parameters
    ----------
    path : bytes
        Of the file.
    preprocessing : Preprocessing
        Of the model.

    Returns
    -------
    content : Content
        The identity travels with the pixels, so a result cannot be given to another file.
    pixels : ndarray of uint8, shape (height, width, 3)
        As `prepare` makes them.

    Raises
    ------
    NotReadable, NotAnImage, MemoryError
        As `open_content` does.
    """
    content, picture = open_content(path, decode_side(preprocessing))
    return content, prepare(picture.pixels, preprocessing)


def read_into(
    path: bytes,
    arrays: Sequence[Pixels],
    preprocessings: Sequence[Preprocessing],
    resize: Resize = with_pillow,
) -> Content:
    """Read a file once and prepare its pixels for several models, into arrays of their sizes.

    Raises
    ------
    NotReadable, NotAnImage, MemoryError
        As `open_content` does.
    """
    content, picture = open_content(path, max(map(decode_side, preprocessings)))
    for array, preprocessing in zip(arrays, preprocessings, strict=True):
        array[...] = prepare(picture.pixels, preprocessing, resize)
    return content
