"""The backend without processes: for tests, debugging, and a handful of trusted files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from curate.core.chunks import batched
from curate.core.files import FileEntry
from curate.engine.work import Limits, Outcome, Work, attempt

CHUNK = 32
"""Files that are finished together."""


def each(
    entries: Iterable[FileEntry], work: Work, workers: int, limits: Limits
) -> Iterator[Outcome]:
    """Map in this process, in order. Workers and limits do not apply."""
    function = work.resolve()
    for chunk in batched(entries, CHUNK if work.together else 1):
        done = [attempt(function, entry.path, **work.arguments) for entry in chunk]
        for entry, (value, reason) in zip(chunk, work.finish(done), strict=True):
            yield Outcome(entry, value, reason)
