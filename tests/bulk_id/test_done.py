"""What is done already."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.bulk_id.done import Ids, is_done
from curate.core.files import FileEntry
from curate.core.identity import ID_LENGTH
from curate.store.files import FileRow

IDS = st.integers(0, 40).map(lambda number: f"{number:0{ID_LENGTH}x}")
ENTRY = FileEntry(b"/a.jpg", 10, 20, 30)


@given(st.lists(st.lists(IDS, max_size=12), max_size=4), st.lists(IDS | st.text(max_size=40)))
def test_ids_are_a_set(parts: list[list[str]], asked: list[str]) -> None:
    ids = Ids([np.array(part, f"S{ID_LENGTH}") for part in parts])
    plain = {one for part in parts for one in part}
    assert len(ids) == len(plain)
    assert [one in ids for one in asked] == [one in plain for one in asked]


def test_nothing_is_in_no_ids() -> None:
    ids = Ids()
    assert len(ids) == 0
    assert None not in ids
    assert "" not in ids


@pytest.mark.parametrize(
    ("known", "done"),
    [
        (None, False),
        (FileRow.read(ENTRY, "a", ""), True),
        (FileRow.read(ENTRY, "b", ""), False),
        (FileRow.read(ENTRY, "c", ""), False),
        (FileRow.read(FileEntry(b"/a.jpg", 11, 20, 30), "a", ""), False),
        (FileRow.read(ENTRY, None, "decode: no image"), True),
        (FileRow.read(ENTRY, None, "memory: too much"), False),
        (FileRow.read(ENTRY, None, "crash: the decoder died"), False),
        (FileRow(b"/a.jpg", "a", 10, 20, 30, "gone"), False),
    ],
)
def test_a_file_is_done_when_it_is_as_it_was_and_all_rows_are_there(
    known: FileRow | None, done: bool
) -> None:
    both = [Ids([np.array(ids, f"S{ID_LENGTH}")]) for ids in (["a", "b"], ["a", "c"])]
    assert is_done(known, ENTRY, both) is done
