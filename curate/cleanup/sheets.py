"""Contact sheets of a plan: a fair sample, and what would be missed the most if it were wanted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from curate.core import chance
from curate.core.contact_sheet import MOST, Tile, contact_sheet
from curate.store import thumbnails
from curate.store.library import Library

UNREADABLE = "the file cannot be read"

_COLOURS = ("#3d6b8e", "#b5651d", "#5b7f3a", "#8e4585", "#a33b3b", "#4f6d7a", "#8a7a2f", "#6a5acd")
"""One for each rule, in the order in which rules come."""


def sample(table: pd.DataFrame, seed: int = 0, most: int = MOST) -> pd.DataFrame:
    """Draw images of a plan, each as likely as any other.

    Parameters
    ----------
    table : DataFrame
        image_id; one row a file.
    seed : int
        Decides what chance decides.
    most : int
        The most images.
    """
    images = table.drop_duplicates("image_id")
    drawn = chance.fractions(seed, images["image_id"], "cleanup sheet")
    order = pd.Series(drawn, index=images.index).sort_values().index
    return images.loc[order[:most]]


def riskiest(table: pd.DataFrame, most: int = MOST) -> pd.DataFrame:
    """Give the images of a plan that are the nearest to wanted ones, of each rule its own in turn.

    Parameters
    ----------
    table : DataFrame
        image_id, rule, risk; one row a file.
    most : int
        The most images.
    """
    images = table.drop_duplicates("image_id")
    ordered = images.sort_values(["risk", "image_id"], ascending=[False, True])
    # Risks of two rules are not comparable: each counts in its own units.
    place = ordered.groupby("rule").cumcount()
    first = ordered.assign(place=place).sort_values(["place", "rule"], kind="stable")
    return first.head(most).drop(columns="place")


def draw(library: Library, chosen: pd.DataFrame, title: str, total: int) -> bytes:
    """Draw images of a plan, each with its rule, what the model said of it, and the reason.

    Parameters
    ----------
    library : Library
        Where the thumbnails are.
    chosen : DataFrame
        As `sample` or `riskiest` gives it.
    title : str
        Stands above the pictures.
    total : int
        How many images the plan has.

    Returns
    -------
    bytes
        A JPEG.
    """
    pictures = thumbnails.fetch(library, list(chosen["image_id"]))
    rules = list(dict.fromkeys(sorted(chosen["rule"])))
    tiles = [
        Tile(
            pictures.get(row["image_id"]),
            (_caption(row), row["reason"]),
            _COLOURS[rules.index(row["rule"]) % len(_COLOURS)],
            UNREADABLE,
        )
        for row in chosen.to_dict("records")
    ]
    return contact_sheet(tiles, title=title, total=total)


def _caption(row: Mapping[Hashable, Any]) -> str:
    rule, said = row["rule"], row["predicted"]
    return f"{rule}: {said} {row['score']:.2f}" if isinstance(said, str) else str(rule)
