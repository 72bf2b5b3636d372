"""Patterns of paths, as a shell has them: ``photos/**/[0-9]*.jpg``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

_MAGIC = re.compile(rb"[*?[]")
_ANY_DEPTH = b"**"


def is_pattern(path: bytes) -> bool:
    """Whether a path has signs that stand for others."""
    return bool(_MAGIC.search(path))


@dataclass(frozen=True)
class Pattern:
    """A pattern, parted where its signs begin.

    `*`, `?` and `[…]` stand for signs within one name, and `**` for any number of folders. Names
    that start with a dot are met only where the pattern's does.

    Attributes
    ----------
    folder : bytes
        The last folder that is named without signs.
    parts : tuple of bytes
        The names below it.
    """

    folder: bytes
    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, path: bytes) -> Pattern:
        """Part an absolute pattern."""
        names = [name for name in path.split(b"/") if name not in (b"", b".")]
        first = next(number for number, name in enumerate(names) if is_pattern(name))
        parts = names[first:]
        if parts[-1] == _ANY_DEPTH:
            parts.append(b"*")
        return cls(os.path.realpath(b"/" + b"/".join(names[:first])), tuple(parts))

    def start(self) -> frozenset[int]:
        """Give the parts that a name in the first folder may match."""
        return self._with_skipped({0})

    def step(self, state: Collection[int], name: bytes) -> tuple[frozenset[int] | None, bool]:
        """Meet a name in a folder.

        Parameters
        ----------
        state : collection of int
            The parts that a name in this folder may match.
        name : bytes
            The name.

        Returns
        -------
        state : frozenset of int, or None
            For the folder of this name; None where nothing below it can match.
        taken : bool
            Whether the file of this name matches the whole pattern.
        """
        after = set()
        for number in state:
            if self.parts[number] == _ANY_DEPTH:
                if not name.startswith(b"."):
                    after.add(number)
            elif _matches(name, self.parts[number]):
                after.add(number + 1)
        end = len(self.parts)
        below = self._with_skipped(after - {end})
        return below or None, end in after

    def _with_skipped(self, state: Collection[int]) -> frozenset[int]:
        """Add the parts behind every `**`, which may stand for no folder at all."""
        found = set(state)
        for number, part in enumerate(self.parts):
            if number in found and part == _ANY_DEPTH:
                found.add(number + 1)
        return frozenset(found)


def _matches(name: bytes, part: bytes) -> bool:
    if name.startswith(b".") and not part.startswith(b"."):
        return False
    return fnmatchcase(name, part)
