"""Bounds of filters: the values that each can have, and what is said of one that it cannot have."""

from __future__ import annotations

import math
import sys
from datetime import date

from curate.core import names, paths
from curate.core.errors import PolicyError

_SIDE = "CASE WHEN width <= height THEN width WHEN height < width THEN height END"

RANGES: dict[str, tuple[str, float, float]] = {
    "score": ("score", 0, 1),
    "margin": ("margin", 0, 1),
    "novelty": ("novelty", -math.inf, math.inf),
    "side": (_SIDE, 1, math.inf),
    "bytes": ("bytes", 0, math.inf),
    "sharpness": ("sharpness", 0, math.inf),
    "brightness": ("brightness", 0, 255),
    "quality": ("quality", 0, 1),
}
"""Ranges by name: what is compared in SQL, and the lowest and the highest bound.

Each has a filter ``min_`` and one ``max_``, both included. A missing value is in no range.
"""

SORTS = (
    *("score", "margin", "entropy", "novelty", "affinity", "taken", "arrived", "path", "bytes"),
    *("sharpness", "brightness", "quality"),
)
"""What a queue can be sorted by, the smallest first; behind a ``-``, the largest first."""

NAMES = {
    "origin": ("real", "staged", "synthetic"),
    "sort": (*SORTS, *(f"-{name}" for name in SORTS)),
}
"""Filters that have one of a few names, or ''."""


def closed(low: float | None, high: float | None) -> tuple[float, float]:
    """Give a range two bounds."""
    return -math.inf if low is None else low, math.inf if high is None else high


def refuse_range(name: str, low: float | None, high: float | None) -> None:
    """Refuse a bound that no image can be on either side of, and two that exclude each other."""
    _, least, most = RANGES[name]
    for bound, value in (("min", low), ("max", high)):
        if value is not None and not least <= value <= min(most, sys.float_info.max):
            ends = (f" from {least:g} on" if least >= 0 else "", f" between {least:g} and {most:g}")
            rule = f"{name} is a number{ends[most < math.inf]}"
            example = 0.6 if most == 1 else 100
            remedy = f"Give --{bound}-{name} a number such as {example}."
            raise PolicyError(f"{bound}-{name} {value}", rule, remedy)
    if low is not None and high is not None and low > high:
        raise PolicyError(
            f"min-{name} {low} and max-{name} {high}",
            f"no {name} can be above the one and below the other",
            "Swap them, or leave one out.",
        )


def refuse_number(name: str, number: int | None) -> None:
    """Refuse a number of images that leaves none."""
    if number is not None and number < 1:
        raise PolicyError(
            f"{name} {number}", "a queue has room for an image", f"Give a --{name} of 1 or more."
        )


def refuse_counts(counts: tuple[int | None, int | None] | None) -> None:
    """Refuse a range of counts that no class can be in."""
    low, high = closed(*counts or (0, None))
    if high < max(low, 0) or -math.inf < low < 0:
        shown = ["any" if one is None else str(one) for one in counts or ()]
        raise PolicyError(
            f"class-count {' to '.join(shown)}",
            "a class has no or more images, and the first number is not above the second",
            "Give --class-count such as 30-45.",
        )


def refuse_name(name: str, value: str) -> None:
    """Refuse a name that a filter does not have."""
    known = NAMES[name]
    if value and value not in known:
        meant = names.nearest(value, known)
        hint = f"Did you mean {meant}? " if meant else ""
        listed = [one for one in known if not one.startswith("-")]
        more = ", each also with a - before it" if len(listed) < len(known) else ""
        raise PolicyError(
            f"{name} {value!r}", "there is none", f"{hint}Known: {', '.join(listed)}{more}."
        )


def refuse_days(first: str, last: str) -> None:
    """Refuse what is no day, and days that exclude each other."""
    for name, text in (("taken-from", first), ("taken-to", last)):
        if text and not _is_day(text):
            raise PolicyError(f"{name} {text!r}", "is no day", f"Give --{name} such as 2026-05-31.")
    if first and last and first > last:
        raise PolicyError(
            f"taken-from {first} and taken-to {last}",
            "no day can be after the one and before the other",
            "Swap them, or leave one out.",
        )


def refuse_folder(folder: str) -> None:
    """Refuse a folder that paths cannot be compared with."""
    if folder and not (folder.startswith("/") or paths.scheme_of(paths.from_text(folder))):
        raise PolicyError(
            f"folder {folder!r}", "is not absolute", "Give a path from / on, or a URL."
        )


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
