"""A queue as a page of pictures."""

from __future__ import annotations

import pandas as pd

from curate.core.contact_sheet import MOST, Tile, contact_sheet
from curate.store import thumbnails
from curate.store.library import Library


def sheet(library: Library, table: pd.DataFrame, title: str) -> bytes:
    """Draw the first images of a queue, each with its prediction and the reason it is there.

    Parameters
    ----------
    library : Library
        Where the thumbnails are.
    table : DataFrame
        A queue.
    title : str
        Stands above the pictures.

    Returns
    -------
    bytes
        A JPEG of at most `MOST` pictures; its head says of how many.
    """
    shown = table.head(MOST)
    pictures = thumbnails.fetch(library, list(shown["image_id"]))
    tiles = [
        Tile(
            pictures.get(row["image_id"]),
            (f"{number}. {row['predicted']}", row["reason"]),
            reason="the file cannot be read",
        )
        for number, row in enumerate(shown.to_dict("records"), start=1)
    ]
    return contact_sheet(tiles, title=title, total=len(table))
