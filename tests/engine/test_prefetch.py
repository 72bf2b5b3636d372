"""Running ahead changes neither the items, nor their order, nor their errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from itertools import islice
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.engine import prefetched

pytestmark = pytest.mark.timeout(30)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@settings(max_examples=30)
@given(st.lists(st.one_of(st.none(), st.integers(), st.just([]))), st.integers(1, 5))
def test_items_come_in_order(items: list[object], depth: int) -> None:
    assert list(prefetched(iter(items), depth)) == items
    assert not threads()


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield from range(10)
        raise ZeroDivisionError("ten")

    ahead = prefetched(source(), 3)
    assert list(islice(ahead, 10)) == list(range(10))
    with pytest.raises(ZeroDivisionError, match="ten"):
        next(ahead)
    assert not threads()


def test_it_runs_ahead_but_not_further_than_its_depth() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = cast("Generator[int]", prefetched(source(), 4))
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(made) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(made) == 6  # one with us, four waiting, one in the thread's hand
    ahead.close()


def test_closing_closes_the_source_and_ends_the_thread() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    made = source()  # held here, so that it is closed and not merely collected
    ahead = cast("Generator[int]", prefetched(made, 2))
    next(ahead)
    ahead.close()
    assert closed == [True]
    assert not threads()


def test_an_error_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        for _ in prefetched(iter(range(1000)), 2):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert not threads()


def test_the_source_is_made_in_one_thread_while_we_work_in_another() -> None:
    names = list(prefetched((threading.current_thread().name for _ in range(3)), 1))
    assert names == ["prefetch"] * 3
