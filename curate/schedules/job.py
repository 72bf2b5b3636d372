"""A job: what shall run again and again, when, and what keeps it within bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from os import fsencode

from curate.core.durations import written
from curate.core.errors import InputError

PLAIN = re.compile(r"[A-Za-z0-9@+=:,./_-]+")
"""Words that stand for themselves wherever words are quoted."""

_DAILY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_HOURLY = re.compile(r"every ([0-9]{1,2})h")
_HOURS = (1, 2, 3, 4, 6, 8, 12)
"""Numbers of hours that divide a day: every other one would come at other hours each day."""


@dataclass(frozen=True)
class When:
    """A moment of every day.

    Attributes
    ----------
    hour, minute : int
        The first time of the day.
    every : int
        Hours to the next one; 24 for once a day.
    """

    hour: int
    minute: int
    every: int = 24

    @property
    def hours(self) -> list[int]:
        """All hours of a day at which it is time."""
        return list(range(self.hour, 24, self.every))

    @property
    def cron(self) -> str:
        """The five fields of crontab(5)."""
        hours = f"*/{self.every}" if self.every < 24 else str(self.hour)
        return f"{self.minute} {'*' if self.every == 1 else hours} * * *"

    def after(self, now: datetime) -> datetime:
        """Give the first time after a moment, by the same clock."""
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        for days in (0, 1):
            for hour in self.hours:
                # Not by addition: where a day has 23 or 25 hours, 03:00 is 03:00 all the same.
                found = (day + timedelta(days)).replace(hour=hour, minute=self.minute)
                if found > now:
                    return found
        raise AssertionError("a day has an hour of the schedule")


def when(text: str) -> When:
    """Read a time as people write it.

    Parameters
    ----------
    text : str
        ``03:00``, or ``every 6h`` (1, 2, 3, 4, 6, 8 or 12 hours, counted from midnight).

    Raises
    ------
    InputError
        It is neither.
    """
    if found := _DAILY.fullmatch(text):
        return When(int(found[1]), int(found[2]))
    found = _HOURLY.fullmatch(text)
    if found and int(found[1]) in _HOURS:
        return When(0, 0, int(found[1]))
    known = ", ".join(map(str, _HOURS))
    raise InputError(
        f"--at {text}", "is no time of a schedule", f"Give 03:00, or 'every 6h' (hours: {known})."
    )


@dataclass(frozen=True)
class Job:
    """What shall run.

    Attributes
    ----------
    name : str
        Of the job: letters and hyphens.
    library : str
        The folder that holds `.curate/`, absolute; bytes that are not UTF-8 as `os.fsdecode` gives
        them.
    program : tuple of str
        How `curate` is called on this machine, the first absolute.
    options : tuple of str
        Further options of `curate jobs run`.
    at : When
        When.
    time_out : timedelta
        After so long the job ends itself.
    nice : int
        By how much it steps back behind other programs, 0 to 19.
    image, claim : str
        For Kubernetes: the container image that has curate, and the claim of the volume that is
        mounted as the folder of the library.
    """

    name: str
    library: str
    program: tuple[str, ...]
    at: When
    options: tuple[str, ...] = ()
    time_out: timedelta = timedelta(hours=6)
    nice: int = 10
    image: str = ""
    claim: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """What follows `curate`: words of a command, not yet quoted for anybody."""
        return (
            *("jobs", "run", self.name, "--library", self.library),
            *("--time-out", written(self.time_out), *self.options),
        )

    @property
    def bound(self) -> int:
        """Seconds after which whoever started the job ends it, had it not ended itself."""
        return round(self.time_out.total_seconds()) + 60

    @property
    def unit(self) -> str:
        """How it is called among the jobs of a machine: a library of its own has its own."""
        return f"{prefix(self.name)}{identity(self.library)}"


def prefix(name: str) -> str:
    """Give what the units of a job of any library begin with."""
    return f"curate-{name}-"


def identity(library: str) -> str:
    """Tell the libraries of a machine apart, in eight letters."""
    return sha256(fsencode(library)).hexdigest()[:8]


def as_text(job: Job, kind: str) -> None:
    """Refuse a job whose words are no text, for files that hold nothing but text.

    Raises
    ------
    InputError
        A path holds bytes that are not UTF-8.
    """
    for word in (*job.program, *job.words, job.image, job.claim):
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                ascii(word), f"is not UTF-8, and {kind} knows nothing else", "Use cron, or rename."
            ) from error
