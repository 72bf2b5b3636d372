"""Roboflow: ``_classes.csv`` as it exports it, and as its package reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.core.errors import FaultsError, InputError
from curate.formats import roboflow
from tests.conftest import MakePhoto
from tests.formats.exchanged import id_of, ignore, outgoing, row

SAMPLE = f"""filename, cat, dog, guinea pig
photo-{id_of(1)}_jpg.rf.0f3d9be2a4f7c1d26d1e5ba19d7bd5a7.jpg, 0, 0, 1
IMG_2_jpeg.rf.9be2a4f7c1d26d1e5ba19d7bd5a70f3d.jpg, 1, 0, 0
3.png, 0, 0, 0
"""


def read(tmp_path: Path, text: str) -> list[list[str]]:
    (tmp_path / "_classes.csv").write_text(text, encoding="utf-8")
    answers = roboflow.read(tmp_path / "_classes.csv").answers
    rows: list[list[str]] = answers[["place", "file", "image_id", "label"]].values.tolist()
    return rows


def test_an_export(tmp_path: Path) -> None:
    """Its spaces after commas belong to no class, and its hashes to no name."""
    assert read(tmp_path, SAMPLE) == [
        ["line 2", f"photo-{id_of(1)}.jpg", id_of(1), "guinea pig"],
        ["line 3", "IMG_2.jpeg", "", "cat"],
    ]


def test_a_folder_for_each_split(tmp_path: Path) -> None:
    for split in "train", "valid":
        (tmp_path / split).mkdir()
        (tmp_path / split / "_classes.csv").write_text("filename,cat\na.jpg,1\n")
    assert list(roboflow.read(tmp_path).answers["file"]) == ["train/a.jpg", "valid/a.jpg"]
    assert list(roboflow.read(tmp_path).answers["place"]) == ["train/line 2", "valid/line 2"]


def test_what_is_written(tmp_path: Path, photo: MakePhoto) -> None:
    file = photo("a, b.jpg")
    rows = [row(1, path=str(file), label="cat"), row(2, path=str(file))]
    roboflow.write(outgoing(rows, ["dog"]), tmp_path / "out", False, ignore)
    names = [f"a_ b-{id_of(1)}.jpg", f"a_ b-{id_of(2)}.jpg"]
    text = (tmp_path / "out" / "_classes.csv").read_text()
    assert text == f"filename,cat,dog\n{names[0]},1,0\n{names[1]},0,0\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "_classes.csv"}


@pytest.mark.parametrize("label", ["a,b", 'a"b', "a\nb", " a", "filename"])
def test_names_that_roboflow_does_not_read(tmp_path: Path, label: str) -> None:
    with pytest.raises(FaultsError):
        roboflow.write(outgoing([], [label]), tmp_path / "out", False, ignore)
    assert list(tmp_path.iterdir()) == []


def test_all_faults_come_together(tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as caught:
        read(tmp_path, "filename,a,b\n1.jpg,1,1\n2.jpg,1\n3.jpg,yes,0\n4.jpg,0,1\n5.jpg,1,2\n")
    assert caught.value.faults == [
        "line 2: has 2 classes ('a', 'b'); one is allowed",
        "line 3: 2 cells, 3 columns",
        "line 4: 'yes' is neither 0 nor 1",
        "line 6: '2' is neither 0 nor 1",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first column is '', not 'filename'"),
        ("a,b\n1,2\n", "the first column is 'a', not 'filename'"),
        ("filename,a, a\nx,1,0\n", "the column 'a' is there 2 times"),
    ],
)
def test_a_header_at_fault(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FaultsError, match=said):
        read(tmp_path, text)


def test_a_folder_without_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no _classes\.csv"):
        roboflow.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("a_jpg.rf.0a1b.jpg", "a.jpg"),
        ("a_b_PNG.rf.0a1b.jpg", "a_b.PNG"),
        ("a.rf.jpg", "a.rf.jpg"),
        ("a.jpg", "a.jpg"),
    ],
)
def test_names_before_roboflow(name: str, before: str) -> None:
    assert roboflow.original(name) == before
