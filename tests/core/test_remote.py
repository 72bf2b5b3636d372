"""Files at URLs: a real S3 server and a real web server on this machine."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from curate.core import files, remote, urls
from curate.core.errors import InputError
from curate.core.files import FileEntry, NotReadable, Walked
from curate.core.listing import entries_of, listed, merged, place_of


def tar(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def put(bucket: Any, **objects: bytes) -> str:
    for key, content in objects.items():
        bucket.put_object(Key=key, Body=content)
    return f"s3://{bucket.name}"


def test_a_bucket_is_listed_in_the_order_of_its_paths_archives_opened(bucket: Any) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("z/1.jpg", b"zip content")
    root = put(
        bucket,
        **{"p/a.jpg": b"x", "p/a/b.jpg": b"yy", "p/a-b.jpg": b"z", "p/é ü.jpg": b"", "q.jpg": b"",
           "p/": b"", "p/x.tar": tar({"m.jpg": b"tar content"}), "p/y.zip": zipped.getvalue()},
    )  # fmt: skip
    place, found = listed(f"{root}/p/", Walked())
    start = f"{root}/p".encode()
    assert place == start
    assert [entry.path.removeprefix(start) for entry in found] == [
        b"/a-b.jpg", b"/a.jpg", b"/a/b.jpg", b"/x.tar//m.jpg", b"/y.zip//z/1.jpg",
        "/é ü.jpg".encode(),
    ]  # fmt: skip
    assert [entry.path for entry in found] == sorted(entry.path for entry in found)
    content = {entry.path.removeprefix(start): files.read(entry.path) for entry in found}
    assert content[b"/a/b.jpg"] == b"yy"
    assert content["/é ü.jpg".encode()] == b""
    assert content[b"/x.tar//m.jpg"] == b"tar content"
    assert content[b"/y.zip//z/1.jpg"] == b"zip content"
    assert place_of(f"{root}/p").within == start + b"/"
    assert [e.path for e in entries_of(place_of(f"{root}/p/x.tar"), Walked())] == [
        start + b"/x.tar//m.jpg"
    ]
    assert len(listed(root, Walked())[1]) == 7


def test_an_entry_tells_whether_the_object_changed(bucket: Any) -> None:
    root = put(bucket, **{"a.jpg": b"abc"})
    (before,) = listed(f"{root}/a.jpg", Walked())[1]
    assert before.bytes == 3
    assert abs(before.mtime_ns / 1e9 - time.time()) < 3600
    assert 0 < before.inode < 1 << 63
    assert [before] == [*merged([place_of(root), place_of(f"{root}/a.jpg")], Walked())]
    put(bucket, **{"a.jpg": b"xyz"})
    assert remote.status(before.path).inode != before.inode


def test_keys_that_would_be_taken_for_members_are_failures(bucket: Any) -> None:
    root = put(bucket, **{"p/a.jpg": b"x", "p//b.jpg": b"y"})
    passed = Walked()
    assert [entry.path for entry in listed(f"{root}/p", passed)[1]] == [f"{root}/p/a.jpg".encode()]
    assert [why for _, why in passed.failed] == [
        "keys with two slashes cannot be told from members of archives"
    ]


def test_what_is_not_there_is_an_error_of_the_place_and_a_reason_of_the_file(bucket: Any) -> None:
    root = put(bucket, **{"a.jpg": b"x"})
    for url in (f"{root}/gone.jpg", "s3://no-such-bucket-here", f"{root}/a.jpg//m.jpg"):
        with pytest.raises(InputError):
            place_of(url)
    for url in (f"{root}/gone.jpg", f"{root}/gone.tar//m.jpg", "s3://no-such-bucket-here/a"):
        with pytest.raises(NotReadable, match="no such file"):
            files.read(url.encode())


def test_a_large_file_is_read_in_two_goes_and_a_too_large_one_not(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PART", 1000)
    content = os.urandom(2500)
    root = put(bucket, **{"a.jpg": content, "even.jpg": content[:1000]})
    for _ in range(2):
        with remote.prefetching([f"{root}/a.jpg".encode(), f"{root}/even.jpg".encode()]):
            assert files.read(f"{root}/a.jpg".encode()) == content
            assert files.read(f"{root}/even.jpg".encode()) == content[:1000]
    monkeypatch.setattr(remote, "MAX_BYTES", 2000)
    with pytest.raises(NotReadable, match="2,500 bytes, over the limit of 2,000"):
        files.read(f"{root}/a.jpg".encode())


def test_manifests_may_name_urls_of_the_schemes_that_are_allowed(bucket: Any) -> None:
    root = put(bucket, **{"a.jpg": b"x", "b.jpg": b"yy", "x.tar": tar({"m.jpg": b"zzz"})})
    names = ["b.jpg", "a.jpg", "gone.jpg", "x.tar//m.jpg"]
    Path("l.txt").write_text("".join(f"{root}/{name}\n" for name in names))
    found = [*entries_of(place_of("l.txt", ["s3"]), Walked())]
    assert [entry.path.decode() for entry in found] == sorted(f"{root}/{name}" for name in names)
    assert [entry.bytes for entry in found] == [1, 2, 0, 3]


def test_reads_are_under_way_before_they_are_asked_for(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {f"{n}.jpg": b"m%d" % n for n in range(20)}
    root = put(bucket, **{f"{n}.jpg": b"%d" % n for n in range(40)}, **{"x.tar": tar(members)})
    names = [f"{root}/{n}.jpg".encode() for n in range(40)]
    names += [f"{root}/x.tar//{n}.jpg".encode() for n in range(20)] + [b"/local/file.jpg"]
    asked: list[remote.Span] = []
    real = remote._asked_for

    def noted(span: remote.Span) -> remote._Answer:
        asked.append(span)
        return real(span)

    monkeypatch.setattr(remote, "_asked_for", noted)
    files.read(names[40])
    asked.clear()
    with remote.prefetching(names):
        assert len(asked) == remote.AT_ONCE
        assert files.read(names[0]) == b"0"
        assert len(asked) == remote.AT_ONCE + 1
        # Those between failed for another reason and were never read: their room is free again.
        assert files.read(names[9]) == b"9"
        assert len(asked) == remote.AT_ONCE + 10
        for number in range(10, 40):
            assert files.read(names[number]) == b"%d" % number
        for number in range(20):
            assert files.read(names[40 + number]) == b"m%d" % number
        assert len(asked) == 60
    assert files.read(names[1]) == b"1"
    assert len(asked) == 61


def test_prefetching_files_on_a_disk_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_asked", None)
    with remote.prefetching([b"/a.jpg", b"/x.tar//b.jpg"]):
        pass


def test_a_file_past_the_size_of_images_is_fetched(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 2000)
    monkeypatch.setattr(remote, "PART", 1000)
    content = os.urandom(2500)
    root = put(bucket, **{"x.tar": content, "empty.json": b""})
    remote.fetch(f"{root}/x.tar".encode(), str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == content
    remote.fetch(f"{root}/empty.json".encode(), str(tmp_path / "e"))
    assert (tmp_path / "e").read_bytes() == b""
    with pytest.raises(NotReadable, match="no such file"):
        remote.fetch(f"{root}/gone.tar".encode(), str(tmp_path / "g"))
    with pytest.raises(NotReadable, match="no such file"):
        remote.fetch(f"{root}/x.tar".encode(), str(tmp_path / "no" / "x"))
    assert remote.status(f"{root}/x.tar".encode()).bytes == 2500


def test_what_is_fetched_in_part_is_not_taken(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = put(bucket, **{"x.tar": b"abc"})
    told = FileEntry(b"", 4, 0, 0)
    monkeypatch.setattr(remote, "status", lambda url: told)
    with pytest.raises(NotReadable, match="3 bytes came, and 4 are there"):
        remote.fetch(f"{root}/x.tar".encode(), str(tmp_path / "x"))


@pytest.mark.parametrize(
    "query",
    ["X-Amz-Algorithm=A&X-Amz-Signature=0a", "x-goog-signature=1", "sv=2024&sig=x%2F", "token=t",
     "Expires=1&Signature=s&Key-Pair-Id=K"],
)  # fmt: skip
def test_a_signed_url_is_no_name_of_an_image(query: str) -> None:
    """It would be written into every table, and be dead in an hour."""
    url = f"https://host/a.jpg?{query}"
    with pytest.raises(InputError, match="is signed") as caught:
        place_of(url)
    assert query not in str(caught.value)
    assert urls.shown(url.encode()) == b"https://host/a.jpg"
    assert query not in remote.first_line(OSError(f"403, message='no', url='{url}'"))


@pytest.mark.parametrize("url", [b"s3://b/what?sig=1.jpg", b"/disk/a?b#c.jpg", b"gs://b/a#1.jpg"])
def test_only_a_web_address_has_a_query(url: bytes) -> None:
    assert urls.shown(url) == url


def test_a_query_that_is_no_signature_stays(web: str) -> None:
    assert urls.checked(f"{web}/image?id=7&design=4".encode()) == ""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its own name)
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder; this server knows nothing of ranges."""
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


def test_a_web_server_gives_single_files(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PART", 1000)
    for name, size in (("a.jpg", 10), ("even.jpg", 1000), ("large.jpg", 5000), ("empty.jpg", 0)):
        Path(name).write_bytes(b"x" * size)
        assert files.read(f"{web}/{name}".encode()) == b"x" * size
    (entry,) = listed(f"{web}/a.jpg", Walked())[1]
    assert (entry.path.decode(), entry.bytes) == (f"{web}/a.jpg", 10)
    with pytest.raises(NotReadable, match="no such file"):
        files.read(f"{web}/gone.jpg".encode())
    with pytest.raises(InputError, match="which no web server can list"):
        place_of(f"{web}/")


def test_a_server_that_is_not_there_is_a_reason() -> None:
    with pytest.raises(NotReadable) as caught:
        files.read(b"http://127.0.0.1:9/a.jpg")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 260


@pytest.mark.parametrize(
    "url", [b"file:///etc/passwd", b"local:///etc/passwd", b"s3://a::file:///etc/passwd",
            b"http://user:secret@host/a.jpg", b"filecache::s3://a/b", b"zip://a::/etc/passwd"]
)  # fmt: skip
def test_reading_opens_no_other_scheme(url: bytes) -> None:
    with pytest.raises(NotReadable, match=r"scheme|chain|password|no such file"):
        files.read(url)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec.core

    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(InputError, match=r"pip install 'curate\[s3\]'"):
        place_of("s3://bucket/a.jpg")


@pytest.mark.parametrize(
    ("info", "moment"),
    [
        ({"mtime": 1.5}, 1_500_000_000),
        ({"updated": "1970-01-01T00:00:02.000Z"}, 2_000_000_000),
        ({"LastModified": "Thu, 01 Jan 1970 00:00:03 GMT"}, 3_000_000_000),
        ({"LastModified": "yesterday"}, 0),
        ({}, 0),
    ],
)
def test_moments_of_any_package_are_understood(info: dict[str, Any], moment: int) -> None:
    assert remote._status(b"s3://b/a", {**info, "size": 4}) == FileEntry(b"s3://b/a", 4, moment, 0)
