"""Formats at URLs: a real S3 server on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.core import remote
from curate.core.errors import InputError
from curate.core.files import NotReadable
from curate.core.identity import image_id
from curate.formats import coco
from curate.formats.carried import fetched, send
from curate.formats.exchange import Second
from tests.conftest import MakePhoto
from tests.formats.exchanged import ignore, outgoing, row


def write(folder: Path) -> None:
    """A folder as a format writes it."""
    for name in ("metadata.jsonl", "images/a.jpg", "images/b.PNG", "README.md", "x.tar"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {name}")


def test_what_says_what_is_there_is_sent_last(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    put = remote.put

    def noted(file: str, url: bytes) -> None:
        order.append(url.decode())
        put(file, url)

    monkeypatch.setattr(remote, "put", noted)
    root = f"s3://{bucket.name}/to/here"
    assert list(send(f"{root}/", write)) == [5, 4, 3, 2, 1, 0]
    names = [url.removeprefix(root) for url in order]
    assert names == ["/images/a.jpg", "/images/b.PNG", "/x.tar", "/README.md", "/metadata.jsonl"]
    keys = {item.key: item.get()["Body"].read().decode() for item in bucket.objects.all()}
    assert keys == {f"to/here{name}": f"content of {name[1:]}" for name in names}


def test_a_file_is_sent_as_a_file_and_replaced(bucket: Any) -> None:
    url = f"s3://{bucket.name}/x.json"
    for content in ("one", "two"):

        def one(path: Path, content: str = content) -> None:
            path.write_text(content)

        assert list(send(url, one)) == [1, 0]
        assert bucket.Object("x.json").get()["Body"].read() == content.encode()


def test_a_second_file_beside_is_sent_too(bucket: Any) -> None:
    def two(path: Path) -> None:
        path.write_text("labels")
        path.with_name("c-predictions.json").write_text("predictions")

    assert list(send(f"s3://{bucket.name}/to/c.json", two)) == [2, 1, 0]
    keys = {item.key: item.get()["Body"].read() for item in bucket.objects.all()}
    assert keys == {"to/c.json": b"labels", "to/c-predictions.json": b"predictions"}


def test_a_folder_with_something_in_it_stays(bucket: Any) -> None:
    bucket.put_object(Key="to/here/mine.txt", Body=b"")
    with pytest.raises(InputError, match="is there already"):
        list(send(f"s3://{bucket.name}/to/here", write))
    assert len(list(bucket.objects.all())) == 1


def test_what_does_not_arrive_whole_is_an_error(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = remote.put

    def broken(file: str, url: bytes) -> None:
        if url.endswith(b"x.tar"):
            raise NotReadable("no answer within 60 seconds")
        put(file, url)

    monkeypatch.setattr(remote, "put", broken)
    with pytest.raises(InputError, match="no answer within 60 seconds; 2 of 5 files were sent"):
        list(send(f"s3://{bucket.name}/there", write))
    assert not any(item.key.endswith("metadata.jsonl") for item in bucket.objects.all())


def test_nothing_is_written_where_nothing_can_be_sent() -> None:
    def never(_: Path) -> None:
        pytest.fail("it was written")

    for url in ("ftp://host/x", "s3://user:secret@host/x"):
        with pytest.raises(InputError):
            list(send(url, never))
    with pytest.raises(InputError, match="a web server only gives files"):
        list(send("http://127.0.0.1:9/x", write))


def test_a_folder_is_fetched_without_its_pictures(bucket: Any) -> None:
    for key in ("d/metadata.jsonl", "d/images/a.jpg", "d/images/deep/b.png"):
        bucket.put_object(Key=key, Body=b"content")
    with fetched(f"s3://{bucket.name}/d") as local:
        found = {str(f.relative_to(local)): f.stat().st_size for f in local.rglob("*.*")}
    assert found == {"metadata.jsonl": 7, "images/a.jpg": 0, "images/deep/b.png": 0}
    assert not local.exists()


@pytest.mark.parametrize("name", ["zoo.json", "deep/annotations/instances_default.json"])
def test_predictions_beside_a_file_are_fetched(bucket: Any, photo: MakePhoto, name: str) -> None:
    """They come back from where they were sent to, in COCO's own layout too."""
    file = photo("a.jpg")
    known = {"path": str(file), "image_id": image_id(file.read_bytes())}
    sent = outgoing([row(1, **known, top_classes=["dog"], top_scores=[0.5])])
    url = f"s3://{bucket.name}/to/{name}"
    base = url.removesuffix(coco.FILE)
    list(send(base, lambda path: coco.write(sent, path, False, ignore)))
    with fetched(url, coco.second) as local:
        back = coco.read(local)
    assert back.notes == []
    assert back.predictions[["image_id", "classes", "scores"]].values.tolist() == [
        [known["image_id"], ["dog"], [0.5]]
    ]


def test_a_second_file_that_is_not_there_is_passed_by(bucket: Any) -> None:
    bucket.put_object(Key="a.json", Body=b"{}")
    for other in (None, "b.json"):
        with fetched(f"s3://{bucket.name}/a.json", beside(other)) as local:
            assert [file.name for file in local.parent.iterdir()] == ["a.json"]


def test_a_second_file_that_cannot_be_read_is_an_error(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_object(Key="a.json", Body=b"{}")
    bucket.put_object(Key="b.json", Body=b"{}")
    fetch = remote.fetch

    def refused(url: bytes, target: str) -> None:
        if url.endswith(b"b.json"):
            raise NotReadable("permission denied")
        fetch(url, target)

    monkeypatch.setattr(remote, "fetch", refused)
    url = f"s3://{bucket.name}/a.json"
    said = r"/b\.json: cannot be read: permission denied"
    with pytest.raises(InputError, match=said), fetched(url, beside("b.json")):
        pytest.fail("it was read without its second file")


def beside(name: str | None) -> Second:
    """Give what says that a file names another one beside it."""
    return lambda path: path.with_name(name) if name else None


def test_a_tar_larger_than_an_image_may_be(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 10)
    bucket.put_object(Key="d/x.tar", Body=b"longer than ten bytes")
    for url, name in ((f"s3://{bucket.name}/d", "x.tar"), (f"s3://{bucket.name}/d/x.tar", "")):
        with fetched(url) as local:
            assert (local / name).read_bytes() == b"longer than ten bytes"


def test_what_is_not_there(bucket: Any) -> None:
    with pytest.raises(InputError, match="no such file"), fetched(f"s3://{bucket.name}/gone.json"):
        pass


def test_what_arrived_is_compared(bucket: Any, tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"abc")
    url = f"s3://{bucket.name}/a.json".encode()
    remote.put(str(file), url)
    real = remote._asked

    def other(url: bytes, method: str, *before: Any, **more: Any) -> Any:
        answer = real(url, method, *before, **more)
        if method == "put_file":
            answer.result()
            bucket.put_object(Key="a.json", Body=content)
        return answer

    monkeypatch.setattr(remote, "_asked", other)
    content = b"ab"
    with pytest.raises(NotReadable, match="2 bytes arrived of 3"):
        remote.put(str(file), url)
    content = b"xyz"
    with pytest.raises(NotReadable, match="what arrived is not what was sent"):
        remote.put(str(file), url)


def test_a_server_without_digests_is_asked_for_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"abc")
    remote.put(str(file), b"memory://place/a.json")
    assert remote.read(b"memory://place/a.json") == b"abc"
