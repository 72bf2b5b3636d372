"""How files move, by where they lie: the scheme of a URL, or '' for a disk of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from curate.cleanup.moving.bucket import Bucket
from curate.cleanup.moving.disk import Disk, Names
from curate.cleanup.moving.move import Found, Move, Outcome
from curate.core import paths
from curate.core.files import FileEntry


class Mover(Protocol):
    """What moves the files of one kind of place."""

    def take(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]: ...
    def give(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]: ...
    def delete(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]: ...
    def look(self, move: Move) -> Found: ...
    def drop(self, move: Move) -> None: ...
    def entry(self, move: Move) -> FileEntry: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


def _bucket(names: Names) -> Mover:
    return Bucket()


KINDS: dict[str, Callable[[Names], Mover]] = {
    "": Disk,
    "s3": _bucket,
    "gs": _bucket,
    "memory": _bucket,
}
"""Schemes whose files can be moved; a web server only gives files."""


class Movers:
    """One mover for each kind of place, made when its first file is met."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._made: dict[str, Mover] = {}

    def of(self, path: bytes) -> Mover:
        """Give what moves a file."""
        scheme = paths.scheme_of(path)
        if scheme not in self._made:
            self._made[scheme] = KINDS[scheme](self._names)
        return self._made[scheme]

    def all(self) -> list[Mover]:
        """Give those that were met."""
        return list(self._made.values())


@contextmanager
def movers(names: Names) -> Iterator[Movers]:
    """Give the movers of a run; they are closed at its end."""
    made = Movers(names)
    try:
        yield made
    finally:
        for mover in made.all():
            mover.close()
