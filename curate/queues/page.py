"""A queue as a page of pictures: one JPEG of its beginning, or one HTML file of all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from curate.core import html_page
from curate.core.contact_sheet import MOST, Tile, contact_sheet
from curate.store import thumbnails
from curate.store.library import Library

UNREADABLE = "the file cannot be read"

_STYLE = """
header{display:flex;flex-wrap:wrap;gap:.4rem 2rem;align-items:end;justify-content:space-between}
input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--soft);
 border-radius:6px;padding:.35rem .7rem;width:16rem}
h2 small{font-weight:normal;font-size:.9rem;color:var(--soft);margin-left:.6rem}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(178px,1fr));gap:12px}
li{background:var(--card);border-radius:8px;padding:9px;content-visibility:auto;
 contain-intrinsic-size:auto 280px;font-size:13px}
li div{background:var(--mat);height:160px;display:grid;place-items:center;color:var(--soft);
 border-radius:3px;margin-bottom:7px;text-align:center}
li p{line-height:1.35}b{color:var(--ink)}
.file{font-size:11px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
[hidden]{display:none!important}
"""

_SCRIPT = """
const box=document.querySelector("input"),none=document.querySelector("#none");
const tiles=[...document.querySelectorAll("li")].map(li=>
 [li,(li.closest("section").querySelector("h2").textContent+li.textContent+
  li.querySelector(".file").title).toLowerCase()]);
function show(){const wanted=box.value.toLowerCase().split(" ");
 for(const[li,said]of tiles)li.hidden=!wanted.every(word=>said.includes(word));
 for(const one of document.querySelectorAll("section"))
  one.hidden=!one.querySelector("li:not([hidden])");
 none.hidden=!!document.querySelector("section:not([hidden])")}
box.hidden=false;box.addEventListener("input",show);show();
"""


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
            reason=UNREADABLE,
        )
        for number, row in enumerate(shown.to_dict("records"), start=1)
    ]
    return contact_sheet(tiles, title=title, total=len(table))


def html_sheet(library: Library, table: pd.DataFrame, title: str) -> bytes:
    """Write a queue as a page: all its images, those of one topic under one heading.

    Parameters
    ----------
    library : Library
        Where the thumbnails are.
    table : DataFrame
        A queue, or a plan (then each recipe has its own headings).
    title : str
        Stands above the pictures.

    Returns
    -------
    bytes
        One HTML file that needs no other; about 10 KB an image. The headings come in the order of
        the queue, and the numbers say where in the queue an image stands.
    """
    return laid_out(table, thumbnails.fetch(library, list(table["image_id"])), title)


def laid_out(table: pd.DataFrame, pictures: Mapping[str, bytes], title: str) -> bytes:
    """Write a queue as a page, given its pictures (JPEG) by image id; see `html_sheet`."""
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()}
        | {"number": number, "parts": row["reason"].split("; ")}
        for number, row in enumerate(table.to_dict("records"), start=1)
    ]
    sections: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        sections.setdefault((row.get("recipe", ""), row["topic"]), []).append(row)
    body = [
        f"<header><div><h1>{html_page.text(title)}</h1><p>{_images(rows)}</p></div>"
        '<input type="search" placeholder="show only …" aria-label="show only" hidden></header>',
        '<p id="none" hidden>No image has these words.</p>',
    ]
    for (recipe, topic), some in sections.items():
        body += _section(f"{recipe}: {topic}" if recipe else topic, some, pictures)
    return html_page.document(title, body, style=_STYLE, script=_SCRIPT)


def _section(
    topic: str, rows: Sequence[dict[str, Any]], pictures: Mapping[str, bytes]
) -> Iterator[str]:
    shared = _shared([row["parts"] for row in rows])
    # Such as "gazelle: 38 of 40 real images, 2 short" of the topic gazelle.
    heading = "; ".join(shared) or topic or "no topic"
    yield (f"<section><h2>{html_page.text(heading)}<small>{_images(rows)}</small></h2><ul>")
    for row in rows:
        yield _tile(row, "; ".join(row["parts"][len(shared) :]), pictures.get(row["image_id"]))
    yield "</ul></section>"


def _shared(reasons: Sequence[Sequence[str]]) -> Sequence[str]:
    """Give what all reasons begin with; of each at least its end stays."""
    shared = reasons[0][:-1]
    for parts in reasons:
        while shared != parts[: len(shared)] or len(shared) == len(parts):
            shared = shared[:-1]
    return shared


def _images(rows: Sequence[dict[str, Any]]) -> str:
    """Such as ``61 images, about 34 hits expected``."""
    number = len(rows)
    expected = [row["expected"] for row in rows if not pd.isna(row["expected"])]
    counted = "no images" if not number else "1 image" if number == 1 else f"{number:,} images"
    # A sum of some of them would be too small.
    known = expected and len(expected) == number
    return f"{counted}, about {sum(expected):,.0f} hits expected" if known else counted


def _tile(row: dict[str, Any], reason: str, picture: bytes | None) -> str:
    path = row["path"]
    name = html_page.text(path.rsplit("/", 1)[-1])
    shown = html_page.picture(picture, path) if picture else f"<p>{UNREADABLE}</p>"
    second = ""
    if not pd.isna(row["second"]):
        second = f", then {html_page.text(row['second'])} {row['second_score']:.2f}"
    expected = "" if pd.isna(row["expected"]) else f" · expected {row['expected']:.2f}"
    return (
        f"<li><div>{shown}</div>"
        f"<p><b>{row['number']}. {html_page.text(row['predicted'])}</b> {row['score']:.2f}{second}"
        f"</p><p>{html_page.text(reason)}{expected}</p>"
        f'<p class="file" title="{html_page.text(path)}">{name}</p></li>'
    )
