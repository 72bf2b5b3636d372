"""`check` compares the journal with what lies in quarantine."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.store import held, journal
from curate.store.journal import Leaving
from curate.store.library import Library
from curate.store.runs import running


@pytest.fixture
def place(library: Library) -> Path:
    """Put one file of four bytes into quarantine, by the journal and on the disk."""
    place = library.folder / "quarantine/run-000001/000000/1-a.jpg"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"abcd")
    file = Leaving(b"/photos/a.jpg", "i1", 4, "blank", "shows nothing")
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        named = str(place.relative_to(library.root)).encode()
        journal.begin(connection, run.run_id, [file], lambda item, file: named)
        journal.add(connection, run.run_id, [(1, "moved", "")])
    return place


def faults(library: Library) -> list[str]:
    return list(held.faults(library))


def test_what_lies_where_the_journal_says_is_whole(library: Library, place: Path) -> None:
    (place.parent.parent / "WHAT-LIES-HERE.txt").write_text("for people")
    assert faults(library) == []


def test_a_file_that_is_gone_or_has_another_size_is_named(library: Library, place: Path) -> None:
    place.write_bytes(b"abc")
    (fault,) = faults(library)
    assert fault.endswith("has 3 bytes, not 4 (it was /photos/a.jpg)")
    place.unlink()
    (fault,) = faults(library)
    assert "1-a.jpg: is not there" in fault


def test_a_quarantine_that_is_not_there_is_one_fault(library: Library, place: Path) -> None:
    (library.folder / "quarantine").rename(library.folder / "unmounted")
    (fault,) = faults(library)
    assert fault.endswith("is not there, with 1 files; is its disk mounted?")


def test_a_file_of_which_no_row_says_anything_is_named(library: Library, place: Path) -> None:
    place.with_name("9-b.jpg").write_bytes(b"x")
    (fault,) = faults(library)
    assert fault.endswith("9-b.jpg: no row of the journal says why")


def test_what_an_interruption_left_is_said_with_what_settles_it(
    library: Library, place: Path
) -> None:
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        journal.add(connection, run.run_id, [(1, "purging", "")])
    (fault,) = faults(library)
    assert fault.startswith(f"cleanup run {run.run_id}: it was interrupted with 1 files under way")


def test_rows_that_cannot_follow_each_other_are_named(library: Library, place: Path) -> None:
    with running(library, "cleanup", {}) as run, library.writing() as connection:
        journal.add(connection, run.run_id, [(1, "restored", "")])
    place.unlink()
    assert faults(library) == ["journal: item 1 has restored after moved"]
