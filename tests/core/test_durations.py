"""Lengths of time are read as people write them, and written as they are read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.durations import duration, written


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        ("0d", timedelta(0)),
    ],
)
def test_a_length_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1.5d", "30 d", "30days", "1d12h", "٣d", "100000d"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write one such as 30d, 12h or 2w"):
        duration(text)


@given(st.integers(0, 9_999), st.sampled_from("mhdw"))
def test_what_is_written_is_read_as_the_same(number: int, unit: str) -> None:
    length = duration(f"{number}{unit}")
    assert duration(written(length)) == length


def test_a_length_is_written_in_the_largest_unit_that_fits() -> None:
    texts = ["45m", "60m", "36h", "48h", "2w"]
    assert [written(duration(text)) for text in texts] == ["45m", "1h", "36h", "2d", "14d"]
