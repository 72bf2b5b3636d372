"""A preview as a page: one JPEG, or one HTML file that holds its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

from curate.augment.preview import Shown
from curate.core.contact_sheet import MOST, Tile, contact_sheet
from curate.core.errors import InputError
from curate.core.html_page import document, picture, text

_UNSAFE, _ORIGINAL = "#c0392b", "#2e8b57"

_STYLE = """
section div{background:var(--card);border-radius:8px;padding:10px 12px;margin:0 0 12px;
 border-left:6px solid var(--card)}
section div.unsafe{border-color:#c0392b}
.unsafe b{color:#c0392b}ul{display:flex;flex-wrap:wrap;gap:8px;margin:8px 0 0}
img{height:150px;border-radius:3px}
li:first-child img{outline:3px solid #2e8b57}
"""


def as_jpeg(shown: Sequence[Shown], title: str) -> bytes:
    """Draw a contact sheet: a row an image, as many of them as one sheet holds.

    Returns
    -------
    bytes
        A JPEG. The original has a green stripe; an image that does not survive, a red one and the
        reason.
    """
    columns = max((len(one.pictures) for one in shown), default=1) or 1
    rows = shown[: max(1, MOST // columns)]
    tiles = [tile for one in rows for tile in _tiles(one, columns)]
    total = sum(max(1, len(one.pictures)) for one in shown)
    return contact_sheet(tiles, columns=columns, title=title, total=total)


def as_html(shown: Sequence[Shown], title: str) -> bytes:
    """Write a page: a section a class, and in it a row an image.

    Returns
    -------
    bytes
        One HTML file in UTF-8 that needs no other.
    """
    unsafe = sum(bool(one.warnings) for one in shown)
    body = [
        f"<h1>Augmentation</h1>\n<p><code>{text(title)}</code></p>",
        f"<p>{len(shown):,} images, {unsafe:,} of them unsafe. Green: the original.</p>",
    ]
    for label, some in groupby(shown, key=lambda one: one.label):
        body.append(f"<section><h2>{text(label)}</h2>")
        body += [_row(one) for one in some]
        body.append("</section>")
    return document(title, body, style=_STYLE)


KINDS: dict[str, Callable[[Sequence[Shown], str], bytes]] = {
    ".html": as_html,
    ".jpg": as_jpeg,
    ".jpeg": as_jpeg,
}
"""Pages by the suffix of their file."""


def page_of(path: Path) -> Callable[[Sequence[Shown], str], bytes]:
    """Choose the kind of page for a file.

    Raises
    ------
    InputError
        Its suffix is none of `KINDS`.
    """
    if path.suffix.lower() not in KINDS:
        raise InputError(
            str(path), f"a page is one of {', '.join(KINDS)}", "Give a file with such a suffix."
        )
    return KINDS[path.suffix.lower()]


def _tiles(one: Shown, columns: int) -> list[Tile | None]:
    colour = _UNSAFE if one.warnings else ""
    caption = (one.label, _name(one.path), "; ".join(one.warnings))
    first = Tile(
        one.pictures[0] if one.pictures else None,
        caption,
        colour or _ORIGINAL,
        reason=one.failure or "no picture",
    )
    made = [Tile(jpeg, (), colour) for jpeg in one.pictures[1:]]
    return [first, *made, *[None] * (columns - 1 - len(made))]


def _row(one: Shown) -> str:
    name = f"<span>{text(_name(one.path))}</span>"
    warnings = "".join(f"<br><b>unsafe</b> {text(said)}" for said in one.warnings)
    failure = f"<br>{text(one.failure)}" if one.failure else ""
    pictures = "".join(f"<li>{picture(jpeg)}</li>" for jpeg in one.pictures)
    kind = ' class="unsafe"' if one.warnings else ""
    return f"<div{kind}>{name}{warnings}{failure}<ul>{pictures}</ul></div>"


def _name(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[-2:])
