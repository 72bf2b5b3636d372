"""Questions about folders and split files: every leak, no false comfort, nothing written down."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.core.identity import file_id
from curate.duplicates import (
    DuplicatePolicy,
    across_sources,
    against_library,
    in_folder,
    part,
    side_of,
)
from curate.store.library import Library
from tests.conftest import MakePhoto
from tests.scan.seen import scanned

from .libraries import found, groups, tell

pytestmark = pytest.mark.usefixtures("one_process")

LARGE = (192, 128)
POLICY = DuplicatePolicy()


def names(pairs: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted(
        (os.path.basename(a), os.path.basename(b))
        for a, b in zip(pairs["first_path"], pairs["second_path"], strict=True)
    )


@pytest.fixture
def data_set(photo: MakePhoto, tmp_path: Path) -> Path:
    """A public-style data set: a near copy of cat and the very file of dog lie in test too."""
    for seed, name in enumerate(("cat", "dog", "fox", "hen")):
        photo(f"set/train/{name}.jpg", seed, LARGE)
    photo("set/test/cat-small.jpg", 0)
    photo("set/test/dog-again.jpg", 1, LARGE)
    photo("set/val/elk.jpg", 7)
    return tmp_path / "set"


LEAKS = [("cat.jpg", "cat-small.jpg"), ("dog.jpg", "dog-again.jpg")]


def test_a_folder_alone(photo: MakePhoto, data_set: Path, tmp_path: Path) -> None:
    (data_set / "notes.txt").write_text("hello")
    before = sorted(tmp_path.rglob("*"))
    result, looked = in_folder(data_set, POLICY)
    assert groups(result.table) == [["cat.jpg", "cat-small.jpg"], ["dog-again.jpg", "dog.jpg"]]
    assert result.compared == 6
    assert [Path(path).name for path in looked.failures["path"]] == ["notes.txt"]
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_in_a_folder_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "notes.txt").write_text("hello")
    result, looked = in_folder(tmp_path / "p", POLICY)
    assert (len(result.table), len(result.conflicts), result.compared) == (0, 0, 0)
    assert len(looked.failures) == 1


def test_a_tree_of_splits(data_set: Path) -> None:
    crossed = across_sources([data_set], POLICY)
    assert names(crossed.pairs) == LEAKS
    assert set(crossed.pairs["first_side"]) == {"train"}
    assert set(crossed.pairs["second_side"]) == {"test"}
    assert crossed.sizes == {"train": 4, "val": 1, "test": 2}
    assert list(crossed.sizes) == ["train", "val", "test"]
    assert [crossed.known(side) for side in crossed.sizes] == [2, 0, 2]


def test_a_table_of_splits(data_set: Path) -> None:
    rows = [(path.relative_to(data_set), path.parent.name) for path in data_set.rglob("*.jpg")]
    table = pd.DataFrame(rows, columns=["file", "set"]).astype(str)
    table.to_csv(data_set / "splits.csv", index=False)
    table.to_parquet(data_set / "splits.parquet")
    for source in ("splits.csv", "splits.parquet"):
        assert names(across_sources([data_set / source], POLICY).pairs) == LEAKS


def test_two_folders(data_set: Path) -> None:
    train, test = data_set / "train", data_set / "test"
    crossed = across_sources([train, test], POLICY)
    assert names(crossed.pairs) == LEAKS
    assert crossed.sizes == {str(train): 4, str(test): 2}
    turned = across_sources([test, train], POLICY)
    assert names(turned.pairs) == sorted((b, a) for a, b in LEAKS)


def test_one_file_in_two_splits_leaks(data_set: Path) -> None:
    """A table that names a file twice, and a tree of links to one file."""
    (data_set / "splits.csv").write_text(
        "path,split\ntrain/fox.jpg,train\ntrain/hen.jpg,train\ntrain/fox.jpg,test\n"
    )
    crossed = across_sources([data_set / "splits.csv"], POLICY)
    assert names(crossed.pairs) == [("fox.jpg", "fox.jpg")]
    assert crossed.sizes == {"train": 2, "test": 1}
    for split in ("train", "test"):
        (data_set / "links" / split).mkdir(parents=True)
        (data_set / "links" / split / f"{split}.jpg").symlink_to(data_set / "train" / "hen.jpg")
    assert names(across_sources([data_set / "links"], POLICY).pairs) == [("hen.jpg", "hen.jpg")]


def test_rows_without_a_split_leak_nowhere(data_set: Path) -> None:
    (data_set / "splits.csv").write_text(
        "path,split\ntrain/cat.jpg,train\ntest/cat-small.jpg,\nval/elk.jpg,val\n"
    )
    crossed = across_sources([data_set / "splits.csv"], POLICY)
    assert (len(crossed.pairs), crossed.sizes) == (0, {"train": 1, "val": 1})


def test_files_that_are_not_there_are_failures(data_set: Path) -> None:
    (data_set / "splits.csv").write_text(
        "path,split\ntrain/cat.jpg,train\ngone.jpg,test\ntest/cat-small.jpg,test\n"
    )
    crossed = across_sources([data_set / "splits.csv"], POLICY)
    assert names(crossed.pairs) == LEAKS[:1]
    (failure,) = crossed.failures.to_dict("records")
    assert failure["path"] == str(data_set / "gone.jpg")
    assert failure["reason"].startswith("read: no such file")


def _one_side(data_set: Path) -> list[Path]:
    (data_set / "splits.csv").write_text("path,split\ntrain/cat.jpg,train\nval/elk.jpg,train\n")
    return [data_set / "splits.csv"]


def _no_file_there(data_set: Path) -> list[Path]:
    (data_set / "splits.csv").write_text("path,split\na.jpg,train\nb.jpg,test\n")
    return [data_set / "splits.csv"]


def _one_side_there(data_set: Path) -> list[Path]:
    (data_set / "splits.csv").write_text("path,split\ntrain/cat.jpg,train\nb.jpg,test\n")
    return [data_set / "splits.csv"]


def _two_tables(data_set: Path) -> list[Path]:
    for name in ("a.csv", "b.csv"):
        (data_set / name).write_text("path\ntrain/cat.jpg\n")
    return [data_set / "a.csv", data_set / "b.csv"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (_one_side, "has one side only (train)"),
        (_no_file_there, "has, of what can be read, no image on any side"),
        (_one_side_there, "has, of what can be read, one side only (train)"),
        (_two_tables, "is a table, and where there are several sources each is a folder"),
        (lambda root: [root / "train", root / "train"], "train: lies in"),
        (lambda root: [root, root / "train"], "so that its files would be on both sides"),
        (lambda root: [root / "train", root], "train: lies in"),
        (lambda root: [root / "train"], "no image in a folder named for a split"),
        (lambda root: [root / "train", root / "nowhere"], "no such file or directory"),
    ],
)
def test_what_cannot_be_answered_is_no_comfort(
    data_set: Path, sources: Callable[[Path], list[Path]], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        across_sources(sources(data_set), POLICY)
    assert said in str(caught.value)


def test_names_that_are_no_text(photo: MakePhoto, tmp_path: Path) -> None:
    place = os.fsencode(tmp_path)
    for folder, name, size in ((b"a\xff", b"x\n.jpg", LARGE), (b"-b", b"-y\xfe.jpg", (96, 64))):
        os.mkdir(place + b"/" + folder)
        photo("x.jpg", 3, size).rename(os.fsdecode(place + b"/" + folder + b"/" + name))
    sources = [Path(os.fsdecode(b"a\xff")), Path("-b")]
    (row,) = across_sources(sources, POLICY).pairs.to_dict("records")
    assert (row["first_side"], row["second_side"]) == (r"a\xff", "-b")
    assert row["first_path"].endswith(r"/a\xff/x\x0a.jpg")
    assert row["second_path"].endswith(r"/-b/-y\xfe.jpg")


def test_a_folder_against_a_library(
    library: Library, data_set: Path, photo: MakePhoto, tmp_path: Path
) -> None:
    scanned(library, data_set)
    photo("inbox/cat-inbox.jpg", 0, (144, 96))
    photo("inbox/new.jpg", 8)
    for name in ("fox-a", "fox-b"):
        photo(f"inbox/{name}.jpg", 2, LARGE)
    with library.reading() as connection:
        before = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("files", "images", "decisions", "duplicates")
        ]
    crossed = against_library(Path("inbox"), library, POLICY)
    assert set(crossed.pairs["first_side"]) == {"inbox"}
    assert set(crossed.pairs["second_side"]) == {"library"}
    assert names(crossed.pairs) == [
        ("cat-inbox.jpg", "cat-small.jpg"), ("cat-inbox.jpg", "cat.jpg"), ("fox-a.jpg", "fox.jpg"),
    ]  # fmt: skip
    # Both copies of the fox are known, though they are one image.
    assert crossed.known("inbox") == 3
    assert crossed.sizes["inbox"] == 4
    with library.reading() as connection:
        after = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("files", "images", "decisions", "duplicates")
        ]
        tables = connection.exec_driver_sql('SELECT DISTINCT "table" FROM shards').scalars().all()
    assert after == before
    assert set(tables) == {"looks", "fingerprints"}
    assert found(library).compared == 6


def test_files_of_the_library_do_not_count_against_themselves(
    library: Library, data_set: Path
) -> None:
    scanned(library, data_set)
    crossed = against_library(data_set / "train", library, POLICY)
    assert names(crossed.pairs) == LEAKS
    assert crossed.known(str(data_set / "train")) == 2
    assert against_library(data_set / "val", library, POLICY).pairs.empty


def test_a_folder_that_is_all_of_the_library(library: Library, data_set: Path) -> None:
    scanned(library, data_set / "val")
    crossed = against_library(data_set / "val", library, POLICY)
    assert crossed.pairs.empty
    assert set(crossed.sizes) == {str(data_set / "val")}


def test_what_a_person_parted_stays_parted(library: Library, data_set: Path) -> None:
    scanned(library, data_set)
    cat, small = (file_id(data_set / name) for name in ("train/cat.jpg", "test/cat-small.jpg"))
    part(library, cat, small, apart=True)
    assert names(against_library(data_set / "train", library, POLICY).pairs) == LEAKS[1:]


def test_a_folder_that_is_named_library(library: Library, data_set: Path, photo: MakePhoto) -> None:
    scanned(library, data_set)
    photo("library/cat-inbox.jpg", 0, (144, 96))
    crossed = against_library(Path("library"), library, POLICY)
    assert len(crossed.pairs) == 2
    assert crossed.known(side_of(Path("library"))) == 1
    assert set(crossed.sizes) == {"./library", "library"}


def test_an_image_that_no_scan_looked_at_spoils_no_hash(
    library: Library, data_set: Path, photo: MakePhoto
) -> None:
    from tests.splits.made import put

    scanned(library, data_set / "train")
    put(library, data_set / "val" / "elk.jpg")
    tell(library, data_set / "val" / "elk.jpg", label="elk")
    photo("inbox/elk-large.jpg", 7, LARGE)
    crossed = against_library(Path("inbox"), library, POLICY)
    assert names(crossed.pairs) == [("elk-large.jpg", "elk.jpg")]
