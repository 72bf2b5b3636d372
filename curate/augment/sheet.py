"""A preview as a page: one JPEG, or one HTML file that holds its pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path, PurePosixPath

from curate.augment.preview import Shown
from curate.core.contact_sheet import MOST, Tile, contact_sheet
from curate.core.errors import InputError

_UNSAFE, _ORIGINAL = "#c0392b", "#2e8b57"

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem;background:#eceae5;color:#23211e}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .6rem}
p{margin:.2rem 0;color:#6b665f}code{overflow-wrap:anywhere}
section div{background:#fff;border-radius:8px;padding:10px 12px;margin:0 0 12px;
 border-left:6px solid #fff}
section div.unsafe{border-color:#c0392b}
.unsafe b{color:#c0392b}ul{display:flex;flex-wrap:wrap;gap:8px;padding:0;margin:8px 0 0}
li{list-style:none}img{display:block;height:150px;border-radius:3px}
li:first-child img{outline:3px solid #2e8b57}
@media(prefers-color-scheme:dark){body{background:#1d1c1a;color:#eceae5}
 section div{background:#2a2926;border-color:#2a2926}p{color:#a8a29a}}
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
    parts = [
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>\n<h1>Augmentation</h1>\n<p><code>{escape(title)}</code></p>\n"
        f"<p>{len(shown):,} images, {unsafe:,} of them unsafe. Green: the original.</p>"
    ]
    for label, some in groupby(shown, key=lambda one: one.label):
        parts.append(f"<section><h2>{escape(label)}</h2>")
        parts += [_row(one) for one in some]
        parts.append("</section>")
    return "\n".join([*parts, "</html>\n"]).encode("utf-8", "replace")


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
    made = [Tile(picture, (), colour) for picture in one.pictures[1:]]
    return [first, *made, *[None] * (columns - 1 - len(made))]


def _row(one: Shown) -> str:
    name = f"<span>{escape(_name(one.path))}</span>"
    warnings = "".join(f"<br><b>unsafe</b> {escape(said)}" for said in one.warnings)
    failure = f"<br>{escape(one.failure)}" if one.failure else ""
    pictures = "".join(
        f'<li><img alt="" src="data:image/jpeg;base64,{b64encode(picture).decode()}">'
        for picture in one.pictures
    )
    kind = ' class="unsafe"' if one.warnings else ""
    return f"<div{kind}>{name}{warnings}{failure}<ul>{pictures}</ul></div>"


def _name(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[-2:])
