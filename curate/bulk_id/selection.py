"""Which of the files that are not done yet are done in this run, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite

from curate.core.errors import InputError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class Selection:
    """What to take of the files that are to do; the rest is left for another run.

    Attributes
    ----------
    limit : int or None
        So many at most, in the order of their paths.
    sample : int or None
        So many at most, a fair sample by `seed`.
    seed : int
        Of the sample.
    since : datetime or None
        Only files that were last written then or later.
    seconds : float or None
        Take no further file after so many seconds; the most promising go first: those that no
        model has seen, and of near-duplicates the keepers.
    """

    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    since: datetime | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.sample is not None:
            raise InputError(
                "--limit and --sample",
                "exclude each other",
                "Give one: how many, or how many of all.",
            )


def duration(text: str) -> float:
    """Read ``90s``, ``30m``, ``1.5h``, ``2d`` or ``1w`` as seconds."""
    number, unit = text[:-1].strip(), text[-1:].lower()
    try:
        seconds = float(number) * _UNITS[unit]
        if not (isfinite(seconds) and seconds > 0):
            raise ValueError
    except (ValueError, KeyError):
        raise InputError(
            f"duration {text!r}", "is a number with s, m, h, d or w", "Write it like 30m or 1.5h."
        ) from None
    return seconds


def moment(text: str, now: datetime) -> datetime:
    """Read a date (``2026-11-01``, ``2026-11-01T18:00``) or how long ago it is (``7d``)."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        pass
    try:
        return now - timedelta(seconds=duration(text))
    except (InputError, OverflowError):
        raise InputError(
            f"moment {text!r}",
            "is neither a date nor a duration",
            "Write it like 2026-11-01, or 7d for a week ago.",
        ) from None
