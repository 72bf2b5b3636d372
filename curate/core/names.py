"""Names of classes: what is accepted, so that no two can be mistaken for each other."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

UNKNOWN = "unknown"
"""The label for a good image of which nobody knows yet what it shows; never trained on."""

REJECTED = "rejected"
"""Filled in where a label is asked for, it says that the image is not wanted at all."""

_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in "123456789"
}


def fault_of(name: str) -> str:
    """Say why a text cannot name a class; '' when it can.

    Names become folders, columns and spreadsheet cells, on every system.
    """
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "starts or ends with a space"
    if not name.isprintable():
        return "has characters that cannot be printed"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode's composed form (NFC)"
    if "/" in name or "\\" in name or name in (".", ".."):
        return "would not be one folder"
    if name.split(".")[0].casefold() in _DEVICES:
        return "is the name of a device on Windows"
    if len(name.encode()) > 200:
        return "is longer than 200 bytes"
    if name.casefold() == REJECTED:
        return "is kept for images that nobody wants"
    return ""


def clashes(names: Iterable[str], known: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Find names that a person would take for the same: different only in case or composition.

    Parameters
    ----------
    names : iterable of str
        The names that come in.
    known : iterable of str
        Names that are there already.

    Returns
    -------
    list of (name, other)
        Each incoming name with the one it clashes with.
    """
    seen = {_folded(name): name for name in sorted(set(known))}
    found = []
    for name in sorted(set(names)):
        other = seen.setdefault(_folded(name), name)
        if other != name:
            found.append((name, other))
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """Give the known name that was probably meant, or ''."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return close[0] if close else ""


def printable(text: str) -> str:
    """Replace what is not printed: it could turn a text round, end its line, or be no character."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


HELD_OUT = ("val", "test", "benchmark")
"""The splits that a model is not taught."""
