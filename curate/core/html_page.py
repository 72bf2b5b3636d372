"""A page of pictures: one HTML file that needs no other, safe whatever the names in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from curate.core.names import printable

_STYLE = """
:root{color-scheme:light dark;--page:#eceae5;--card:#fff;--mat:#f1efea;--ink:#23211e;--soft:#6b665f}
@media(prefers-color-scheme:dark){
 :root{--page:#1d1c1a;--card:#2a2926;--mat:#211f1d;--ink:#eceae5;--soft:#a8a29a}}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem;background:var(--page);color:var(--ink)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .6rem}
p{margin:.2rem 0;color:var(--soft)}ul{padding:0;margin:0}li{list-style:none}
h1,h2,p,code,li{overflow-wrap:anywhere}img{display:block}
"""


def document(title: str, body: Iterable[str], *, style: str = "", script: str = "") -> bytes:
    """Put a page together.

    Parameters
    ----------
    title : str
        Of the window; any text.
    body : iterable of str
        HTML, where every text from elsewhere went through `text`.
    style : str
        CSS, after that of all pages. Its colours are ``--page``, ``--card``, ``--mat``, ``--ink``
        and ``--soft``, light or dark as the reader has it.
    script : str
        JavaScript; the page must be readable without.

    Returns
    -------
    bytes
        HTML in UTF-8. It lets a browser load nothing from anywhere, and run no other script.
    """
    digest = b64encode(sha256(script.encode()).digest()).decode()
    allowed = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    allowed += f"; script-src 'sha256-{digest}'" if script else ""
    parts = [
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{text(title)}</title><style>{_STYLE}{style}</style>",
        *body,
        f"<script>{script}</script>" if script else "",
        "</html>\n",
    ]
    return "\n".join(part for part in parts if part).encode()


def text(said: str) -> str:
    """Write a text from elsewhere as HTML, for the body and for quoted attributes."""
    return escape(printable(said))


def picture(jpeg: bytes, of: str = "") -> str:
    """Write a JPEG as HTML; `of` says what it shows, for those who cannot see it."""
    # A browser decodes only what is looked at: a page may hold thousands.
    return (
        f'<img loading="lazy" decoding="async" alt="{text(of)}" '
        f'src="data:image/jpeg;base64,{b64encode(jpeg).decode()}">'
    )
