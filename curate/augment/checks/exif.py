"""Photos that EXIF turns although their pixels were turned already.

Whatever opens images here turns them as EXIF says, so a photo whose pixels still lie on their side
comes out upright. But programs that turn the pixels and leave the old tag in the file make it turn
twice. The camera's own size, which stays in the file too, gives that away.
"""

from __future__ import annotations

import pandas as pd
from PIL import ExifTags, Image

from curate.augment.checks.rows import IMAGE, UNSAFE, row, rows_table

_START = b"Exif\x00\x00"
_WHERE = 1 << 16
"""EXIF stands in the first segments of a JPEG, and takes no more than one."""

_UNDONE = {6: "turn 270", 8: "turn 90"}
"""Orientations that turn by a quarter, and the turn that takes it back."""


def turned_twice(data: bytes, width: int, height: int) -> str:
    """Name the turn that sets a photo upright again; '' where nothing speaks for it.

    Parameters
    ----------
    data : bytes
        The whole file.
    width, height : int
        Of the image as it was opened, turned by EXIF.
    """
    place = data.find(_START, 0, _WHERE)
    exif = Image.Exif()
    try:
        exif.load(data[place : place + _WHERE] if place >= 0 else b"")
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        undone = _UNDONE.get(exif.get(ExifTags.Base.Orientation, 1), "")
        across = int(inner.get(ExifTags.Base.ExifImageWidth, 0))
        down = int(inner.get(ExifTags.Base.ExifImageHeight, 0))
    except MemoryError:
        raise
    except Exception:  # whatever Pillow raises on hostile bytes
        return ""
    # A tag turns the camera's frame: what lay across stands. Both lying across means twice.
    lay = across > down > 0
    stood = down > across > 0
    same = (lay and width > height) or (stood and height > width)
    return undone if same else ""


def twice_verdicts(subjects: pd.DataFrame) -> pd.DataFrame:
    """Give a row for each image that is turned twice.

    Parameters
    ----------
    subjects : DataFrame
        image_id, class and twice (from `turned_twice`).
    """
    reason = (
        "EXIF turns it, but by the size that its camera wrote its pixels were turned already; {} "
        "sets it upright"
    )
    found = subjects[subjects["twice"] != ""].to_dict("records")
    return rows_table(
        [
            row(
                IMAGE,
                one["image_id"],
                one["class"],
                one["twice"],
                UNSAFE,
                reason.format(one["twice"]),
                float("nan"),
            )
            for one in found
        ]
    )
