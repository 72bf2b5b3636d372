"""`itertools.batched` for Python 3.11, which lacks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield the items in tuples of `size`, the last one shorter where they do not come out."""
    iterator = iter(items)
    while some := tuple(islice(iterator, size)):
        yield some
