"""What every format of another tool takes and gives, so that one command serves all of them.

A format writes a table of images, with labels and predictions, and reads answers of people or
predictions back. It never asks the library: rows name images by `image_id` where the other tool
carries it along, and by `file` otherwise; who reads finds the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

OUT_COLUMNS = (
    *("image_id", "path", "width", "height", "label", "sub_class", "origin", "split", "bbox"),
    *("by", "predicted", "score", "second", "second_score", "reason", "top_classes", "top_scores"),
)
"""Columns of what is written, one row an image, in the order of the queue.

`path` is absolute, as text (`core.paths`) or a URL. Texts are '' where nothing is known (`label` of
the pool, `predicted` without a prediction), numbers missing; `bbox` is four numbers (x, y, width,
height in pixels) as a text; `by` is who labelled; `top_classes` and `top_scores` are lists, the
best first, empty without a prediction.
"""

ANSWER_COLUMNS = ("place", "file", "image_id", "label", "sub_class", "by", "was")
"""Columns of answers: where the row stands (``task 7``, ``line 7``), how the other tool names the
image (a path, absolute or in its folder), the id that it carried along, the answer, sub-class and
annotator, and what the image was labelled when it was written (`as_was`); '' for what is not
there."""

PREDICTION_COLUMNS = ("place", "file", "image_id", "status", "reason", "classes", "scores")
"""Columns of predictions: as answers; status ``ok`` or ``failed`` with its reason; classes and
scores as lists, the best first, empty where it failed."""


def as_was(label: str, sub_class: str) -> str:
    """Write what an image is labelled as one text; a class has no slash, so it can be parted.

    It goes along with a label, so that one that comes back as it went out is known for no answer.
    """
    return f"{label}/{sub_class}" if sub_class else label


@dataclass(frozen=True)
class Outgoing:
    """What is written.

    Attributes
    ----------
    table : DataFrame
        `OUT_COLUMNS`.
    classes : tuple of str
        All classes that an image may have: the library's and the model's, sorted.
    model : str
        The version of the model that predicted; '' without predictions.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    model: str = ""


@dataclass(frozen=True)
class Incoming:
    """What is read: both tables may be empty.

    Attributes
    ----------
    answers : DataFrame
        `ANSWER_COLUMNS`, only rows with an answer.
    predictions : DataFrame
        `PREDICTION_COLUMNS`.
    model : str
        What the file calls the model of its predictions; '' where it does not.
    notes : list of str
        What was passed by, and why, in words for people.
    """

    answers: pd.DataFrame
    predictions: pd.DataFrame
    model: str = ""
    notes: list[str] = field(default_factory=list)


Advance = Callable[[int], object]
"""Told how many images were just written."""

Write = Callable[[Outgoing, Path, bool, Advance], None]
"""Write to a local file (or a folder that is new or empty); the flag says whether pictures are
copied where the format holds pictures (links otherwise). Raises `InputError` or `FaultsError`."""

Read = Callable[[Path], Incoming]
"""Read a file or folder. Raises `InputError`, or `FaultsError` with all faults and their places."""


Second = Callable[[Path], Path | None]
"""Say where a file that is there names another one that belongs to it; None where it names none."""


@dataclass(frozen=True)
class Format:
    """A format of another tool.

    Attributes
    ----------
    help : str
        In one line: whose it is, what it holds.
    place : str
        What is written: ``a .json file``, ``a folder``.
    write, read : callable or None
        None where the other tool has nothing to read or nothing to say.
    second : callable or None
        None where all that is read is one file, or one folder.
    """

    help: str
    place: str
    write: Write | None = None
    read: Read | None = None
    second: Second | None = None
