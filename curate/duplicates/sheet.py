"""Contact sheets of duplicates: groups, or pairs that lie on two sides, with places between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from curate.core.contact_sheet import COLUMNS, MOST, Tile, contact_sheet

Thumbnails = Callable[[Sequence[str]], dict[str, bytes]]
"""Gives the thumbnails of images, by id."""

_GONE = "the file cannot be read"
_KEPT, _OTHER, _WRONG = "#2e8b57", "#c9c5bd", "#c0392b"
_SIDES = ("#2c6fbb", "#d9822b", "#7d3c98", "#2e8b57", "#b03a5b", "#5d6d7e")


def groups_sheet(table: pd.DataFrame, thumbnails: Thumbnails) -> bytes:
    """Draw groups of duplicates, the keeper first.

    Parameters
    ----------
    table : DataFrame
        As `layout.Duplicates.table`.
    thumbnails : callable
        Gives the thumbnails of images.

    Returns
    -------
    bytes
        A JPEG. Of a long group the first pictures are shown, and the keeper says of how many;
        groups whose labels contradict each other come first and have a red stripe.
    """
    labels = table.groupby("group", sort=False)["label"].nunique()
    order = [*labels[labels > 1].index, *labels[labels <= 1].index]
    # However small they are, no more groups than places.
    rows = table[table["group"].isin(order[:MOST])].groupby("group", sort=False)
    shown = {group: rows.get_group(group) for group in order[:MOST]}
    places = _laid([min(COLUMNS, len(shown[group])) for group in order[:MOST]])
    drawn = {group: shown[group].head(COLUMNS) for group in order[: max(places, default=-1) + 1]}
    pictures = thumbnails(sorted({i for images in drawn.values() for i in images["image_id"]}))
    cards = [
        iter(_cards(images, len(shown[group]), pictures, wrong=bool(labels[group] > 1)))
        for group, images in drawn.items()
    ]
    title = f"{len(order):,} group{'s' * (len(order) != 1)} of duplicates"
    title += " · green: kept" + " · red: labels differ" * bool((labels > 1).any())
    tiles = [next(cards[place]) if place >= 0 else None for place in places]
    return contact_sheet(tiles, title=title, total=len(table))


def crossing_sheet(pairs: pd.DataFrame, thumbnails: Thumbnails, title: str) -> bytes:
    """Draw pairs of duplicates on two sides, each pair beside each other.

    Parameters
    ----------
    pairs : DataFrame
        As `crossing.across` gives it.
    thumbnails : callable
        Gives the thumbnails of images.
    title : str
        Stands above the pictures.

    Returns
    -------
    bytes
        A JPEG; a side has one colour.
    """
    places = _laid([2] * min(MOST, len(pairs)))
    shown = pairs.head(max(places, default=-1) + 1)
    pictures = thumbnails(sorted({*shown["first"], *shown["second"]}))
    sides = sorted({*pairs["first_side"], *pairs["second_side"]})
    colours = {side: _SIDES[n % len(_SIDES)] for n, side in enumerate(sides)}
    cards = []
    for row in shown.to_dict("records"):
        for end in ("first", "second"):
            side, path = row[f"{end}_side"], row[f"{end}_path"]
            what = row["reason"] if end == "second" else ""
            caption = (side, _name(path), what)
            cards.append(Tile(pictures.get(row[end]), caption, colours[side], _GONE))
    here = iter(cards)
    tiles = [next(here) if place >= 0 else None for place in places]
    return contact_sheet(tiles, title=title, total=2 * len(pairs))


def _laid(sizes: Sequence[int]) -> list[int]:
    """Lay groups side by side on one page: the number of each place's group, -1 for none.

    A group is never broken between rows, and between two groups in a row a place stays empty.
    """
    places: list[int] = []
    for number, size in enumerate(sizes):
        used = len(places) % COLUMNS
        gap = 1 if used and used + 1 + size <= COLUMNS else -used % COLUMNS
        if len(places) + gap + size > MOST:
            break
        places += [-1] * gap + [number] * size
    return places


def _cards(
    images: pd.DataFrame, size: int, pictures: dict[str, bytes], *, wrong: bool
) -> list[Tile]:
    """Draw the first images of a group of so many."""
    colours = [_WRONG if wrong else _KEPT] + [_WRONG if wrong else _OTHER] * (len(images) - 1)
    rows = images.to_dict("records")
    if size > len(rows):
        rows[0]["reason"] += f" ({len(rows)} of {size:,} files are shown)"
    return [_tile(row, pictures, colour) for row, colour in zip(rows, colours, strict=True)]


def _tile(row: Mapping[Any, Any], pictures: dict[str, bytes], colour: str) -> Tile:
    label = row["label"] if isinstance(row["label"], str) else "no label"
    caption = (label, _name(str(row["path"])), str(row["reason"]))
    return Tile(pictures.get(str(row["image_id"])), caption, colour, _GONE)


def _name(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[-2:])
