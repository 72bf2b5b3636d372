"""Apply does exactly its plan, and nothing to a file that is not what the plan saw."""

from __future__ import annotations

import os
import socket
import stat
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.cleanup import applying, batches
from curate.cleanup.applying import apply
from curate.cleanup.moving import handles
from curate.cleanup.restoring import restore
from curate.core import paths
from curate.core.errors import LibraryError, LockedError, PolicyError
from curate.store import files, journal
from curate.store.dialect import insert_or_replace
from curate.store.library import Library, opened
from curate.store.runs import running
from curate.store.schema import roots

from .moved import digests, filled, items, know, label, plan_of, put, quarantined, settled, whole


@pytest.fixture
def root(library: Library) -> Path:
    return library.root / "photos"


def moved(library: Library) -> set[bytes]:
    return {item.path for item in items(library, journal.QUARANTINED)}


def there(path: bytes) -> Path:
    return Path(os.fsdecode(path))


def test_the_files_of_the_plan_go_and_no_others(library: Library, root: Path) -> None:
    found = filled(library, root, {f"{n % 2}/{n}.jpg": b"%d" % n for n in range(6)})
    before = digests(library.root)
    told = quarantined(library, found[:4])
    assert (told.counts["moved"], told.counts["bytes"]) == (4, 4)
    assert moved(library) == set(found[:4])
    assert [there(path).exists() for path in found] == [False] * 4 + [True] * 2
    assert digests(library.root) == before
    with library.reading() as connection:
        known = files.known(connection, [os.fsencode(root)])
    assert [known[path].status for path in found] == ["gone"] * 4 + ["ok"] * 2
    assert known[found[0]].reason == f"in quarantine (run {told.run_id})"
    assert whole(library)


def test_the_same_plan_again_does_nothing(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a", "b.jpg": b"b"})
    plan = plan_of(found)
    apply(library, plan)
    again = apply(library, plan)
    assert (again.counts["done"], again.counts["moved"]) == (2, 0)
    restore(library)
    back = apply(library, plan)
    assert back.reasons == {applying.BACK: 2}
    assert all(there(path).exists() for path in found)


def test_people_find_what_lies_where_without_the_database(library: Library, root: Path) -> None:
    (path,) = filled(library, root, {b"a b\xff.jpg": b"a"})
    told = quarantined(library, [path])
    run = library.folder / f"quarantine/run-{told.run_id:06}"
    lines = (run / "WHAT-LIES-HERE.txt").read_text().splitlines()
    place, old, _ = next(line for line in lines if not line.startswith("#")).split("\t")
    assert paths.from_text(old) == path
    assert (run / place).read_bytes() == b"a"
    assert f"curate cleanup restore --run {told.run_id}" in "\n".join(lines)
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    restore(library)
    assert not run.exists()


NAMES: list[bytes] = [
    b"bad \xff\xfe utf-8.jpg",
    b"new\nline.jpg",
    b"-rf.jpg",
    b"x" * 251 + b".jpg",
    ("é" * 125 + ".jpg").encode(),
    unicodedata.normalize("NFC", "Zoë.jpg").encode(),
    unicodedata.normalize("NFD", "Zoë.jpg").encode(),
    b"Twin.JPG",
    b"twin.jpg",
    b"tab\tback\\slash.jpg",
    b"no suffix",
    b".hidden",
    b"a.tar-b.jpg",
    "日本語 😀.jpg".encode(),
]


def test_names_of_all_kinds_go_and_come_back_byte_for_byte(library: Library, root: Path) -> None:
    found = filled(library, root, {name: b"content %d" % n for n, name in enumerate(NAMES)})
    before = {path: there(path).read_bytes() for path in found}
    assert quarantined(library, found).counts["moved"] == len(NAMES)
    places = [os.path.basename(item.place) for item in items(library)]
    # Where names are compared without regard to case or form, they are still apart.
    folded = {unicodedata.normalize("NFKC", place.decode()).casefold() for place in places}
    assert len(folded) == len(NAMES)
    assert all(len(place) <= 255 and place.decode().isprintable() for place in places)
    assert any(place.endswith("日本語 😀.jpg".encode()) for place in places)
    assert restore(library).counts["restored"] == len(NAMES)
    assert {path: there(path).read_bytes() for path in found} == before


def rewritten(path: Path) -> None:
    seen = path.stat()
    path.write_bytes(b"z" * seen.st_size)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def as_link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_socket(path: Path) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[Callable[[Path], object], str] = {
    rewritten: "another content",
    Path.unlink: "not there any more",
    as_link: "no regular file",
    as_pipe: "no regular file",
    as_socket: "no regular file",
    as_folder: "no regular file",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changed_since_the_plan_stays(
    library: Library, root: Path, change: Callable[[Path], object]
) -> None:
    found = filled(library, root, {"a.jpg": b"aaaa", "b.jpg": b"bbbb"})
    plan = plan_of(found)
    change(there(found[0]))
    told = apply(library, plan)
    assert moved(library) == {found[1]}
    (reason,) = told.reasons
    assert reason.startswith("changed since the plan")
    assert CHANGES[change] in reason
    assert whole(library)


def test_a_parent_that_became_a_link_is_not_followed(library: Library, root: Path) -> None:
    found = filled(library, root, {"in/a.jpg": b"a", "b.jpg": b"b"})
    plan = plan_of(found)
    outside = library.root / "outside"
    (root / "in").rename(outside)
    (root / "in").symlink_to(outside)
    told = apply(library, plan)
    assert moved(library) == {found[1]}
    assert list(told.reasons) == [
        "changed since the plan: a folder of its path is something else now"
    ]
    assert (outside / "a.jpg").read_bytes() == b"a"


def test_a_parent_that_is_swapped_while_the_file_is_read_is_noticed(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = filled(library, root, {"in/a.jpg": b"a"})
    outside, real = library.root / "outside", handles.image_of

    def swapping(handle: int) -> str:
        if not outside.exists():
            (root / "in").rename(outside)
            (root / "in").mkdir()
            (root / "in/a.jpg").write_bytes(b"a")
        return real(handle)

    plan = plan_of([path])
    monkeypatch.setattr(handles, "image_of", swapping)
    told = apply(library, plan)
    assert list(told.reasons) == ["changed since the plan: its folder is another one now"]
    assert (outside / "a.jpg").exists()


def test_a_file_that_is_written_to_during_the_move_is_put_back(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = filled(library, root, {"a.jpg": b"a"})
    real = handles.move

    def late(name: bytes, at: int, new: bytes, into: int) -> None:
        if new != b"a.jpg":
            there(path).write_bytes(b"written at the last moment")
        real(name, at, new, into)

    plan = plan_of([path])
    monkeypatch.setattr(handles, "move", late)
    told = apply(library, plan)
    assert list(told.reasons) == ["changed since the plan: it was written to during the move"]
    assert there(path).read_bytes() == b"written at the last moment"
    assert whole(library)


def test_hard_links_go_together_or_not_at_all(library: Library, root: Path) -> None:
    one, other, alone = put(root, {"a.jpg": b"linked", "b.jpg": b"x", "c.jpg": b"c"})
    third = os.fsencode(root / "d.jpg")
    os.unlink(other)
    os.link(one, other)
    os.link(one, third)
    know(library, root, [one, other, third, alone])
    filled(library, root, {})
    told = quarantined(library, [one, other, alone])
    assert moved(library) == {alone}
    assert list(told.reasons) == ["has other names: hard links that the plan does not move as well"]
    assert quarantined(library, [one, other, third]).counts["moved"] == 3
    places = [journal.place_in(library, i.place) for i in items(library) if i.path != alone]
    held = [os.lstat(place) for place in places if os.path.exists(place)]
    assert len({status.st_ino for status in held}) == 1
    assert held[0].st_nlink == 3
    restore(library)
    assert os.lstat(third).st_nlink == 3


def test_a_name_outside_of_the_library_keeps_all_names(library: Library, root: Path) -> None:
    (path,) = put(root, {"a.jpg": b"linked"})
    os.link(path, library.root / "kept elsewhere.jpg")
    know(library, root, [path])
    filled(library, root, {})
    assert quarantined(library, [path]).counts["moved"] == 0
    assert there(path).exists()


def test_links_of_which_some_went_before_are_finished(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = put(root, {"a.jpg": b"linked", "b.jpg": b"x"})
    os.unlink(other)
    os.link(one, other)
    know(library, root, [one, other])
    filled(library, root, {})
    plan = plan_of([one, other])
    monkeypatch.setattr(batches, "SIZE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(applying, "_in_order", lambda table, planned: list(real(table, planned))[:1])
        assert apply(library, plan).counts["moved"] == 1
    assert apply(library, plan).counts["moved"] == 1
    assert whole(library)


real = applying._in_order


def test_who_is_wanted_by_now_stays(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a", "b.jpg": b"b"})
    plan = plan_of(found)
    label(library, b"a", "zebra")
    told = apply(library, plan)
    assert moved(library) == {found[1]}
    assert list(told.reasons) == ["labelled zebra"]


def test_what_lies_outside_of_the_roots_stays(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    (outside,) = put(library.root / "other", {"b.jpg": b"b"})
    assert quarantined(library, [*found, outside]).counts["moved"] == 1
    assert there(outside).exists()


def test_a_file_that_the_library_does_not_know_stays(library: Library, root: Path) -> None:
    filled(library, root, {})
    (new,) = put(root, {"new.jpg": b"new"})
    told = quarantined(library, [new])
    assert list(told.reasons) == ["the library does not know this file"]


@pytest.mark.parametrize("how", ["missing", "empty", "a link"])
def test_a_root_that_is_not_mounted_refuses_everything(
    library: Library, root: Path, how: str
) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    other = library.root / "other"
    found += filled(library, other, {"b.jpg": b"b"})
    plan = plan_of(found)
    root.rename(library.root / "unmounted")
    if how == "empty":
        root.mkdir()
    elif how == "a link":
        root.symlink_to(library.root / "unmounted")
    with pytest.raises(LibraryError, match="nothing is moved"):
        apply(library, plan)
    assert items(library) == []
    assert there(found[1]).exists()


def test_no_label_refuses_everything(library: Library, root: Path) -> None:
    found = put(root, {"a.jpg": b"a"})
    know(library, root, found)
    with pytest.raises(PolicyError, match="no image has a label"):
        quarantined(library, found)
    assert items(library) == []


def test_a_quarantine_among_the_photos_is_refused(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    (library.root / "curate.toml").write_text('[cleanup]\nquarantine = "photos/trash"\n')
    with pytest.raises(LibraryError, match="cannot lie in a folder of images"):
        quarantined(library, found)
    (library.root / "curate.toml").write_text('[cleanup]\nquarantine = "photos/.curate/trash"\n')
    assert quarantined(library, found).counts["moved"] == 1


def test_a_quarantine_that_is_not_mounted_is_noticed(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a", "b.jpg": b"b"})
    quarantined(library, found[:1])
    place = library.folder / "quarantine"
    place.rename(library.folder / "unmounted")
    place.mkdir()
    with pytest.raises(LibraryError, match="it is not there"):
        quarantined(library, found[1:])
    told = restore(library)
    assert list(told.reasons) == [f"its quarantine {place} is not there"]
    assert not any(place.iterdir())


def test_two_cleanups_at_once(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    plan = plan_of(found)
    with opened(library.root) as other, other.locked("cleanup"):
        with pytest.raises(LockedError, match="is already running"):
            apply(library, plan)
        with pytest.raises(LockedError, match="is already running"):
            restore(library)
    assert apply(library, plan).counts["moved"] == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_nothing_open(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    found = filled(library, root, {f"{n}.jpg": b"%d" % n for n in range(6)})
    plan, left, real = plan_of(found), [1, 1, 1], handles.image_of

    def stopping(handle: int) -> str:
        if not left:
            raise stop
        left.pop()
        return real(handle)

    monkeypatch.setattr(batches, "SIZE", 4)
    with monkeypatch.context() as patch:
        patch.setattr(handles, "image_of", stopping)
        with pytest.raises(stop):
            apply(library, plan)
    assert len(moved(library)) == 3
    assert whole(library)
    assert apply(library, plan).counts["moved"] == 3
    assert settled(library)


def test_a_plan_whose_files_are_all_gone_says_so(library: Library, root: Path) -> None:
    found = filled(library, root, {"a.jpg": b"a"})
    plan = plan_of(found)
    know(library, root, put(root, {"a.jpg": b"b"}))
    told = apply(library, plan)
    (row,) = told.exceptions.to_dict("records")
    assert (
        row["reason"] == "changed since the plan: the library knows another content of it, or none"
    )
    assert row["path"] == paths.to_text(found[0])


def test_files_that_cannot_be_moved_stay(library: Library, root: Path) -> None:
    filled(library, root, {})
    plan = plan_of([os.fsencode(root / "kept.jpg")] * 2)
    plan.table["path"] = ["http://example.org/p/a.jpg", f"{root}/x.tar//a.jpg"]
    with running(library, "scan", {}) as run, library.writing() as connection:
        at = {"path": b"http://example.org/p", "labels": "", "origin": "", "run_id": run.run_id}
        insert_or_replace(connection, roots, [at])
    assert apply(library, plan).reasons == {
        "it is a member of an archive": 1,
        "files at http:// cannot be moved": 1,
    }
