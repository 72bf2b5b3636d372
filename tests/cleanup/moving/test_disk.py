"""Disks: without the newest rename, over two disks, on a full or failing one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.cleanup import batches
from curate.cleanup.applying import apply
from curate.cleanup.moving import copying, handles
from curate.cleanup.restoring import restore
from curate.core.errors import LibraryError
from curate.store import journal
from curate.store.library import Library
from tests.access import without_privileges
from tests.cleanup.moved import digests, filled, items, plan_of, quarantined, settled, whole

NAMED: dict[str | bytes, bytes] = {
    "a.jpg": b"a" * 2_500_000,
    b"b\xff.jpg": b"b",
    "in/c.jpg": b"",
    "d.jpg": b"d",
}


@pytest.fixture
def other_disk(library: Library) -> Iterator[Path]:
    """Keep the quarantine on another disk."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm")) if Path("/dev/shm").is_dir() else None
    if folder is None or folder.stat().st_dev == library.root.stat().st_dev:
        pytest.skip("there is no second disk here")
    (library.root / "curate.toml").write_text(
        f'[cleanup]\nquarantine = "{folder}/q"\nmax_share = 1.0\n'
    )
    yield folder
    shutil.rmtree(folder)


def test_over_two_disks_files_are_copied_whole(library: Library, other_disk: Path) -> None:
    found = filled(library, library.root / "photos", NAMED)
    os.utime(found[0], ns=(1, 2))
    os.chmod(found[0], 0o640)
    seen, before = os.lstat(found[0]), digests(library.root)
    assert quarantined(library, found).counts["moved"] == 4
    assert digests(library.root, other_disk) == before
    assert not any(os.path.exists(path) for path in found)
    place = journal.place_in(library, items(library)[0].place)
    assert place.startswith(os.fsencode(other_disk))
    copy = os.lstat(place)
    assert (copy.st_mode, copy.st_mtime_ns) == (seen.st_mode, seen.st_mtime_ns)
    assert whole(library)
    assert restore(library).counts["restored"] == 4
    assert digests(library.root, other_disk) == before
    assert os.lstat(found[0]).st_mtime_ns == 2
    assert whole(library)


def test_a_copy_that_is_not_what_was_read_is_thrown_away(
    library: Library, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = filled(library, library.root / "photos", {"a.jpg": b"abcd"})
    monkeypatch.setattr(copying, "_write", lambda source, handle: os.write(handle, b"abcx"))
    told = quarantined(library, found)
    assert list(told.reasons) == ["the copy is not what was read: the disk lost something"]
    assert told.counts["failed"] == 1
    assert [p.name for p in other_disk.rglob("*") if p.is_file() and "HERE" not in p.name] == [
        "README.txt"
    ]
    assert os.path.exists(found[0])


def test_a_file_that_is_written_to_while_it_is_copied_stays(
    library: Library, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = filled(library, library.root / "photos", {"a.jpg": b"abcd"})
    real = copying._dress

    def late(source: int, handle: int) -> None:
        real(source, handle)
        Path(os.fsdecode(path)).write_bytes(b"wxyz!")

    monkeypatch.setattr(copying, "_dress", late)
    told = quarantined(library, [path])
    assert list(told.reasons) == ["changed since the plan: it was written to while it was copied"]
    assert Path(os.fsdecode(path)).read_bytes() == b"wxyz!"
    assert whole(library)


def test_restore_over_two_disks_overwrites_nothing(library: Library, other_disk: Path) -> None:
    (path,) = filled(library, library.root / "photos", {"a.jpg": b"abcd"})
    quarantined(library, [path])
    Path(os.fsdecode(path)).write_bytes(b"new")
    assert restore(library).reasons == {"another file lies at its old path": 1}
    assert Path(os.fsdecode(path)).read_bytes() == b"new"
    assert len(os.listdir(os.path.dirname(path))) == 2


@pytest.mark.parametrize("missing", ["the call", "the flag"])
def test_without_the_newest_rename_files_are_linked(
    library: Library, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing == "the call":
        monkeypatch.setattr(handles, "_renameat2", None)
    else:
        monkeypatch.setattr(handles, "_rename", lambda *places: errno.EINVAL)
    found = filled(library, library.root / "photos", NAMED)
    before = digests(library.root)
    assert quarantined(library, found).counts["moved"] == 4
    assert digests(library.root) == before
    Path(os.fsdecode(found[0])).write_bytes(b"new")
    told = restore(library)
    assert told.reasons == {"another file lies at its old path": 1}
    assert Path(os.fsdecode(found[0])).read_bytes() == b"new"
    assert whole(library)


@pytest.mark.parametrize("kind", ["link", "copy"])
def test_what_cannot_be_removed_stays_in_one_place(
    library: Library, other_disk: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "link":
        (library.root / "curate.toml").unlink()
        monkeypatch.setattr(handles, "_renameat2", None)
    found = filled(library, library.root / "photos", {"a.jpg": b"abcd", "b.jpg": b"b"})
    before, real = digests(library.root, other_disk), os.unlink

    def failing(path: bytes, *, dir_fd: int | None = None) -> None:
        if path == b"a.jpg":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        told = quarantined(library, found)
    assert told.reasons == {"operation not permitted": 1}
    assert digests(library.root, other_disk) == before
    assert whole(library)


def test_one_file_that_may_not_be_read_is_reported_and_the_others_go(library: Library) -> None:
    os.chmod(library.root, 0o755)
    found = filled(library, library.root / "photos", {f"{n}.jpg": b"%d" % n for n in range(10)})
    plan = plan_of(found)
    for folder in (library.root, *library.root.rglob("*")):
        os.chown(folder, 65534, 65534)
    os.chown(found[3], 0, 0)
    os.chmod(found[3], 0o600)
    if os.geteuid():
        pytest.skip("only root can give files away")
    parents = [p for p in library.root.parents if not os.stat(p).st_mode & 0o001]
    for folder in parents:
        os.chmod(folder, os.stat(folder).st_mode | 0o011)
    with without_privileges():
        told = apply(library, plan)
    assert (told.counts["moved"], told.counts["failed"]) == (9, 1)
    assert told.reasons == {"permission denied": 1}
    assert os.path.exists(found[3])


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("full_of", ["bytes", "names"])
def test_a_full_disk_is_one_error_and_the_rest_goes_later(
    library: Library, small: Path, monkeypatch: pytest.MonkeyPatch, full_of: str
) -> None:
    monkeypatch.setattr(batches, "SIZE", 2)
    (library.root / "curate.toml").write_text(f'[cleanup]\nquarantine = "{small}/q"\n')
    size = 1_500_000 if full_of == "bytes" else 1000
    found = filled(
        library, library.root / "photos", {f"{n}.jpg": b"%d" % n * size for n in range(8)}
    )
    if full_of == "names":
        for number in range(188):
            (small / f"{number}").touch()
    before, plan = digests(library.root / "photos"), plan_of(found)
    with pytest.raises(LibraryError, match="no space left on device"):
        apply(library, plan)
    assert digests(library.root / "photos", small / "q") == before
    for filling in small.glob("[0-9]*"):
        filling.unlink()
    if full_of == "bytes":
        subprocess.run(["mount", "-o", "remount,size=32m", str(small)], check=True)
    apply(library, plan)
    assert len(items(library, journal.QUARANTINED)) == 8
    assert digests(library.root / "photos", small / "q") == before
    assert whole(library)
    assert settled(library)


def test_a_sync_that_fails_acknowledges_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = filled(library, library.root / "photos", {"a.jpg": b"a", "b.jpg": b"b"})
    before, plan, real = digests(library.root), plan_of(found), os.fsync

    def failing(handle: int) -> None:
        if b"photos" in os.readlink(b"/proc/self/fd/%d" % handle):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(LibraryError, match="input/output error"):
            apply(library, plan)
    assert {item.state for item in items(library)} == {journal.OPEN}
    assert digests(library.root) == before
    apply(library, plan)
    assert whole(library)
    assert {item.state for item in items(library)} == {journal.QUARANTINED}
