"""Which chunk goes next, and what is thought of one that its actor did not survive.

An actor may end for reasons of its own (its node, other people's memory), so a chunk is tried
again. One that has ended `ATTEMPTS` actors is cut in two and its parts go on alone, until the file
at fault is by itself. It is given up when others got something done meanwhile; where nothing gets
done the machines may be at fault and not the file, and it has to end twice as many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from curate.core.files import FileEntry

ATTEMPTS = 3
"""Actors that a chunk may end before it is cut in two, and a lone file before it is given up."""


@dataclass(eq=False)
class Trial:
    """A chunk, how many actors it has ended, and what had been finished when it ended the first."""

    chunk: list[FileEntry]
    ended: int = 0
    finished_before: int = -1

    def halves(self) -> list[Trial]:
        """Cut it in two. A part must end one more actor to be cut again, a lone file two."""
        middle = len(self.chunk) // 2
        parts = (self.chunk[:middle], self.chunk[middle:])
        return [
            Trial(part, ATTEMPTS - (1 if len(part) > 1 else 2), self.finished_before)
            for part in parts
        ]


class Trials:
    """Chunks that wait, in the order in which they are given out.

    Parameters
    ----------
    chunks : iterable of lists of FileEntry
        Read one by one when nothing else waits.

    Attributes
    ----------
    ends : int
        Actors that have ended in a row since a chunk was last finished.
    """

    def __init__(self, chunks: Iterable[list[FileEntry]]) -> None:
        self._todo = iter(chunks)
        self._waiting: deque[Trial] = deque()
        self._finished = 0
        self.ends = 0

    def ahead(self, number: int) -> int:
        """Read on until `number` chunks wait, and say how many of these there are."""
        missing = max(number - len(self._waiting), 0)
        self._waiting.extend(map(Trial, islice(self._todo, missing)))
        return min(number, len(self._waiting))

    def give(self) -> Trial | None:
        """Give the next chunk, or None where none waits."""
        return self._waiting.popleft() if self.ahead(1) else None

    def done(self) -> None:
        """Note that a chunk was finished."""
        self._finished += 1
        self.ends = 0

    def back(self, trials: Iterable[Trial]) -> None:
        """Take chunks back that are not suspected of anything; they go first."""
        self._waiting.extendleft(reversed(list(trials)))

    def ended(self, suspect: Trial | None) -> list[FileEntry]:
        """Note that an actor ended, over a chunk or over none.

        Returns
        -------
        list of FileEntry
            The one file that is given up, or nothing.
        """
        self.ends += 1
        if suspect is None:
            return []
        suspect.ended += 1
        if suspect.finished_before < 0:
            suspect.finished_before = self._finished
        if suspect.ended < ATTEMPTS:
            self._waiting.appendleft(suspect)
        elif len(suspect.chunk) > 1:
            # At the end: the part that is whole then gets its turn before the other is cut again.
            self._waiting.extend(suspect.halves())
        elif self._finished > suspect.finished_before or suspect.ended >= 2 * ATTEMPTS:
            return suspect.chunk
        else:
            self._waiting.append(suspect)
        return []
