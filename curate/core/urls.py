"""URLs as text: which are opened, and what of them may be written down. Nothing is asked here."""

from __future__ import annotations

import re

from curate.core import paths

SCHEMES = {
    "s3": "pip install 'curate[s3]'",
    "gs": "pip install gcsfs",
    "http": "pip install aiohttp",
    "https": "pip install aiohttp",
    "memory": "pip install fsspec",
}
"""Schemes that are opened, and how what opens them is installed."""

_SECRET = re.compile(rb"[a-z0-9+.-]+://[^/?#]*@", re.IGNORECASE)
_SIGNED = re.compile(
    rb"[?&](x-(amz|goog)-(signature|credential|security-token)|signature|sig|(access_)?token"
    rb"|awsaccesskeyid|key-pair-id)=",
    re.IGNORECASE,
)
_QUERY = re.compile(r"(https?://[^\s?#'\"]*)[?#][^\s'\"]*", re.IGNORECASE)


def fault_of(url: bytes) -> str:
    """Say what keeps a URL from being opened at all; '' where nothing does."""
    if b"::" in url:
        return "is a chain of URLs (`::`)"
    if paths.scheme_of(url) not in SCHEMES:
        return f"has a scheme that is not opened; known: {', '.join(SCHEMES)}"
    if _SECRET.match(url):
        return "holds a user name or a password, which would be written down with every result"
    return ""


def checked(url: bytes) -> str:
    """Say what keeps a URL from being the path of an image, which is written down."""
    if is_web(url) and _SIGNED.search(url):
        return "is signed, and the signature would be written down with every result"
    return fault_of(url)


def is_web(url: bytes) -> bool:
    """Whether a path is a web address."""
    return paths.scheme_of(url) in ("http", "https")


def shown(url: bytes) -> bytes:
    """Give a path as it may be written down: a web address without what is behind ``?`` or ``#``.

    There lie signatures and tokens, and nothing that belongs to the name of a file.
    """
    return re.split(rb"[?#]", url, maxsplit=1)[0] if is_web(url) else url


def unsigned(text: str) -> str:
    """Take what is behind ``?`` or ``#`` off every web address in a text."""
    return _QUERY.sub(r"\1", text)
