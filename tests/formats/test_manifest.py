"""A manifest is read whole or refused whole, with every fault and its line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.core.errors import FaultsError, InputError
from curate.core.paths import to_text
from curate.formats.manifest import read_manifest
from curate.formats.tables import write_csv


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "sub/c.jpg", "=d.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "photos"


@pytest.fixture
def read(root: Path) -> Callable[[str], pd.DataFrame]:
    def read(text: str) -> pd.DataFrame:
        Path("m.csv").write_text(text)
        return read_manifest(Path("m.csv"), os.fsencode(root))

    return read


Read = Callable[[str], pd.DataFrame]


def faults_of(read: Read, text: str) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        read(text)
    assert caught.value.value == "m.csv"
    return caught.value.faults


def test_the_columns_come_as_they_stand(read: Read, root: Path) -> None:
    table = read(
        "label,path,sub_class,origin,split,bbox,group,group_burst\n"
        "cat,a.jpg,kitten,staged,train,1 2 3 4,x,7\n"
        f"unknown,{root}/sub/c.jpg,,,,,,\n"
        ",b.jpg,,,,,,\n"
    )
    assert table["path"].tolist() == [
        os.fsencode(root / name) for name in ("a.jpg", "sub/c.jpg", "b.jpg")
    ]
    assert table["label"].tolist() == ["cat", "unknown", ""]
    first, second, _ = table.drop(columns="path").to_dict("records")
    assert list(first.values()) == [
        "cat", "kitten", "staged", "train", "1 2 3 4", "x", "7",
    ]  # fmt: skip
    assert set(second.values()) == {"unknown", ""}


def test_paths_are_read_as_they_are_written_elsewhere(read: Read, root: Path) -> None:
    names = [b"\xff.jpg", b"new\nline.jpg", b"back\\slash.jpg", b"=d.jpg", "é.jpg".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"x")
    write_csv(pd.DataFrame({"path": map(to_text, names), "label": "cat"}), Path("m.csv"))
    table = read_manifest(Path("m.csv"), os.fsencode(root))
    assert [os.path.basename(path) for path in table["path"]] == names


def test_paths_may_lead_through_links_and_dots_as_long_as_they_end_inside(
    read: Read, root: Path
) -> None:
    (root / "link").symlink_to("sub")
    Path("other").symlink_to(root)
    assert read("path,label\nlink/c.jpg,cat\nsub/../a.jpg,cat\n")["path"].tolist() == [
        os.fsencode(root / "sub/c.jpg"),
        os.fsencode(root / "a.jpg"),
    ]
    with_link = os.fsencode(Path("other").absolute())
    assert faults_of(read, f"path,label\n{os.fsdecode(with_link)}/b.jpg,cat\nb.jpg,cat\n") == [
        "line 3: path 'b.jpg' is there twice, first in line 2"
    ]


@pytest.mark.parametrize(
    ("header", "faults"),
    [
        ("path", ["line 1: the column 'label' is missing"]),
        ("label", ["line 1: the column 'path' is missing"]),
        ("path,label,path", ["line 1: the column 'path' is there 2 times"]),
        ("path,label,lable", ["line 1: unknown column 'lable'; did you mean 'label'?"]),
        ("path,label,", ["line 1: unknown column ''; known: path, label, sub_class, origin"]),
        (
            "Path,label,camera",
            [
                "line 1: the column 'path' is missing",
                "line 1: unknown column 'Path'; did you mean 'path'?",
                "line 1: unknown column 'camera'; known: path",
            ],
        ),
    ],
)
def test_faults_of_the_header(read: Read, header: str, faults: list[str]) -> None:
    found = faults_of(read, f"{header}\na.jpg,cat\n")
    assert len(found) == len(faults)
    for one, start in zip(found, faults, strict=True):
        assert one.startswith(start)


def test_the_ids_of_exported_labels_are_not_looked_at(read: Read) -> None:
    table = read("image_id,path,label\n0123,a.jpg,cat\n0123,b.jpg,dog\n")
    assert list(table.columns) == ["path", "label"]
    assert faults_of(read, "image_id,path,label,image_id\n") == [
        "line 1: the column 'image_id' is there 2 times"
    ]


def test_a_manifest_separated_by_semicolons_says_so(read: Read) -> None:
    with pytest.raises(FaultsError, match=r"separated by semicolons.*\n.*with commas"):
        read("path;label\na.jpg;cat\n")


def test_an_unknown_column_says_how_groups_are_called(read: Read) -> None:
    (fault,) = faults_of(read, "path,label,camera\n")
    assert fault.endswith("(a column that names groups is called group_camera)")


def test_an_empty_file_lacks_its_columns(read: Read) -> None:
    assert len(faults_of(read, "")) == 2


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a.jpg", "1 cells, 6 columns"),
        ("a.jpg,cat,,,,,,", "8 cells, 6 columns"),
        (",cat,,,,", "no path"),
        ("z.jpg,cat,,,,", "path 'z.jpg': no such file"),
        ("sub,cat,,,,", "path 'sub': no such file"),
        ("a.jpg/x,cat,,,,", "path 'a.jpg/x': no such file"),
        ("link.jpg,cat,,,,", "path 'link.jpg' is a symbolic link, which a scan does not follow"),
        ("../m.csv,cat,,,,", "path '../m.csv' leads out of"),
        ("/etc/passwd,cat,,,,", "path '/etc/passwd' leads out of"),
        ("out/passwd,cat,,,,", "path 'out/passwd' leads out of"),
        ("http://x/a.jpg,cat,,,,", "path 'http://x/a.jpg' is a URL"),
        ("file:///etc/passwd,cat,,,,", "path 'file:///etc/passwd' is a URL"),
        ("zip://a::http://b,cat,,,,", "path 'zip://a::http://b' is a URL"),
        (r"x\x00/a.jpg,cat,,,,", r"path 'x\\x00/a.jpg' has a NUL byte"),
        ("a.jpg, cat,,,,", "' cat' cannot name a class: it starts or ends with a space"),
        ("a.jpg,con,,,,", "'con' cannot name a class: it is the name of a device"),
        ("a.jpg,rejected,,,,", "'rejected' cannot name a class: it is kept"),
        ("a.jpg,cat,a/b,,,", "'a/b' cannot name a class: it would not be one folder"),
        ("a.jpg,cat,,Real,,", "origin 'Real' is none of real, staged, synthetic"),
        ("a.jpg,cat,,,dev,", "split 'dev' is none of train, val, test, benchmark"),
        ("a.jpg,cat,,,,1 2 3", "bbox '1 2 3' is not four numbers"),
        ("a.jpg,cat,,,,a b c d", "bbox 'a b c d' is not four numbers"),
        ("a.jpg,Unknown,,,,", "class 'Unknown' differs from 'unknown' only in case"),
    ],
)
def test_faults_of_a_row(read: Read, root: Path, row: str, fault: str) -> None:
    (root / "link.jpg").symlink_to("a.jpg")
    (root / "out").symlink_to("/etc")
    found = faults_of(read, f"path,label,sub_class,origin,split,bbox\n{row}\n")
    assert len(found) == 1
    assert found[0].startswith(f"line 2: {fault}")


@pytest.mark.parametrize("box", ["1 2 3 4", '"1,2,3,4"', '"[1.5, 2, 3, 4]"', '"(0,0,0.5,1e2)"'])
def test_a_box_is_four_numbers(read: Read, box: str) -> None:
    assert len(read(f"path,label,bbox\na.jpg,cat,{box}\n")) == 1


def test_all_faults_come_together(read: Read) -> None:
    found = faults_of(
        read,
        "path,label,origin\n"
        "a.jpg,con,fake\n"
        "a.jpg,cat,\n"
        "z.jpg,cat\n"
        "z.jpg,Cat,\n"
        "z.jpg,dog,\n"
        '"quoted\nname.jpg",dog,\n'
        "b.jpg,Dog,\n",
    )
    assert [fault.split(":")[0] for fault in found] == [
        "line 2", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 3", "line 6",
    ]  # fmt: skip
    assert found[2] == "line 3: path 'a.jpg' is there twice, first in line 2"
    assert found[-2] == "line 3: class 'cat' differs from 'Cat' only in case or composition"


def test_a_duplicate_is_found_however_it_is_written(read: Read, root: Path) -> None:
    assert faults_of(read, f"path,label\na.jpg,cat\n./sub/../a.jpg,cat\n{root}/a.jpg,dog\n") == [
        "line 3: path './sub/../a.jpg' is there twice, first in line 2",
        f"line 4: path '{root}/a.jpg' is there twice, first in line 2",
    ]


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_byte_order_mark_is_no_part_of_a_name(read: Read, start: str) -> None:
    assert len(read(f"{start}path,label\na.jpg,cat\n")) == 1


@pytest.mark.parametrize(
    "data", [b"path,label\na.jpg,\x00", b'path,label\n"a.jpg,cat\n', "path".encode("utf-16")]
)
def test_faults_of_the_csv_itself_have_a_line(root: Path, data: bytes) -> None:
    Path("m.csv").write_bytes(data)
    with pytest.raises(FaultsError, match=r"\n  line \d: "):
        read_manifest(Path("m.csv"), os.fsencode(root))


def test_a_table_of_parquet_is_read_too(root: Path) -> None:
    table = {
        "path": ["a.jpg", "b.jpg"],
        "label": ["cat", None],
        "bbox": [[1, 2, 3, 4], None],
        "group": [3, None],
        "group_animal": pa.array([np.nan, 1.5]),
    }
    pq.write_table(pa.table(table), "m.parquet")
    read = read_manifest(Path("m.parquet"), os.fsencode(root))
    assert read["label"].tolist() == ["cat", ""]
    assert read["bbox"].tolist() == ["[1, 2, 3, 4]", ""]
    assert read["group"].tolist() == ["3", ""]
    assert read["group_animal"].tolist() == ["", "1.5"]  # NaN is no group


def test_faults_of_parquet_have_a_row(root: Path) -> None:
    pd.DataFrame({"path": ["a.jpg", "z.jpg"], "label": ["cat", "dog"]}).to_parquet("m.parquet")
    with pytest.raises(FaultsError) as caught:
        read_manifest(Path("m.parquet"), os.fsencode(root))
    assert caught.value.faults == ["row 2: path 'z.jpg': no such file"]


@pytest.mark.parametrize("data", [b"", b"text", b"PAR1" + bytes(50) + b"PAR1"])
def test_what_is_not_parquet_is_refused(root: Path, data: bytes) -> None:
    Path("m.parquet").write_bytes(data)
    with pytest.raises(InputError, match="is not a Parquet file"):
        read_manifest(Path("m.parquet"), os.fsencode(root))


@pytest.mark.parametrize("name", ["m.parquet", "m.csv"])
def test_a_missing_manifest_is_an_input_error(root: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        read_manifest(Path(name), os.fsencode(root))


@pytest.mark.parametrize("name", ["folders", "m.txt", "m.CSV.gz"])
def test_another_kind_of_file_says_what_can_be_given(root: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"is not a manifest\. Give .*\.csv .*\.parquet"):
        read_manifest(Path(name), os.fsencode(root))
