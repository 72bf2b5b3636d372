"""Jobs as lines of a crontab (crontab(5)), marked so that they are known again."""

from __future__ import annotations

import re
from os import fsencode

from curate.core.errors import InputError
from curate.schedules.job import PLAIN, Job, When, identity, prefix

LONGEST = 998
"""Bytes of a command; Debian's cron refuses longer ones, and so does Vixie's."""

_NEWLINE = r"""n="$(printf '\n.')"; n="${n%.}"; """
_MARK = re.compile(r"(?P<minute>\d+) (?P<hours>\*|\*/\d+|\d+) \* \* \* .* # (?P<unit>curate-\S+)")


def units(job: Job) -> dict[str, str]:
    """Give the line of a job, under the name of its unit.

    Raises
    ------
    InputError
        The line is longer than cron takes.
    """
    return {job.unit: f"{job.at.cron} {_escaped(command(job))} # {job.unit}\n"}


def command(job: Job) -> str:
    """Write what the shell of cron gets to see.

    ``flock`` lets no second one begin, ``timeout`` ends one that does not end itself.
    """
    own = f"{job.library}/.curate/{job.name}.cron"
    words = (
        *("flock", "-n", f"{own}.lock", "timeout", "-k", "30", str(job.bound)),
        *("nice", "-n", str(job.nice), "ionice", "-t", "-c", "3", *job.program, *job.words),
    )
    line = f"{' '.join(map(_quoted, words))} >>{_quoted(f'{own}.log')} 2>&1"
    line = f"{_NEWLINE}{line}" if '"$n"' in line else line
    size = len(fsencode(_escaped(line)))
    if size > LONGEST:
        raise InputError(
            job.library, f"its line has {size:,} bytes, and cron takes {LONGEST}", "Use systemd."
        )
    return line


def merged(crontab: str, job: Job) -> str:
    """Put a job into a crontab; its line takes the place of the one before.

    Every other line stays as it is: settings such as ``MAILTO=`` hold for the lines below them.
    """
    (line,) = units(job).values()
    lines = crontab.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    kept = [line if unit_of(found) == job.unit else found for found in lines]
    places = [number for number, found in enumerate(kept) if found == line]
    if not places:
        return "".join([*kept, line])
    return "".join(found for at, found in enumerate(kept) if found != line or at == places[0])


def unit_of(line: str) -> str:
    """Give the unit of a line that is ours; '' for any other."""
    found = _MARK.fullmatch(line.rstrip("\n"))
    return found["unit"] if found else ""


def times(crontab: str, name: str, library: str) -> list[When]:
    """Read from a crontab when a job of a library runs."""
    wanted = f"{prefix(name)}{identity(library)}"
    found = []
    for line in crontab.splitlines():
        if unit_of(line) == wanted and (match := _MARK.fullmatch(line)):
            hours = match["hours"]
            every = 1 if hours == "*" else int(hours.removeprefix("*/")) if "*" in hours else 24
            first = 0 if every < 24 else int(hours)
            found.append(When(first, int(match["minute"]), every))
    return found


def _quoted(word: str) -> str:
    """Quote a word for the shell, so that no cron misreads it.

    In single quotes everything stands for itself. A backslash is followed by the end of the quotes:
    whether cron halves two backslashes, and what it makes of one before a ``%``, differs.
    """
    if PLAIN.fullmatch(word):
        return word
    pairs = {"'": "'\"'\"'", "\\": "\\''", "\n": "'\"$n\"'"}
    return "'" + "".join(pairs.get(character, character) for character in word) + "'"


def _escaped(line: str) -> str:
    r"""Write a command into a line: a bare ``%`` would end it, and the rest would be its input."""
    return line.replace("%", r"\%")
