"""A page of what would be spoiled: each image beside what the transform makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from curate.augment.checks.rows import CLASS, UNSAFE
from curate.augment.checks.transforms import TURNS, transforms_of
from curate.core.contact_sheet import COLUMNS, MOST, Tile, contact_sheet
from curate.core.images import NotAnImage, open_picture, to_jpeg

Thumbnails = Callable[[Sequence[str]], dict[str, bytes]]
"""Gives the thumbnails of images, by id."""

_GONE = "the file cannot be read"
_BEFORE, _AFTER, _UPRIGHT = "#2c6fbb", "#c0392b", "#2e8b57"


def unsafe_sheet(
    verdicts: pd.DataFrame, images: pd.DataFrame, recipe: str, thumbnails: Thumbnails
) -> bytes:
    """Draw what is unsafe, the classes first.

    Parameters
    ----------
    verdicts : DataFrame
        As `rows.COLUMNS`. A class is shown by its first image by id.
    images : DataFrame
        image_id and class of all that was looked at.
    recipe : str
        The recipe that was checked.
    thumbnails : callable
        Gives the thumbnails of images.

    Returns
    -------
    bytes
        A JPEG of pairs: left the image, right what becomes of it; for an image that lies turned,
        how it stands upright.
    """
    unsafe = verdicts[verdicts["verdict"] == UNSAFE]
    first = images.sort_values("image_id").drop_duplicates("class").set_index("class")["image_id"]
    shown = unsafe.head(MOST // 2)
    shown = shown.assign(
        image_id=shown["image_id"].where(shown["scope"] != CLASS, shown["class"].map(first))
    )
    pictures = thumbnails(sorted(set(shown["image_id"])))
    transforms = transforms_of(recipe)
    tiles = []
    for one in shown.to_dict("records"):
        before = pictures.get(one["image_id"])
        change = transforms[one["transform"]].change
        tiles += _pair(one, before, None if before is None else _after(before, change))
    title = "What the augmentation would spoil · blue: the image · red: what becomes of it"
    return contact_sheet(tiles, title=title, total=2 * len(unsafe), columns=COLUMNS)


def _pair(one: dict[Any, Any], before: bytes | None, after: bytes | None) -> list[Tile]:
    turned = one["scope"] != CLASS and one["transform"] in TURNS
    scope = "all of the class" if one["scope"] == CLASS else ""
    colour = _UPRIGHT if turned else _AFTER
    return [
        Tile(before, (one["class"], scope), _BEFORE, _GONE),
        Tile(after, (one["transform"], one["reason"]), colour, _GONE),
    ]


def _after(before: bytes, change: Callable[[Any], Any]) -> bytes | None:
    try:
        return to_jpeg(change(open_picture(before).pixels), quality=85)
    except NotAnImage:
        return None
