"""Rows are kept back until a shard's worth has come together, or some time has passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Buffer(Generic[T]):
    """Collects items and hands them on in bulk.

    Parameters
    ----------
    flush : callable
        Gets the list of items and a running number; when it returns, they are safe.
    most : int
        Hand over when the items weigh so much: what a killed process has to do again.
    seconds : float
        Hand over earlier when the oldest item has waited this long.
    """

    def __init__(
        self, flush: Callable[[list[T], int], None], most: int = 2000, seconds: float = 20.0
    ) -> None:
        self._flush = flush
        self._most = most
        self._seconds = seconds
        self._items: list[T] = []
        self._weight = 0
        self._number = 0
        self._since = time.monotonic()

    def add(self, item: T, weight: int = 1) -> None:
        """Add one item, and hand over if it is time to."""
        if not self._items:
            self._since = time.monotonic()
        self._items.append(item)
        self._weight += weight
        waited = time.monotonic() - self._since
        if self._weight >= self._most or waited >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Hand over what there is."""
        if self._items:
            # Let go first: interrupted after its commit, a hand-over must not come a second time.
            items, number = self._items, self._number
            self._items, self._weight, self._number = [], 0, number + 1
            self._flush(items, number)
