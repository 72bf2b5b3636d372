"""The backend of processes: outcomes in the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from curate.core.files import FileEntry
from curate.engine.pool import Pool, Task
from curate.engine.work import Limits, Outcome, Work


def each(
    entries: Iterable[FileEntry], work: Work, workers: int, limits: Limits
) -> Iterator[Outcome]:
    """Map in `workers` processes, in the order in which results come.

    Closing the iterator ends the processes.
    """
    todo = iter(entries)
    taken = list(islice(todo, 1))
    if not taken:
        return
    pool = Pool(work, workers, limits)
    try:
        while taken or pool.busy:
            while taken and pool.room:
                pool.give([Task(entry) for entry in taken])
                taken = list(islice(todo, pool.chunk))
            for _, outcome in pool.collect():
                yield outcome
    finally:
        pool.close()
