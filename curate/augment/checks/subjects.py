"""Which images have a subject that zooming out would lose, or one that the border cuts."""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd

from curate.augment.checks.rows import IMAGE, UNSAFE, row, rows_table
from curate.augment.saliency import NOBODY, Subject

SMALL = 0.3
"""A subject is lost where zooming out leaves it less than this part of the frame's side."""

CONTACT = 0.05
"""A subject is cut where it covers more than this part of a side of the frame."""

_EDGE = 0.005
"""A box that comes so near to the border, as a part of the frame, touches it."""


def boxed(text: str, width: int, height: int) -> Subject:
    """Read the box that a person or a detector gave.

    Parameters
    ----------
    text : str
        Four numbers, x y width height: pixels, or parts of the frame where none is above 1.
    width, height : int
        Of the upright image, in pixels.

    Returns
    -------
    Subject
        `NOBODY` where the numbers are no box in the image.
    """
    numbers = [float(part) for part in re.split(r"[\s,]+", text.strip("[]() ")) if part]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        return NOBODY
    if max(numbers) > 1:
        numbers = [n / side for n, side in zip(numbers, (width, height) * 2, strict=True)]
    x, y, across, down = numbers
    left, right, top, bottom = max(x, 0.0), min(x + across, 1.0), max(y, 0.0), min(y + down, 1.0)
    if right <= left or bottom <= top:
        return NOBODY
    beside = left <= _EDGE or right >= 1 - _EDGE
    over = top <= _EDGE or bottom >= 1 - _EDGE
    contact = max(beside * (bottom - top), over * (right - left))
    return Subject(math.sqrt((right - left) * (bottom - top)), contact)


def subject_verdicts(subjects: pd.DataFrame, zoom: tuple[float, float]) -> pd.DataFrame:
    """Give a row for each image whose subject a zoom would lose or cut further.

    Parameters
    ----------
    subjects : DataFrame
        image_id, class, side and contact (as `Subject`; NaN where no subject stands out) and
        source (what said so, in words).
    zoom : (float, float)
        The least and the largest scale of the recipe.

    Returns
    -------
    DataFrame
        As `rows.COLUMNS`: ``zoom out`` with `figure` the side that is left, ``zoom in`` with
        `figure` the part of a side that the subject covers. A subject that is cut is larger than
        what is seen of it, so it is never called small.
    """
    rows = []
    least, most = zoom
    for one in subjects.to_dict("records"):
        cut = one["contact"] > CONTACT
        if cut and most > 1:
            rows.append(_row(one, "zoom in", _cut(one, most), one["contact"]))
        elif not cut and least < 1 and one["side"] * least < SMALL:
            rows.append(_row(one, "zoom out", _small(one, least), one["side"] * least))
    return rows_table(rows)


def _row(one: dict[Any, Any], transform: str, reason: str, figure: float) -> dict[str, Any]:
    return row(IMAGE, one["image_id"], one["class"], transform, UNSAFE, reason, float(figure))


def _cut(one: dict[Any, Any], most: float) -> str:
    return (
        f"its subject is cut at the border, over {one['contact']:.0%} of a side "
        f"({one['source']}); zooming in by {most:g} cuts more"
    )


def _small(one: dict[Any, Any], least: float) -> str:
    return (
        f"its subject is small already: {one['side']:.0%} of the frame's side ({one['source']}), "
        f"{one['side'] * least:.0%} zoomed out by {least:g}"
    )
