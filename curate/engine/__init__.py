"""Map a function over many images: one outcome for every file, whatever the files do.

`each` yields outcomes as they come; `prefetched` makes them while the caller works; `Buffer`
collects rows into shards; `progress` shows how far it is.
"""

from __future__ import annotations

from curate.engine import processes, serial
from curate.engine.buffer import Buffer
from curate.engine.prefetch import prefetched
from curate.engine.progress import Progress, progress
from curate.engine.work import Backend, Limits, Outcome, Work, available_cores, may_pass_later

BACKENDS: dict[str, Backend] = {
    "processes": processes.each,
    "serial": serial.each,
}
"""Ways to map; the same outcomes by each."""

__all__ = [
    "BACKENDS",
    "Backend",
    "Buffer",
    "Limits",
    "Outcome",
    "Progress",
    "Work",
    "available_cores",
    "may_pass_later",
    "prefetched",
    "progress",
]
