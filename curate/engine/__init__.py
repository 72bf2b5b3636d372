"""Map a function over many images: one outcome for every file, whatever the files do.

A backend yields outcomes as they come; a stream computes on their pixels as well; `prefetched` runs
either ahead of its consumer; `Buffer` collects rows into shards; `progress` shows how far it is.
"""

from __future__ import annotations

from curate.core.errors import InputError
from curate.engine import processes, serial
from curate.engine.buffer import Buffer
from curate.engine.prefetch import prefetched
from curate.engine.progress import Progress, progress
from curate.engine.streams import STREAMS, Computed, Form, Stream
from curate.engine.work import Backend, Limits, Outcome, Work, available_cores, may_pass_later

BACKENDS: dict[str, Backend] = {
    "processes": processes.each,
    "serial": serial.each,
}
"""Ways to map; the same outcomes by each."""


def backend(name: str) -> Backend:
    """Give the backend of a name; an unknown one is an error that lists the known ones."""
    if name not in BACKENDS:
        raise InputError(
            f"backend {name!r}", "is of no known kind", f"Known: {', '.join(BACKENDS)}."
        )
    return BACKENDS[name]


def stream(name: str) -> type[Stream]:
    """Give the stream of a name; an unknown one is an error that lists the known ones."""
    if name not in STREAMS:
        raise InputError(
            f"engine {name!r}", "is of no known kind", f"Known: {', '.join(STREAMS)}, ray."
        )
    return STREAMS[name]


__all__ = [
    "BACKENDS",
    "STREAMS",
    "Backend",
    "Buffer",
    "Computed",
    "Form",
    "Limits",
    "Outcome",
    "Progress",
    "Stream",
    "Work",
    "available_cores",
    "backend",
    "may_pass_later",
    "prefetched",
    "progress",
    "stream",
]
