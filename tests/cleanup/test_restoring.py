"""Restore puts back what it is asked for, where it lay, over nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from curate.cleanup.applying import apply
from curate.cleanup.restoring import restore
from curate.core.errors import InputError
from curate.store import decisions, files, journal
from curate.store.library import Library

from .moved import digests, filled, items, label, plan_of, quarantined, whole


@pytest.fixture
def root(library: Library) -> Path:
    return library.root / "photos"


def there(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def test_files_come_back_as_they_were(library: Library, root: Path) -> None:
    found = filled(library, root, {"in/a.jpg": b"a", "b.jpg": b"b"})
    before, seen = digests(library.root), [os.lstat(path) for path in found]
    quarantined(library, found)
    (root / "in").rmdir()
    told = restore(library)
    assert told.counts["restored"] == 2
    assert digests(library.root) == before
    assert [os.lstat(path).st_mtime_ns for path in found] == [one.st_mtime_ns for one in seen]
    with library.reading() as connection:
        known = files.known_at(connection, found)
    assert [known[path].status for path in found] == ["ok", "ok"]
    assert [known[path].inode for path in found] == [os.lstat(path).st_ino for path in found]
    assert whole(library)
    assert restore(library).counts["restored"] == 0


def test_nothing_is_overwritten(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a", "b.jpg": b"b"})
    quarantined(library, found)
    there(found[0]).write_bytes(b"new")
    there(found[1]).symlink_to("nowhere")
    told = restore(library)
    assert told.reasons == {"another file lies at its old path": 2}
    assert there(found[0]).read_bytes() == b"new"
    assert {item.state for item in items(library)} == {journal.QUARANTINED}
    there(found[0]).unlink()
    assert restore(library).counts["restored"] == 1
    assert whole(library)


def test_decisions_stay(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    quarantined(library, found)
    label(library, b"a", "zebra")
    restore(library)
    with library.reading() as connection:
        assert set(decisions.current(connection, "label")["value"]) == {"kudu", "zebra"}


def test_one_run_or_what_a_condition_says(library: Library, root: Path) -> None:
    found = filled(library, root, {f"d{n % 2}/{n}.jpg": b"%d" % n for n in range(6)})
    first = apply(library, plan_of(found[:2], "blank"))
    apply(library, plan_of(found[2:], "it's blurred"))
    assert restore(library, run_id=first.run_id).counts["restored"] == 2
    assert restore(library, where="rule = 'blank'").counts["restored"] == 0
    where = "rule = 'it''s blurred' AND path LIKE '%/d1/%' AND class = 'kudu' -- those"
    assert restore(library, where=where).counts["restored"] == 2
    assert restore(library, where="bytes > 0 and reason = 'shows nothing'").counts["restored"] == 2


@pytest.mark.parametrize(
    "where", ["rule =", "nothing = 1", "path IN (SELECT * FROM read_csv('/etc/passwd'))", "1); x"]
)
def test_a_condition_that_cannot_be_asked_changes_nothing(
    library: Library, root: Path, where: str
) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    quarantined(library, found)
    with pytest.raises(InputError, match="cannot be asked"):
        restore(library, where=where)
    assert not there(found[0]).exists()


def test_what_was_changed_in_quarantine_stays_there(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a", "b.jpg": b"b"})
    quarantined(library, found)
    places = [there(journal.place_in(library, item.place)) for item in items(library)]
    places[0].write_bytes(b"z")
    places[1].unlink()
    assert restore(library).reasons == {
        "what lies in quarantine is not what was put there": 1,
        "is not in quarantine any more": 1,
    }
    assert not there(found[0]).exists()


def test_an_empty_root_of_old_is_filled_again_and_another_is_not(
    library: Library, root: Path
) -> None:
    filled(library, library.root / "labelled", {})
    (root).mkdir()
    found = filled(library, root, {"a.jpg": b"a"})
    quarantined(library, found)
    (root / "kept.jpg").unlink()
    shutil.move(root, library.root / "unmounted")
    root.mkdir()
    told = restore(library)
    assert list(told.reasons) == [f"{root} is empty: is its disk mounted?"]
    assert list(root.iterdir()) == []
    root.rmdir()
    shutil.move(library.root / "unmounted", root)
    assert restore(library).counts["restored"] == 1


def test_a_folder_that_became_a_link_is_not_followed(library: Library, root: Path) -> None:
    found = filled(library, root, {"in/a.jpg": b"a"})
    quarantined(library, found)
    outside = library.root / "outside"
    (root / "in").rename(outside)
    (root / "in").symlink_to(outside)
    assert restore(library).counts["kept"] == 1
    assert list(outside.iterdir()) == []
    assert whole(library)


def test_a_library_that_moved_with_its_quarantine_finds_it(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    quarantined(library, found)
    (item,) = items(library)
    assert item.place.startswith(b".curate/quarantine/")
