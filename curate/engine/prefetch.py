"""Let an iterator run ahead of its consumer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that closing waits for the source; one that hangs is left to the end of the process."""


def prefetched(source: Iterator[T], depth: int) -> Generator[T, None, None]:
    """Yield what `source` yields, made by a thread that is up to `depth` items ahead.

    An error of the source is raised here, after the items before it. Closing this iterator closes
    the source.
    """
    made: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()

    def put(items: list[T], error: BaseException | None = None) -> None:
        while not closed.is_set():
            try:
                made.put((items, error), timeout=0.2)
                break
            except queue.Full:
                continue

    def produce() -> None:
        error = None
        try:
            for item in source:
                put([item])
                if closed.is_set():
                    break
        except BaseException as raised:  # handed to the consumer, whatever it is
            error = raised
        finally:
            if isinstance(source, Generator):
                source.close()
        put([], error)

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            items, error = made.get()
            if error is not None:
                raise error
            if not items:
                return
            yield from items
    finally:
        closed.set()
        thread.join(PATIENCE)
