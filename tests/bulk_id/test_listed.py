"""The spooled list of files, beside plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.bulk_id import listed
from curate.bulk_id.listed import Counts, Listed
from curate.core.files import FileEntry
from curate.store.files import FileRow

NAMES = st.binary(min_size=1, max_size=3).map(lambda name: b"/" + name)
RANKS = st.sampled_from([None, 0.0, 0.25, 1.0, 3.0])
FOUND = st.lists(st.tuples(NAMES, RANKS), max_size=30)


def listing(found: list[tuple[bytes, float | None]], limit: int | None) -> Listed:
    """List files that are given with their ranks; a path that comes again is the same file."""
    first: dict[bytes, float | None] = {}
    for path, rank in found:
        first.setdefault(path, rank)
    made = Listed(limit)
    entries = [FileEntry(path, 1, 2, 3) for path, _ in found]
    made.add(entries, lambda _: {}, lambda entry, _: first[entry.path], lambda _: None)
    return made


@given(FOUND, st.none() | st.integers(0, 20))
def test_each_file_once_by_rank_and_path(
    found: list[tuple[bytes, float | None]], limit: int | None
) -> None:
    made = listing(found, limit)
    ranks = dict(reversed(found))
    wanted = sorted((rank, path) for path, rank in ranks.items() if rank is not None)
    expected = [path for _, path in wanted][:limit]
    assert [entry.path for entry in made.todo()] == expected
    assert made.counts() == Counts(len(ranks), len(wanted), len(expected))


@given(FOUND, st.lists(NAMES, max_size=20))
def test_pages_hold_everything_and_what_lacks_is_the_rest(
    found: list[tuple[bytes, float | None]], asked: list[bytes]
) -> None:
    made = listing(found, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "PAGE", 4)
        pages = list(made.pages())
    assert all(len(page) <= 4 for page in pages)
    entries = [entry for page in pages for entry in page]
    assert entries == [FileEntry(path, 1, 2, 3) for path in sorted({path for path, _ in found})]
    assert made.lacks(asked) == [path for path in asked if path not in dict(found)]


def test_numbers_of_files_come_back_as_they_were() -> None:
    entries = [FileEntry(b"/a", 2**40, -5, 2**62), FileEntry(b"/b", 0, 2**62, 0)]
    made = Listed()
    made.add(entries, lambda _: {}, lambda *_: 0.0, lambda _: None)
    assert list(made.todo()) == entries


def test_a_rank_is_given_with_what_is_known_of_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "PAGE", 3)
    entries = [FileEntry(b"/%d" % number, number, 0, 0) for number in range(8)]
    rows = {entry.path: FileRow.read(entry, "id", "") for entry in entries[::2]}
    asked: list[int] = []
    advanced: list[int] = []

    def known(paths: Sequence[bytes]) -> dict[bytes, FileRow]:
        asked.append(len(paths))
        return {path: rows[path] for path in paths if path in rows}

    made = Listed()
    made.add(
        iter(entries),
        known,
        lambda entry, row: None if row is not None and row.was_read(entry) else 0.0,
        advanced.append,
    )
    assert [entry.path for entry in made.todo()] == [entry.path for entry in entries[1::2]]
    assert asked == advanced == [3, 3, 2]


def test_two_lists_know_nothing_of_each_other() -> None:
    one, other = listing([(b"/a", 0.0)], None), listing([(b"/b", 0.0)], None)
    assert [entry.path for entry in one.todo()] == [b"/a"]
    assert [entry.path for entry in other.todo()] == [b"/b"]
