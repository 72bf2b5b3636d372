"""Purge deletes what has lain long enough, and nothing else does."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from curate.cleanup import purging
from curate.cleanup.purging import purge
from curate.core.errors import LibraryError, PolicyError
from curate.store import journal, runs
from curate.store.library import Library

from .moved import digests, filled, items, label, quarantined, settled, whole

DAY = timedelta(days=1)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def text(self) -> str:
        return self.now.isoformat(timespec="seconds")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(journal, "_now", made.text)
    monkeypatch.setattr(runs, "_now", made.text)
    monkeypatch.setattr(purging, "_now", lambda: made.now)
    return made


@pytest.fixture
def found(library: Library, clock: Clock) -> list[bytes]:
    """Put three files into quarantine, of twenty-four."""
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 0.2\n")
    made = filled(library, library.root / "photos", {f"{n}.jpg": b"%d" % n for n in range(23)})
    quarantined(library, made[:3])
    return made[:3]


def days(library: Library, clock: Clock, number: int) -> None:
    """Use the library every day."""
    for _ in range(number):
        clock.now += DAY
        with runs.running(library, "scan", {}):
            pass


def test_what_is_old_enough_goes_and_the_rest_stays(
    library: Library, clock: Clock, found: list[bytes]
) -> None:
    before = digests(library.root)
    days(library, clock, 29)
    assert purge(library).staying == {"has not been in quarantine for 30d": 3}
    assert purge(library, really=True).files == 0
    days(library, clock, 1)
    looked = purge(library)
    assert (looked.files, looked.bytes, looked.told) == (3, 3, None)
    assert digests(library.root) == before
    told = purge(library, really=True).told
    assert told is not None
    assert told.counts["purged"] == 3
    assert sum((before - digests(library.root)).values()) == 3
    assert {item.state for item in items(library)} == {"purged"}
    assert not list((library.folder / "quarantine").glob("run-*"))
    assert whole(library)
    assert settled(library)


@pytest.mark.parametrize("jump", [3650 * DAY, -365 * DAY])
def test_a_clock_that_jumps_purges_nothing(
    library: Library, clock: Clock, found: list[bytes], jump: timedelta
) -> None:
    days(library, clock, 3)
    clock.now += jump
    days(library, clock, 3)
    assert purge(library, really=True).files == 0
    assert {item.state for item in items(library)} == {journal.QUARANTINED}


def test_who_was_labelled_in_quarantine_stays(
    library: Library, clock: Clock, found: list[bytes]
) -> None:
    label(library, b"1", "zebra")
    days(library, clock, 31)
    purged = purge(library, really=True)
    assert purged.staying == {"is wanted by now: labelled zebra": 1}
    assert [item.path for item in items(library, journal.QUARANTINED)] == [found[1]]


def test_what_was_changed_in_quarantine_is_not_deleted(
    library: Library, clock: Clock, found: list[bytes]
) -> None:
    place = Path(os.fsdecode(journal.place_in(library, items(library)[0].place)))
    place.write_bytes(b"z")
    days(library, clock, 31)
    told = purge(library, really=True).told
    assert told is not None
    assert told.reasons == {"what lies in quarantine is not what was put there": 1}
    assert place.read_bytes() == b"z"


def test_a_library_with_faults_deletes_nothing(
    library: Library, clock: Clock, found: list[bytes]
) -> None:
    days(library, clock, 31)
    stray = library.folder / "quarantine/run-000003/stray.jpg"
    stray.write_bytes(b"whose?")
    with pytest.raises(LibraryError, match="no row of the journal says why"):
        purge(library, really=True)
    assert {item.state for item in items(library)} == {journal.QUARANTINED}


def test_more_than_the_share_is_not_deleted(
    library: Library, clock: Clock, found: list[bytes]
) -> None:
    days(library, clock, 31)
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 0.12\n")
    for really in (False, True):
        with pytest.raises(PolicyError, match="3 of 24 files"):
            purge(library, really=really)
    assert {item.state for item in items(library)} == {journal.QUARANTINED}


def test_no_label_deletes_nothing(library: Library, clock: Clock, found: list[bytes]) -> None:
    days(library, clock, 31)
    label(library, b"what people want", "")
    with pytest.raises(PolicyError, match="no image has a label"):
        purge(library, really=True)


def test_a_quarantine_that_is_not_mounted_is_not_taken_for_empty(
    library: Library, clock: Clock, found: list[bytes]
) -> None:
    days(library, clock, 31)
    (library.folder / "quarantine").rename(library.folder / "unmounted")
    with pytest.raises(LibraryError, match="has faults"):
        purge(library, really=True)
    assert {item.state for item in items(library)} == {journal.QUARANTINED}


def test_a_purge_that_was_ended_goes_on(
    library: Library, clock: Clock, found: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    days(library, clock, 31)
    real, left = os.unlink, [1]

    class Crash(BaseException):
        pass

    def ending(path: bytes, *, dir_fd: int | None = None) -> None:
        if not left:
            raise Crash
        left.pop()
        real(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", ending)
        with pytest.raises(Crash):
            purge(library, really=True)
    told = purge(library, really=True).told
    assert told is not None
    assert (told.counts["settled"], told.counts["purged"]) == (3, 2)
    assert {item.state for item in items(library)} == {"purged"}
    assert whole(library)
