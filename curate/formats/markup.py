"""XML: what a text may hold, and how it comes back exactly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from curate.core.errors import FaultsError

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENDS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
"""A reader may make a space of these, or drop them; of the references it does not."""

attribute = quoteattr
"""A text as the value of an attribute, with its quotes."""


def element(text: str) -> str:
    """Write a text as the content of an element."""
    return escape(text, _ENDS)


def check(what: str, names: Iterable[str]) -> None:
    """Refuse texts with characters that XML has no way to write.

    Raises
    ------
    FaultsError
        With every such text.
    """
    faults = [
        f"{name!r} has the character {found[0]!r}, which XML cannot hold"
        for name in names
        if (found := _FORBIDDEN.search(name))
    ]
    if faults:
        raise FaultsError(what, faults, "Rename them, or choose a format without XML.")
