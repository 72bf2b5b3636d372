"""WebDatasets: the real package reads them, and labels come back from their tars."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import FaultsError, InputError
from curate.core.identity import file_id
from curate.formats import webdataset
from curate.formats.exchange import Outgoing

from ..conftest import MakePhoto
from .exchanged import NASTY, ignore, labels_of, outgoing, row


@pytest.fixture
def sent(photo: MakePhoto) -> Outgoing:
    """Five pictures of three formats, one of them without a suffix; every other has a label."""
    names = ("a.jpg", "b.PNG", "c.webp", "d.jpeg", "e.jpg")
    files = [photo(f"pool/{name}", seed) for seed, name in enumerate(names)]
    files[1] = files[1].rename(files[1].with_name("b"))
    rows = [
        row(n, path=str(file), image_id=file_id(file), label=("kudu", "")[n % 2])
        for n, file in enumerate(files)
    ]
    return outgoing(rows, ["antelope", "zebra"])


# webdataset (1.0) leaves the closing of tars to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_it(
    sent: Outgoing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webdataset as wds

    monkeypatch.setattr(webdataset, "MOST_IMAGES", 2)
    webdataset.write(sent, tmp_path / "out", False, ignore)
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["classes.txt", *(f"images-{n:06d}.tar" for n in range(3))]
    assert (tmp_path / "out/classes.txt").read_text().split() == ["antelope", "kudu", "zebra"]

    tars = f"{tmp_path}/out/images-{{000000..000002}}.tar"
    found = list(wds.WebDataset(tars, shardshuffle=False, empty_check=False))
    assert [sample["__key__"] for sample in found] == list(sent.table["image_id"])
    for sample, path in zip(found, sent.table["path"], strict=True):
        (data,) = [v for k, v in sample.items() if k in ("jpg", "jpeg", "png", "webp")]
        assert data == Path(path).read_bytes()
    assert [sample.get("cls") for sample in found] == [b"1", None, b"1", None, b"1"]
    assert json.loads(found[0]["json"])["label"] == "kudu"
    decoded = wds.WebDataset(tars, shardshuffle=False).decode("pil")
    sizes = [next(v for k, v in s.items() if k in ("jpg", "jpeg", "png", "webp")).size
             for s in decoded if "webp" not in s]  # fmt: skip
    assert sizes == [(96, 64)] * 4


def test_the_real_writer_is_read(tmp_path: Path, photo: MakePhoto) -> None:
    import webdataset as wds

    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    file = photo("a.jpg")
    with wds.TarWriter(str(tmp_path / "x-000.tar")) as sink:
        sink.write({"__key__": "d/0001", "jpg": file.read_bytes(), "cls": 1})
        sink.write({"__key__": "d/0002", "jpg": b"", "json": {"label": "cat", "by": "ann"}})
        sink.write({"__key__": "d/0003", "jpg": b"x"})
    answers = webdataset.read(tmp_path).answers
    assert list(answers["label"]) == ["bee", "cat"]
    assert list(answers["file"]) == ["d/0001.jpg", "d/0002.jpg"]
    assert list(answers["by"]) == ["", "ann"]
    # Whatever the sample is called: the content says which image it is.
    assert answers["image_id"][0] == file_id(file)


def test_what_was_written_comes_back(sent: Outgoing, tmp_path: Path) -> None:
    counted: list[int] = []
    webdataset.write(sent, tmp_path / "out", True, counted.append)
    held = sent.table[sent.table["label"] != ""]
    assert labels_of(webdataset.read(tmp_path / "out")) == dict.fromkeys(held["image_id"], "kudu")
    assert sum(counted) == 5
    assert len(webdataset.read(tmp_path / "out/images-000000.tar").answers) == 3


def test_the_same_table_gives_the_same_bytes(sent: Outgoing, tmp_path: Path) -> None:
    for name in ("one", "two"):
        webdataset.write(sent, tmp_path / name, False, ignore)
    one, two = ((tmp_path / n / "images-000000.tar").read_bytes() for n in ("one", "two"))
    assert one == two


def packed(path: Path, **members: Any) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@settings(max_examples=30)
@given(labels=st.lists(st.sampled_from(NASTY), unique=True, min_size=1))
def test_every_class_comes_back(tmp_path_factory: Any, labels: list[str]) -> None:
    folder = tmp_path_factory.mktemp("tars")
    rows = {f"{n}__json": {"label": label} for n, label in enumerate(labels)}
    answers = webdataset.read(packed(folder / "x.tar", **rows)).answers
    assert list(answers["label"]) == labels


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"a__cls": b"0"}, "x.tar, a: has the class 0, and there is no classes.txt beside the tar"),
        ({"a__json": b"{"}, "x.tar, a: its .json is not JSON"),
        ({"a__json": {"label": 3}}, "x.tar, a: label 3 is no name of a class"),
    ],
)
def test_faults_of_a_sample(tmp_path: Path, members: dict[str, Any], fault: str) -> None:
    with pytest.raises(FaultsError) as caught:
        webdataset.read(packed(tmp_path / "x.tar", **members))
    assert caught.value.faults == [fault]


def test_two_labels_that_differ_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    packed(tmp_path / "x.tar", a__cls=b"1", a__json={"label": "ant"}, b__cls=b"7", c__cls=b"0")
    with pytest.raises(FaultsError) as caught:
        webdataset.read(tmp_path)
    assert caught.value.faults == [
        "x.tar, a: its .json says 'ant', its .cls 'bee'",
        "x.tar, b: class 7 is none of the 2 of classes.txt",
    ]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no tar in it"):
        webdataset.read(tmp_path)
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(InputError, match="is not a whole tar"):
        webdataset.read(tmp_path)


def test_a_picture_that_has_changed_stops_it(sent: Outgoing, tmp_path: Path) -> None:
    Path(sent.table["path"][2]).write_bytes(b"other")
    with pytest.raises(FaultsError, match="its content has changed since the scan"):
        webdataset.write(sent, tmp_path / "out", False, ignore)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pool"]
