"""Lengths of time as people write them: ``30d``, ``12h``."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_WRITTEN = re.compile(r"([0-9]{1,5})([mhdw])")


def duration(text: str) -> timedelta:
    """Read a length of time.

    Parameters
    ----------
    text : str
        A whole number below 100,000 and a unit of `UNITS`.

    Raises
    ------
    ValueError
        It is none; the message says how one is written.
    """
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no length of time; write one such as 30d, 12h or 2w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def written(length: timedelta) -> str:
    """Write a length of time as `duration` reads it, in the largest unit up to days that fits."""
    minutes = round(length.total_seconds() / 60)
    for unit, size in (("d", 1_440), ("h", 60)):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"
