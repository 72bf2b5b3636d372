"""The backend without processes: for tests, debugging, and a handful of trusted files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from curate.core.files import FileEntry
from curate.engine.work import Limits, Outcome, Work, attempt


def each(
    entries: Iterable[FileEntry], work: Work, workers: int, limits: Limits
) -> Iterator[Outcome]:
    """Map in this process, in order. Workers and limits do not apply."""
    function = work.resolve()
    for entry in entries:
        yield Outcome(entry, *attempt(function, entry.path, work.arguments))
