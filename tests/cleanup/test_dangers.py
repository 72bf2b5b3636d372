"""Ways in which a file could be lost that were found by looking for them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from curate.cleanup import batches, recovering
from curate.cleanup.applying import apply
from curate.cleanup.moving import handles
from curate.cleanup.purging import purge
from curate.cleanup.restoring import restore
from curate.core.errors import LibraryError
from curate.core.files import FileEntry
from curate.core.identity import image_id
from curate.store import files, schema
from curate.store.library import Library, opened
from curate.store.runs import running

from .moved import digests, filled, know, label, plan_of, quarantined
from .test_purging import DAY, Clock, clock, days

__all__ = ["clock"]


class Crash(BaseException):
    """The process dies here."""


def crash(*_: object) -> None:
    raise Crash


def photos(library: Library) -> Path:
    return library.root / "photos"


def row(library: Library, path: bytes) -> files.FileRow:
    with library.reading() as connection:
        return files.known_at(connection, [path])[path]


def gone(library: Library, path: bytes) -> None:
    os.unlink(path)
    with running(library, "scan", {}) as run, library.writing() as connection:
        files.mark_gone(connection, run.run_id, [path])


def removed_after_all(error: OSError) -> Callable[..., None]:
    """Unlink as a server over a bad line: the file goes, and the answer is an error."""
    real = os.unlink

    def unlink(name: bytes, *, dir_fd: int | None = None) -> None:
        real(name, dir_fd=dir_fd)
        if name == b"a.jpg":
            raise error

    return unlink


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "gone"), OSError(errno.ETIMEDOUT, "timed out")]
)
@pytest.mark.parametrize("disks", [1, 2])
def test_an_error_of_unlink_is_no_proof_that_the_file_stayed(
    library: Library, monkeypatch: pytest.MonkeyPatch, error: OSError, disks: int
) -> None:
    found = filled(library, photos(library), {"a.jpg": b"the only copy"})
    before = digests(library.root)
    rename = handles._rename

    def refused(name: bytes, at: int, new: bytes, into: int) -> int:
        # File systems without the flag, or another disk.
        number = errno.EINVAL if disks == 1 else errno.EXDEV
        return number if name == b"a.jpg" else rename(name, at, new, into)

    monkeypatch.setattr(handles, "_rename", refused)
    monkeypatch.setattr(os, "unlink", removed_after_all(error))
    quarantined(library, found)
    assert digests(library.root) == before


def test_a_second_quarantine_that_is_not_mounted_is_not_made_anew(
    library: Library, tmp_path: Path
) -> None:
    found = filled(library, photos(library), {f"{n}.jpg": b"%d" % n for n in range(6)})
    quarantined(library, found[:1])
    disk = tmp_path / "disk"
    disk.mkdir()
    (library.root / "curate.toml").write_text(f'[cleanup]\nquarantine = "{disk}/q"\n')
    quarantined(library, found[1:3])
    disk.rename(tmp_path / "unplugged")
    disk.mkdir()
    with pytest.raises(LibraryError):
        quarantined(library, found[3:4])
    assert not any(disk.iterdir())


def test_what_comes_back_is_known_as_what_it_is(library: Library) -> None:
    (path,) = filled(library, photos(library), {"a.jpg": b"first"})
    quarantined(library, [path])
    Path(os.fsdecode(path)).write_bytes(b"other")
    know(library, photos(library), [path])
    label(library, b"other", "tiger")
    gone(library, path)
    restore(library)
    assert row(library, path).image_id == image_id(b"first")


def test_what_its_owner_changed_after_a_crash_is_not_taken_for_the_old_image(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = filled(library, photos(library), {"a.jpg": b"first"})
    quarantined(library, [path])
    with monkeypatch.context() as patch:
        patch.setattr(recovering, "write", crash)
        with pytest.raises(Crash):
            restore(library)
    Path(os.fsdecode(path)).write_bytes(b"edited by its owner")
    restore(library)
    # The next scan reads it.
    assert not row(library, path).was_read(FileEntry.of(path, os.lstat(path)))


def test_a_jump_of_the_clock_is_not_enough_for_a_short_grace(
    library: Library, clock: Clock
) -> None:
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 0.5\n")
    made = filled(library, photos(library), {f"{n}.jpg": b"%d" % n for n in range(23)})
    quarantined(library, made[:3])
    clock.now += 3650 * DAY
    for _ in range(2):
        clock.now += timedelta(minutes=1)
        with running(library, "scan", {}):
            pass
    told = purge(library, grace=7 * DAY, really=True).told
    assert told is not None
    assert told.counts["purged"] == 0


def test_two_libraries_with_one_quarantine_leave_each_other_s_files(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'[cleanup]\nquarantine = "{tmp_path}/q"\nmax_share = 1.0\n'
    (library.root / "curate.toml").write_text(text)
    quarantined(library, filled(library, photos(library), {"1.jpg": b"of library one"}))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "curate.toml").write_text(text)
    with opened(tmp_path / "two", make=True) as two:
        found = filled(two, tmp_path / "two" / "photos", {"1.jpg": b"of library two"})
        with monkeypatch.context() as patch:
            patch.setattr(batches, "take", crash)
            with pytest.raises(Crash):
                quarantined(two, found)
        quarantined(two, found)
    contents = {path.read_bytes() for path in tmp_path.rglob("1.jpg")}
    contents |= {path.read_bytes() for path in tmp_path.rglob("*-1.jpg")}
    assert {b"of library one", b"of library two"} <= contents


def test_only_what_somebody_agreed_to_is_deleted(library: Library, clock: Clock) -> None:
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 0.9\n")
    made = filled(library, photos(library), {f"{n}.jpg": b"%d" % n for n in range(23)})
    quarantined(library, made[:3])
    days(library, clock, 1)
    quarantined(library, made[3:10])
    days(library, clock, 29)
    agreed = purge(library)
    assert agreed.files == 3
    # The question waits over night.
    days(library, clock, 2)
    assert purge(library).files == 10
    told = purge(library, really=True, only=agreed.items).told
    assert told is not None
    assert told.counts["purged"] == 3


def test_a_near_duplicate_stays_when_its_keeper_is_there_no_more(
    library: Library, clock: Clock
) -> None:
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 0.9\n")
    kept, copy, other, *_ = filled(
        library, photos(library), {f"{n}.jpg": b"%d" % n for n in range(9)}
    )
    keeper, near, late = (image_id(b"%d" % n) for n in range(3))
    with running(library, "duplicates", {}) as run, library.writing() as connection:
        same = {"group": keeper, "tie": keeper, "keeper": keeper, "similarity": 0.99, "reason": ""}
        rows = [{"image_id": one, **same, "run_id": run.run_id} for one in (keeper, near, late)]
        connection.execute(sa.insert(schema.duplicates), rows)
    quarantined(library, [copy])
    gone(library, kept)
    told = apply(library, plan_of([other], "near-duplicate"))
    assert told.counts["moved"] == 0
    days(library, clock, 31)
    purged = purge(library, really=True).told
    assert purged is not None
    assert purged.counts["purged"] == 0
