from __future__ import annotations

from itertools import count, islice

from hypothesis import given
from hypothesis import strategies as st

from curate.core.chunks import batched


@given(st.lists(st.integers()), st.integers(1, 7))
def test_nothing_is_lost_and_only_the_last_is_short(items: list[int], size: int) -> None:
    found = list(batched(items, size))
    assert [item for some in found for item in some] == items
    assert all(len(some) == size for some in found[:-1])
    assert all(found)


def test_no_more_is_taken_than_is_given() -> None:
    numbers = count()
    assert list(islice(batched(numbers, 3), 2)) == [(0, 1, 2), (3, 4, 5)]
    assert next(numbers) == 6
