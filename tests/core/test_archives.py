"""Members of archives are read in place; hostile archives give reasons, and no more."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core import archives, files
from curate.core.files import FileEntry, NotReadable, Walked


def tar(path: str, members: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return os.path.abspath(os.fsencode(path))


def zipped(path: str, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content, method)
    return os.path.abspath(os.fsencode(path))


def names_in(archive: bytes, passed: Walked | None = None) -> list[bytes]:
    found = archives.entries(archive, passed or Walked())
    return [entry.path[len(archive) + 2 :] for entry in found]


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    "name", ["a.jpg", "/abs.jpg", "../../up.jpg", "a//b.jpg", "é\\\n.jpg", "-"]
)
def test_any_name_is_listed_and_read(make: Callable[..., bytes], name: str) -> None:
    archive = make("x.tar" if make is tar else "x.zip", {name: b"abc", "other": b"d"})
    assert sorted(names_in(archive)) == sorted([name.encode(), b"other"])
    assert files.read(archive + b"//" + name.encode()) == b"abc"
    assert not Path("abs.jpg").exists()


@settings(max_examples=40)
@given(st.dictionaries(st.binary(min_size=1, max_size=6).map(bytes.hex), st.binary(max_size=3000)))
def test_a_zip_gives_back_what_was_put_in(members: dict[str, bytes]) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = zipped("law.zip", members, method)
        found = {
            e.path.rpartition(b"//")[2].decode(): e for e in archives.entries(archive, Walked())
        }
        assert found.keys() == members.keys()
        for name, content in members.items():
            assert files.read(found[name].path) == content
            assert found[name].bytes == len(content)


def test_an_entry_tells_whether_the_archive_changed() -> None:
    archive = tar("x.tar", {"a.jpg": b"abc", "b.jpg": b"d"})
    os.utime(archive, ns=(5, 7))
    path = archive + b"//b.jpg"
    assert list(archives.entries(archive, Walked()))[1] == FileEntry(path, 1, 7, 1024)
    assert archives.entry(path) == FileEntry(path, 1, 7, 1024)


def test_a_changed_archive_is_indexed_again() -> None:
    archive = tar("x.tar", {"a.jpg": b"abc"})
    assert files.read(archive + b"//a.jpg") == b"abc"
    tar("x.tar", {"z.jpg": b"q" * 600, "a.jpg": b"other"})
    assert files.read(archive + b"//a.jpg") == b"other"
    os.unlink(archive)
    with pytest.raises(NotReadable, match="no such file"):
        files.read(archive + b"//a.jpg")


def test_few_archives_stay_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(12):
        archive = tar(f"{number}.tar", {"a.jpg": b"%d" % number})
        assert files.read(archive + b"//a.jpg") == b"%d" % number
        assert files.read(zipped(f"{number}.zip", {"a.jpg": b"x"}) + b"//a.jpg") == b"x"
    assert len(os.listdir("/proc/self/fd")) - before <= archives.HELD
    held = [held.source for held in archives._held.values()]
    assert not any(os.get_inheritable(source.handle) for source in held)  # type: ignore[attr-defined]  # all are files


def test_the_parts_of_a_sample_beside_its_image_are_counted() -> None:
    with webdataset.TarWriter("x.tar") as writer:
        writer.write({"__key__": "a/0001", "jpg": b"x", "cls": 3, "json": {"a": 1}})
        writer.write({"__key__": "a/0002", "seg.png": b"x", "left.JPG": b"y", "txt": "z"})
        writer.write({"__key__": "a/0003", "npy": b"x"})
    passed = Walked()
    found = names_in(os.path.abspath(b"x.tar"), passed)
    assert found == [b"a/0001.jpg", b"a/0002.left.JPG", b"a/0002.seg.png", b"a/0003.npy"]
    assert passed.sidecars == 3


def test_a_name_that_is_there_twice_is_said_once_and_the_last_counts() -> None:
    with tarfile.open("x.tar", "w") as made:
        for content in (b"old", b"newer"):
            info = tarfile.TarInfo("a.jpg")
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    archive, passed = os.path.abspath(b"x.tar"), Walked()
    assert names_in(archive, passed) == [b"a.jpg"]
    assert files.read(archive + b"//a.jpg") == b"newer"
    assert passed.notes == [(archive, "a name is there more than once; the last of each counts")]


def test_links_in_a_zip_are_counted_and_not_followed() -> None:
    link, pipe = zipfile.ZipInfo("link.jpg"), zipfile.ZipInfo("pipe.jpg")
    link.external_attr, pipe.external_attr = 0o120777 << 16, 0o010644 << 16
    with zipfile.ZipFile("x.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
        made.writestr(pipe, "")
        made.mkdir("folder")
    passed = Walked()
    assert names_in(os.path.abspath(b"x.zip"), passed) == []
    assert (passed.links, passed.special) == (1, 1)


def patched(path: bytes, *changes: tuple[bytes, int, bytes]) -> bytes:
    """Write behind a signature, at an offset, wherever it stands in a file."""
    data = bytearray(Path(os.fsdecode(path)).read_bytes())
    for sign, at, new in changes:
        start = data.index(sign) + at
        data[start : start + len(new)] = new
    Path(os.fsdecode(path)).write_bytes(data)
    return path


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([(CENTRAL, 8, b"\x01\x00")], "is encrypted"),
        ([(CENTRAL, 10, b"\x0c\x00")], "zip method 12: only stored and deflated"),
        ([(CENTRAL, 16, b"\x00\x00\x00\x00")], "the member is not what its directory says"),
        ([(CENTRAL, 24, struct.pack("<I", 3))], "the member is not what its directory says"),
        ([(CENTRAL, 24, struct.pack("<I", 1 << 30))], "1,073,741,824 bytes, over the limit"),
        ([(LOCAL, 0, b"nope")], "no member where its directory says"),
        ([(LOCAL, 40, b"\xff" * 8)], "broken zip"),
    ],
)
def test_hostile_members_of_a_zip_give_reasons(
    changes: list[tuple[bytes, int, bytes]], said: str
) -> None:
    archive = patched(zipped("x.zip", {"a.jpg": b"abc" * 400}), *changes)
    with pytest.raises(NotReadable, match=said):
        files.read(archive + b"//a.jpg")


def test_a_bomb_is_inflated_no_further_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped("x.zip", {"a.jpg": bytes(50_000_000)})
    patched(archive, (CENTRAL, 24, struct.pack("<I", 1000)))
    asked = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, bits: int) -> None:
            self.real = real(bits)

        def decompress(self, data: bytes, most: int) -> bytes:
            asked.append(len(content := self.real.decompress(data, most)))
            return content

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(NotReadable, match="not what its directory says"):
        files.read(archive + b"//a.jpg")
    assert asked == [1001]
    monkeypatch.setattr(archives, "MAX_BYTES", 10_000)
    with pytest.raises(NotReadable, match="50,000,000 bytes, over the limit of 10,000"):
        files.read(zipped("y.zip", {"a.jpg": bytes(50_000_000)}) + b"//a.jpg")


def test_a_long_local_header_is_read_in_a_second_go() -> None:
    info = zipfile.ZipInfo("a.jpg")
    info.extra = b"\x99\x99" + struct.pack("<H", 4000) + bytes(4000)
    with zipfile.ZipFile("x.zip", "w") as made:
        made.writestr(info, b"abc")
        made.writestr("b.jpg", b"d" * 5000)
    assert files.read(os.path.abspath(b"x.zip") + b"//a.jpg") == b"abc"


@pytest.mark.parametrize("keep", [0, 10, 60, -30])
def test_a_truncated_zip_is_a_failure(keep: int) -> None:
    archive = zipped("x.zip", {"a.jpg": b"abc" * 400})
    path = Path(os.fsdecode(archive))
    path.write_bytes(path.read_bytes()[:keep])
    passed = Walked()
    assert names_in(archive, passed) == []
    assert len(passed.failed) == 1
    assert passed.failed[0][1].startswith("broken zip")


@settings(max_examples=80)
@given(st.data())
def test_any_bytes_of_a_zip_end_in_content_or_a_reason(data: st.DataObject) -> None:
    archive = zipped("x.zip", {"a.jpg": b"abc" * 40, "é.jpg": b"d"})
    path = Path(os.fsdecode(archive))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for entry in archives.entries(archive, Walked()):
        try:
            assert files.read(entry.path) in (b"abc" * 40, b"d")
        except NotReadable:
            continue


@pytest.mark.parametrize(
    "path", ["a.jpg//b.jpg", "gone.tar//b.jpg", "x.tar//b.jpg", "p.tar//b.jpg"]
)
def test_what_is_no_member_is_not_readable(path: str) -> None:
    tar("x.tar", {"a.jpg": b"abc"})
    Path("a.jpg").write_bytes(b"x")
    os.mkfifo("p.tar")
    with pytest.raises(NotReadable, match=r"not an archive|no such|not a regular"):
        files.read(os.getcwdb() + b"/" + path.encode())
