"""What an interruption left is settled from what lies there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.cleanup import batches
from curate.cleanup.applying import apply
from curate.cleanup.batches import Told
from curate.cleanup.moving import Mover, handles
from curate.cleanup.moving.move import Found, Move, Outcome
from curate.cleanup.recovering import outcome
from curate.cleanup.restoring import restore
from curate.core.errors import LockedError
from curate.store.journal import EVENTS, OPEN, QUARANTINED
from curate.store.library import Library

from .moved import digests, filled, items, plan_of, quarantined, settled, whole

OPENING = [event for event, (state, _) in EVENTS.items() if state == OPEN]
SOURCES = {
    "absent": ["absent", "there", "other", "unknown"],
    "there": ["absent", "same", "other", "unknown"],
    "unknown": ["absent", "there", "same", "other", "unknown"],
}
looks = st.sampled_from([Found(s, place) for place, sources in SOURCES.items() for s in sources])


@given(st.sampled_from(OPENING), looks)
def test_laws_of_settling(event: str, found: Found) -> None:
    closed, _, drop = outcome(event, found)
    if not closed:
        # Only what nobody could look at stays open.
        assert found.place == "unknown"
        assert not drop
        return
    assert closed in EVENTS[event][1]
    # A file is only taken away where its content was seen at its path.
    assert not drop or (found.source, found.place) == ("same", "there")
    lies_there = found.place == "there" and not drop
    assert (EVENTS[closed][0] == QUARANTINED) == lies_there
    if closed == "lost":
        assert (found.source, found.place) == ("absent", "absent")
    if closed == "purged":
        assert (event, found.place) == ("purging", "absent")


class Crash(BaseException):
    """The end of the process, as the code sees it."""


def crashing(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool = False) -> None:
    """End the process at the so-manieth move, before or after it."""
    real, done = handles.move, []

    def move(name: bytes, at_: int, new: bytes, into: int) -> None:
        done.append(1)
        if len(done) == at and not after:
            raise Crash
        real(name, at_, new, into)
        if len(done) == at:
            raise Crash

    monkeypatch.setattr(handles, "move", move)


@pytest.fixture
def photos(library: Library) -> list[bytes]:
    """Make four files that may go, and one with a label."""
    return filled(library, library.root / "photos", {f"{n}.jpg": b"%d" % n for n in range(4)})


@pytest.mark.parametrize("after", [False, True])
def test_an_apply_goes_on_where_it_was_ended(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    before, plan = digests(library.root), plan_of(photos)
    with monkeypatch.context() as patch:
        crashing(patch, 2, after=after)
        with pytest.raises(Crash):
            apply(library, plan)
    assert {item.state for item in items(library)} == {OPEN}
    told = apply(library, plan)
    assert told.counts["settled"] == 4
    assert told.counts["done"] == 1 + after
    assert told.counts["moved"] == 3 - after
    assert digests(library.root) == before
    assert whole(library)
    assert settled(library)


@pytest.mark.parametrize("after", [False, True])
def test_a_restore_goes_on_where_it_was_ended(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    before = digests(library.root)
    quarantined(library, photos)
    with monkeypatch.context() as patch:
        crashing(patch, 3, after=after)
        with pytest.raises(Crash):
            restore(library)
    told = restore(library)
    assert told.counts["restored"] == 2 - after
    assert digests(library.root) == before
    assert whole(library)
    assert all(Path(path.decode()).exists() for path in photos)


def test_a_file_in_both_places_ends_in_one(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, plan = digests(library.root), plan_of(photos)
    with monkeypatch.context() as patch:
        crashing(patch, 1)
        with pytest.raises(Crash):
            apply(library, plan)
    first = items(library)[0]
    place = library.root / first.place.decode()
    # As `link` leaves it before `unlink`, or a copy before its source is removed.
    place.parent.mkdir(parents=True, exist_ok=True)
    place.hardlink_to(first.path.decode())
    told = apply(library, plan)
    assert told.counts["moved"] == 4
    assert not place.exists()
    assert digests(library.root) == before
    assert whole(library)


def test_a_new_file_at_the_old_path_is_left_alone(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(photos)
    with monkeypatch.context() as patch:
        crashing(patch, 1, after=True)
        with pytest.raises(Crash):
            apply(library, plan)
    Path(photos[0].decode()).write_bytes(b"somebody's new file")
    apply(library, plan)
    assert Path(photos[0].decode()).read_bytes() == b"somebody's new file"
    told: Told = restore(library)
    assert told.reasons == {"another file lies at its old path": 1}
    assert whole(library)


def test_a_root_that_is_not_mounted_says_nothing_of_its_files(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(library.root)
    with monkeypatch.context() as patch:
        crashing(patch, 2)
        with pytest.raises(Crash):
            apply(library, plan_of(photos))
    root = library.root / "photos"
    root.rename(library.root / "elsewhere")
    root.mkdir()
    told = restore(library)
    assert (told.counts["settled"], told.counts["restored"]) == (4, 0)
    # One had been moved; of the others, nobody says that they were lost.
    assert [item.state for item in items(library)] == [QUARANTINED, "stayed", "stayed", "stayed"]
    assert list(root.iterdir()) == []
    assert whole(library)
    root.rmdir()
    (library.root / "elsewhere").rename(root)
    assert restore(library).counts["restored"] == 1
    assert digests(library.root) == before


def test_a_quarantine_that_is_not_mounted_leaves_its_items_open(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        crashing(patch, 2)
        with pytest.raises(Crash):
            apply(library, plan_of(photos))
    quarantine = library.folder / "quarantine"
    quarantine.rename(library.folder / "unmounted")
    assert restore(library).counts["settled"] == 0
    assert {item.state for item in items(library)} == {OPEN}
    (library.folder / "unmounted").rename(quarantine)
    assert restore(library).counts["settled"] == 4
    assert whole(library)


def test_who_lost_the_lock_on_the_server_is_not_settled_while_it_moves_files(
    library: Library, photos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = digests(library.root), batches.take
    # As on PostgreSQL, when the connection that holds the lock breaks in the middle of a batch.
    monkeypatch.setattr(Library, "locked", lambda self, stage: nullcontext())

    def interrupted(mover: Mover, moves: Sequence[Move]) -> Iterator[tuple[Move, Outcome]]:
        for number, done in enumerate(real(mover, moves)):
            if number == 1:
                with pytest.raises(LockedError, match="cleanup moves"):
                    restore(library)
            yield done

    monkeypatch.setattr(batches, "take", interrupted)
    assert apply(library, plan_of(photos)).counts["moved"] == 4
    assert {item.event for item in items(library)} == {"moved"}
    assert digests(library.root) == before
    assert whole(library)
    assert settled(library)
