"""A contact sheet: a page of thumbnails with captions, as one JPEG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from PIL import Image, ImageColor, ImageDraw, ImageFont

from curate.core.errors import InputError
from curate.core.images import NotAnImage, open_picture
from curate.core.look import THUMBNAIL_SIDE
from curate.core.names import printable

MOST = 120
"""Tiles on one sheet, at most."""

COLUMNS = 8
"""Tiles in one row, unless said otherwise."""

_PAGE, _CARD, _MAT, _HOLE = "#eceae5", "#ffffff", "#f6f5f2", "#d6d3cd"
_INK, _SOFT = "#23211e", "#75706a"
_MARGIN, _GAP, _PAD, _RADIUS, _STRIPE = 28, 14, 8, 8, 5
_HEAD, _TITLE, _LINE = 44, 24, 13
_STEP = 17
_INNER = THUMBNAIL_SIDE
_WIDTH = _INNER + 2 * _PAD


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet.

    Attributes
    ----------
    thumbnail : bytes or None
        A small image in any accepted format; None where there is none.
    caption : sequence of str
        Lines below it; the first stands out, the last may take two lines.
    colour : str
        A stripe above the picture, such as ``#c0392b``; '' for none.
    reason : str
        Stands in the place of a picture that is missing.
    """

    thumbnail: bytes | None
    caption: Sequence[str] = ()
    colour: str = ""
    reason: str = "no picture"


def contact_sheet(
    tiles: Sequence[Tile | None],
    *,
    columns: int = COLUMNS,
    title: str = "",
    total: int | None = None,
) -> bytes:
    """Lay tiles out in rows, under a title.

    Parameters
    ----------
    tiles : sequence of Tile or None
        In order; the first `MOST` are shown. None leaves a place empty.
    columns : int
        Tiles in one row, at least 1.
    title : str
        Stands above them.
    total : int, optional
        How many there are altogether, where `tiles` is only their beginning.

    Returns
    -------
    bytes
        A JPEG without metadata. Its head says how many are shown of how many.
    """
    if columns < 1:
        raise InputError(
            f"{columns} columns", "a row holds at least one picture", "Give 1 or more."
        )
    shown = tiles[:MOST]
    captions = [_wrapped(tile.caption) if tile else [] for tile in shown]
    lines = max((len(caption) for caption in captions), default=0)
    height = _STRIPE + _INNER + 2 * _PAD + (lines * _STEP + _PAD if lines else 0)
    # A sheet of few pictures is narrower, but leaves room for its title.
    across = min(columns, max(len(shown), 4))
    down = -(-len(shown) // columns)
    page = Image.new(
        "RGB",
        (
            2 * _MARGIN + across * (_WIDTH + _GAP) - _GAP,
            2 * _MARGIN + _HEAD + max(0, down * (height + _GAP) - _GAP),
        ),
        _PAGE,
    )
    draw = ImageDraw.Draw(page)
    drawn = sum(tile is not None for tile in shown)
    count = sum(tile is not None for tile in tiles) if total is None else total
    _head(draw, page.width, title, f"{drawn:,} of {count:,}" if count else "no images")
    for place, (tile, caption) in enumerate(zip(shown, captions, strict=True)):
        if tile is None:
            continue
        x = _MARGIN + place % columns * (_WIDTH + _GAP)
        y = _MARGIN + _HEAD + place // columns * (height + _GAP)
        _card(page, draw, tile, caption, x, y, height)
    out = io.BytesIO()
    page.save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue()


def _head(draw: ImageDraw.ImageDraw, width: int, title: str, count: str) -> None:
    small = _font(_LINE + 3)
    base = _MARGIN + _TITLE
    draw.text((width - _MARGIN, base), count, _SOFT, small, anchor="rs")
    room = width - 3 * _MARGIN - small.getlength(count)
    large = _font(_TITLE)
    draw.text((_MARGIN, base), _cut(title, large, room), _INK, large, anchor="ls")


def _card(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: Tile,
    caption: Sequence[str],
    x: int,
    y: int,
    height: int,
) -> None:
    draw.rounded_rectangle((x, y, x + _WIDTH - 1, y + height - 1), _RADIUS, _CARD)
    if tile.colour:
        draw.rounded_rectangle(
            (x, y, x + _WIDTH - 1, y + 2 * _STRIPE), _RADIUS, ImageColor.getrgb(tile.colour)
        )
        draw.rectangle((x, y + _STRIPE, x + _WIDTH - 1, y + 3 * _STRIPE), _CARD)
    left, top = x + _PAD, y + _STRIPE + _PAD
    picture, reason = _opened(tile)
    box = (left, top, left + _INNER - 1, top + _INNER - 1)
    if picture is None:
        draw.rectangle(box, _HOLE)
        _centred(draw, reason, left, top)
    else:
        draw.rectangle(box, _MAT)
        page.paste(
            picture, (left + (_INNER - picture.width) // 2, top + (_INNER - picture.height) // 2)
        )
    font = _font(_LINE)
    for number, line in enumerate(caption):
        place = (left, top + _INNER + _PAD + number * _STEP)
        draw.text(place, line, _SOFT if number else _INK, font)


def _opened(tile: Tile) -> tuple[Image.Image | None, str]:
    if tile.thumbnail is None:
        return None, tile.reason
    try:
        picture = Image.fromarray(open_picture(tile.thumbnail).pixels)
    except NotAnImage as error:
        return None, str(error)
    picture.thumbnail((_INNER, _INNER), Image.Resampling.BICUBIC)
    return picture, ""


def _centred(draw: ImageDraw.ImageDraw, text: str, left: int, top: int) -> None:
    font = _font(_LINE)
    lines = _broken(text, font, _INNER - 2 * _PAD, 6)
    first = top + (_INNER - len(lines) * _STEP) // 2
    for number, line in enumerate(lines):
        draw.text((left + _INNER / 2, first + number * _STEP), line, _SOFT, font, anchor="ma")


def _wrapped(caption: Sequence[str]) -> list[str]:
    """Cut each line to the width of a picture; the last one, which says most, may take three."""
    font = _font(_LINE)
    last = len(caption) - 1
    return [
        piece
        for number, line in enumerate(caption)
        for piece in _broken(line, font, _INNER, 3 if number == last and last else 1)
    ]


def _broken(text: str, font: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
    """Break a text between words into at most so many lines; the last is cut where it is long."""
    lines: list[str] = []
    words = printable(text).split()
    while words and len(lines) < most:
        taken = 1
        while taken < len(words) and font.getlength(" ".join(words[: taken + 1])) <= width:
            taken += 1
        if len(lines) == most - 1:
            taken = len(words)
        lines.append(_cut(" ".join(words[:taken]), font, width))
        words = words[taken:]
    return lines


def _cut(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    text = printable(text)
    if font.getlength(text) <= width:
        return text
    kept = len(text)
    while kept and font.getlength(text[:kept].rstrip() + "…") > width:
        kept -= 1
    return text[:kept].rstrip() + "…"


def _font(size: int) -> ImageFont.FreeTypeFont:
    # Given a size, Pillow answers with its own scalable font.
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
