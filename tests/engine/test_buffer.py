"""Rows are handed over in bulk, each once, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.engine import Buffer


@given(st.lists(st.integers()), st.integers(1, 6))
def test_every_item_is_handed_over_once_and_in_order(items: list[int], most: int) -> None:
    handed: list[tuple[int, list[int]]] = []
    buffer = Buffer[int](lambda some, number: handed.append((number, list(some))), most)
    for item in items:
        buffer.add(item)
    buffer.flush()
    buffer.flush()
    assert [item for _, some in handed for item in some] == items
    assert [number for number, _ in handed] == list(range(len(handed)))
    assert all(len(some) == most for _, some in handed[:-1])
    assert all(some for _, some in handed)


def test_what_is_handed_over_may_be_kept() -> None:
    handed: list[list[int]] = []
    buffer = Buffer[int](lambda some, _number: handed.append(some), 2)
    for item in range(5):
        buffer.add(item)
    buffer.flush()
    assert handed == [[0, 1], [2, 3], [4]]


def test_an_item_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    handed: list[list[int]] = []
    buffer = Buffer[int](lambda some, _number: handed.append(list(some)), 100, seconds=20)
    now = 500.0  # an empty buffer has nothing that waits
    buffer.add(1)
    now = 519.0
    buffer.add(2)
    assert handed == []
    now = 521.0
    buffer.add(3)
    assert handed == [[1, 2, 3]]


@pytest.mark.parametrize("committed", [False, True])
def test_a_hand_over_that_was_interrupted_never_comes_twice(committed: bool) -> None:
    """It may have been committed before Ctrl-C; what was not is done again by the next run."""
    handed: list[tuple[list[int], int]] = []

    def flush(some: list[int], number: int) -> None:
        if committed or number:
            handed.append((some, number))
        if not number:
            raise KeyboardInterrupt

    buffer = Buffer(flush, 2)
    buffer.add(1)
    with pytest.raises(KeyboardInterrupt):
        buffer.add(2)
    buffer.add(3)
    buffer.flush()
    assert handed == [([1, 2], 0)] * committed + [([3], 1)]
