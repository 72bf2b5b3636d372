"""Tables as they go out to other tools, for the tests of formats."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from curate.core import names
from curate.formats.exchange import OUT_COLUMNS, Incoming, Outgoing

NASTY = ('a&b<c>"d"', "tench, Tinca tinca", "tiger's eye", "Łoś 鹿 🦌", "=1+1", "1", "NA",
         "['x' 'y']", "two\nlines\r\n\tand a tab", " spaces ")  # fmt: skip
"""Classes that a careless writer would break."""

CLASSES = st.text(min_size=1, max_size=20).filter(lambda name: not names.fault_of(name))
"""Everything that the library accepts as a class."""


def id_of(number: int) -> str:
    """Give the id of an image of the tests."""
    return sha256(str(number).encode()).hexdigest()[:32]


def row(number: int, **known: Any) -> dict[str, Any]:
    """Give a row of what is written: of an image that nobody knows, where not said otherwise."""
    texts = dict.fromkeys(OUT_COLUMNS, "")
    texts |= {"image_id": id_of(number), "path": f"/photos/{number}.jpg", "origin": "real"}
    numbers = {"width": 96, "height": 64, "score": float("nan"), "second_score": float("nan")}
    found: dict[str, Any] = {**texts, **numbers, "top_classes": [], "top_scores": [], **known}
    if found["top_classes"]:
        found |= {"predicted": found["top_classes"][0], "score": found["top_scores"][0]}
    return found


def outgoing(rows: Sequence[dict[str, Any]], classes: Sequence[str] = ()) -> Outgoing:
    """Give what is written."""
    found = {one["label"] for one in rows} | {name for one in rows for name in one["top_classes"]}
    table = pd.DataFrame(rows, columns=list(OUT_COLUMNS))
    return Outgoing(table, tuple(sorted((found | set(classes)) - {""})), "m1")


def labels_of(read: Incoming) -> dict[str, str]:
    """Give the answers by image id."""
    return dict(zip(read.answers["image_id"], read.answers["label"], strict=True))


def expected(sent: Outgoing) -> dict[str, str]:
    """Give the labels that were sent, by image id."""
    held = sent.table[sent.table["label"] != ""]
    return dict(zip(held["image_id"], held["label"], strict=True))


def ignore(_: int) -> None:
    """Be told how many were written."""
