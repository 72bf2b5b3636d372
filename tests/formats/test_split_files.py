"""Split files of anybody: what is understood, and what is said of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from curate.core import paths
from curate.core.errors import FaultsError, InputError
from curate.formats.split_files import SPELLINGS, read_split
from tests.conftest import MakePhoto


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_file_of_ours(tmp_path: Path) -> None:
    header = "image_id,path,label,sub_class,origin,group,split,reason"
    read = read_split(
        write(tmp_path / "s.csv", header, "a1,/x/1.jpg,cat,kitten,staged,a1,train,drawn for train")
    )
    assert read.ours
    assert read.notes == []
    assert read.table.to_dict("records") == [
        {
            "image_id": "a1",
            "path": "/x/1.jpg",
            "label": "cat",
            "sub_class": "kitten",
            "origin": "staged",
            "group": "a1",
            "split": "train",
            "reason": "drawn for train",
            "place": "line 2",
            "shown": "/x/1.jpg",
        }
    ]


@pytest.mark.parametrize("path", ["path", "file_name", "Filename", "image", " FILE "])
@pytest.mark.parametrize("split", ["split", "Set", "subset", "partition"])
@pytest.mark.parametrize("label", ["label", "class", "Category", ""])
def test_columns_of_strangers(tmp_path: Path, path: str, split: str, label: str) -> None:
    header = ",".join(filter(None, [path, split, label]))
    read = read_split(write(tmp_path / "s.csv", header, "a.jpg,train" + ",cat" * bool(label)))
    assert not read.ours
    assert read.given == {"path", "split"} | ({"label"} if label else set())
    assert read.table.at[0, "path"] == str(tmp_path / "a.jpg")
    assert read.table.at[0, "label"] == ("cat" if label else "")


def test_other_spellings_are_understood_and_said(tmp_path: Path) -> None:
    read = read_split(
        write(tmp_path / "s.csv", "path,split", "a,Validation", "b,dev", "c,dev", "d,TESTING", "e,")
    )
    assert read.table["split"].to_list() == ["val", "val", "val", "test", ""]
    assert read.notes == [
        "'TESTING' is read as test (1 row)",
        "'Validation' is read as val (1 row)",
        "'dev' is read as val (2 rows)",
    ]


def test_a_split_that_is_none_stays_as_it_stands(tmp_path: Path) -> None:
    read = read_split(write(tmp_path / "s.csv", "path,split", "a,holdout"))
    assert read.table["split"].to_list() == ["holdout"]
    assert read.notes == []


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    table = pd.DataFrame({"file": ["a.jpg", "b.jpg"], "set": ["train", None], "class": ["cat", ""]})
    table.to_parquet(tmp_path / "s.parquet")
    table.to_csv(tmp_path / "s.csv", index=False)
    rows, same = (read_split(tmp_path / f"s.{kind}").table for kind in ("parquet", "csv"))
    assert rows["place"].to_list() == ["row 1", "row 2"]
    pd.testing.assert_frame_equal(rows.drop(columns="place"), same.drop(columns="place"))


def test_group_columns_are_kept(tmp_path: Path) -> None:
    header = "path,split,group_id,group_burst,photographer"
    read = read_split(write(tmp_path / "s.csv", header, "a,train,g,b,ann"))
    assert read.given == {"path", "split", "group", "group_burst"}
    assert (read.table.at[0, "group"], read.table.at[0, "group_burst"]) == ("g", "b")


def test_paths_start_from_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "real/link.jpg").symlink_to("x.jpg")
    escaped = paths.to_text(b"new\nline\xff.jpg")
    lines = ["x.jpg", "../real/x.jpg", str(tmp_path / "linked/x.jpg"), "link.jpg", escaped]
    write(tmp_path / "real/s.csv", "path,split", *(f"{line},train" for line in lines))
    monkeypatch.chdir("/")
    read = read_split(tmp_path / "linked/s.csv")
    assert read.table["path"].to_list() == [str(tmp_path / "real/x.jpg")] * 4 + [
        paths.to_text(os.fsencode(tmp_path) + b"/real/new\nline\xff.jpg")
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["path,label", "a,cat"], ["no column says the split"]),
        (["path,spilt", "a,train"], ["no column says the split (is it 'spilt'?)"]),
        (["label,split", "cat,train"], ["no column names the image"]),
        (["label", "cat"], ["2 faults", "says the split", "names the image"]),
        (["path,split,split", "a,train,val"], ["the column 'split' is there 2 times"]),
        (["path,split", "a,train,cat", "b"], ["line 2: 3 cells, 2 columns", "line 3: 1 cells"]),
        (["path;split", "a;train"], ["separated by semicolons"]),
    ],
)
def test_all_faults_of_a_file_come_together(
    tmp_path: Path, lines: list[str], said: list[str]
) -> None:
    with pytest.raises(FaultsError) as caught:
        read_split(write(tmp_path / "s.csv", *lines))
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("s.csv", ["path,split"], "there is no image in it"),
        ("s.txt", ["a train"], "is not a table of splits or a folder"),
        ("s.parquet", ["path,split"], "is not a Parquet file"),
    ],
)
def test_what_is_no_split_is_refused(
    tmp_path: Path, name: str, lines: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_split(write(tmp_path / name, *lines))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_split(tmp_path / "nowhere.csv")


def test_a_tree(tmp_path: Path, photo: MakePhoto) -> None:
    for name in ("train/cat/1.jpg", "train/cat/old/2.JPG", "Valid/dog/3.png", "test/4.jpg"):
        photo(f"tree/{name}")
    (tmp_path / "tree/train/cat/notes.txt").write_text("x")
    (tmp_path / "tree/train/cat/.DS_Store").write_text("x")
    photo("tree/extra/cat/5.jpg")
    (tmp_path / "tree/test/6.jpg").symlink_to(photo("elsewhere.jpg"))
    read = read_split(tmp_path / "tree")
    rows = read.table[["place", "label", "split", "path"]].to_numpy().tolist()
    assert sorted(rows) == [
        ["Valid/dog/3.png", "dog", "val", str(tmp_path / "tree/Valid/dog/3.png")],
        ["test/4.jpg", "", "test", str(tmp_path / "tree/test/4.jpg")],
        ["test/6.jpg", "", "test", str(tmp_path / "elsewhere.jpg")],
        ["train/cat/1.jpg", "cat", "train", str(tmp_path / "tree/train/cat/1.jpg")],
        ["train/cat/old/2.JPG", "cat", "train", str(tmp_path / "tree/train/cat/old/2.JPG")],
    ]
    assert read.notes == [
        "1 file is no image by its suffix, and was passed by",
        "'Valid' is read as val (1 row)",
    ]


def test_a_folder_that_is_no_tree_is_refused(tmp_path: Path, photo: MakePhoto) -> None:
    photo("photos/cat/1.jpg")
    with pytest.raises(InputError, match="there is no image in a folder named for a split"):
        read_split(tmp_path / "photos")


def test_every_spelling_is_one_of_ours() -> None:
    assert set(SPELLINGS.values()) == {"", "train", "val", "test", "benchmark"}
    assert all(name == name.lower() for name in SPELLINGS)
