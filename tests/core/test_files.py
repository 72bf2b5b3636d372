"""The walk meets every regular file once and follows nothing; a file is written whole or not."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from curate.core import files
from curate.core.errors import InputError
from curate.core.files import FileEntry, NotReadable, Walked, read, write_whole
from curate.core.listing import listed, walk

from ..access import without_privileges


def names_under(root: Path, passed: Walked | None = None) -> list[bytes]:
    found = walk(os.fsencode(root), passed or Walked(), frozenset({b".curate"}))
    return [entry.path[len(os.fsencode(root)) + 1 :] for entry in found]


def test_files_are_met_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/z.jpg", "a/b/c.jpg", "B.jpg", "é.jpg", "a.jpg", "c/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    met = [name.decode() for name in names_under(tmp_path)]
    assert met == ["B.jpg", "a.jpg", "a/b/c.jpg", "a/z.jpg", "b.jpg", "c/1.jpg", "é.jpg"]


def test_an_entry_tells_whether_the_file_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"four")
    status = path.stat()
    assert list(walk(os.fsencode(tmp_path), Walked())) == [
        FileEntry(os.fsencode(path), 4, status.st_mtime_ns, status.st_ino)
    ]


def test_a_root_that_is_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert [entry.path for entry in walk(os.fsencode(tmp_path / "a.jpg"), Walked())] == [
        os.fsencode(tmp_path / "a.jpg")
    ]


def test_links_are_counted_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    for folder in (outside, root):
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"x")
    (root / "loop").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "out").symlink_to(outside)
    (root / "photo.jpg").symlink_to(outside / "a.jpg")
    (root / "dangling.jpg").symlink_to("nowhere")
    passed = Walked()
    assert names_under(root, passed) == [b"a.jpg"]
    assert passed.links == 5


def test_pipes_sockets_and_devices_are_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        passed = Walked()
        assert names_under(tmp_path, passed) == []
    assert passed.special == 2
    assert passed.failed == []


@pytest.mark.parametrize(
    "name",
    [
        b"\xff\xfe.jpg",
        b"new\nline.jpg",
        b"n" * 255,
        "語".encode() * 85,
        b"-rf.jpg",
        b" ",
        b"a\\x41.jpg",
        b"*?[a].jpg",
    ],
)
def test_any_name_is_met_and_read(tmp_path: Path, name: bytes) -> None:
    folder = os.fsencode(tmp_path)
    for place in (folder + b"/" + name, folder + b"/dir/" + name):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(b"content")
    assert names_under(tmp_path) == sorted([name, b"dir/" + name])
    assert read(folder + b"/" + name) == b"content"


def test_twins_that_look_the_same_are_two_files(tmp_path: Path) -> None:
    for name in ("é.jpg", "e\u0301.jpg", "É.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert len(names_under(tmp_path)) == 3


def test_hard_links_are_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    for name in ("b.jpg", "c.jpg"):
        (tmp_path / name).hardlink_to(tmp_path / "a.jpg")
    assert names_under(tmp_path) == [b"a.jpg", b"b.jpg", b"c.jpg"]


def test_the_folder_of_the_library_is_not_entered(tmp_path: Path) -> None:
    for name in (".curate/library.db", "sub/.curate/x.jpg", "sub/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names_under(tmp_path) == [b"sub/a.jpg"]


def test_a_folder_deeper_than_a_path_may_be_is_reported_and_the_walk_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "z.jpg").write_bytes(b"x")
    start = os.getcwd()
    try:
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
        Path("deep.jpg").write_bytes(b"x")
    finally:
        os.chdir(start)
    passed = Walked()
    assert names_under(tmp_path, passed) == [b"z.jpg"]
    assert [reason for _, reason in passed.failed] == ["file name too long"]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    # pytest's own folders are closed to everybody but the user who runs it.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_cannot_be_listed_is_reported(open_to_all: Path) -> None:
    for name in ("closed/a.jpg", "open/b.jpg"):
        (open_to_all / name).parent.mkdir()
        (open_to_all / name).write_bytes(b"x")
    (open_to_all / "closed").chmod(0)
    passed = Walked()
    with without_privileges():
        found = names_under(open_to_all, passed)
    (open_to_all / "closed").chmod(0o755)
    assert found == [b"open/b.jpg"]
    assert passed.failed == [(os.fsencode(open_to_all / "closed"), "permission denied")]


def test_a_folder_that_lists_names_but_nothing_more_is_reported(open_to_all: Path) -> None:
    (open_to_all / "names").mkdir()
    (open_to_all / "names/a.jpg").write_bytes(b"x")
    (open_to_all / "b.jpg").write_bytes(b"x")
    (open_to_all / "names").chmod(0o444)
    passed = Walked()
    with without_privileges():
        found = names_under(open_to_all, passed)
    (open_to_all / "names").chmod(0o755)
    assert found == [b"b.jpg"]
    assert passed.failed == [(os.fsencode(open_to_all / "names/a.jpg"), "permission denied")]


def test_a_file_that_vanishes_during_the_walk_was_never_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x")
    found = walk(os.fsencode(tmp_path), Walked())
    assert next(found).path.endswith(b"/a")
    (tmp_path / "b").unlink()
    assert [entry.path[-1:] for entry in found] == [b"c"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.mkdir(), "not a regular file"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to("/etc/passwd"), "too many levels of symbolic links"),
    ],
    ids=["missing", "folder", "pipe", "link"],
)
@pytest.mark.timeout(10)
def test_only_regular_files_are_read(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "a.jpg"
    assert callable(make)
    make(path)
    with pytest.raises(NotReadable, match=said):
        read(os.fsencode(path))


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with pytest.raises(NotReadable, match="536,870,913 bytes, over the limit of 536,870,912"):
        read(os.fsencode(tmp_path / "a.jpg"))


def test_listed_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photos: no such file or directory"):
        listed("photos", Walked())


def test_listed_refuses_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"there is no file in it\. .* is its disk mounted"):
        listed(tmp_path / "photos", Walked())


@pytest.mark.timeout(10)
def test_listed_refuses_a_pipe(tmp_path: Path) -> None:
    os.mkfifo("pipe")
    with pytest.raises(InputError, match="is neither a folder nor a file"):
        listed("pipe", Walked())


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    write_whole(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def fail_halfway(file: IO[bytes]) -> None:
    file.write(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail_halfway)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_sync_is_an_error_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_synced_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append(f"sync {'folder' if os.path.isdir(f'/proc/self/fd/{handle}') else 'file'}")
        sync(handle)

    def renamed(source: Path, target: Path) -> Path:
        done.append("rename")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_whole(tmp_path / "out", lambda file: file.write(b"new"))
    assert done == ["sync file", "rename", "sync folder"]


def test_a_killed_writer_leaves_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from curate.core.files import *\n"
        "def die(file):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_whole(Path(sys.argv[1]), die)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert told.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
