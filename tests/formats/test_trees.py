"""A tree holds the split, is brought up to date, and touches nothing that it did not make."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import FaultsError, InputError
from curate.core.identity import file_id
from curate.formats.split_files import read_split
from curate.formats.trees import INDEX, UNDERWAY, write_tree
from tests.conftest import MakePhoto


@pytest.fixture
def table(photo: MakePhoto) -> pd.DataFrame:
    """Six photos, two in each split, of two classes; two of one class have one name."""
    rows = []
    for number, split in enumerate(["train", "train", "val", "val", "test", "test"]):
        file = photo(f"photos/{number}/img.jpg", seed=number)
        rows.append((file_id(file), str(file), "cat" if number != 1 else "dog", split))
    return pd.DataFrame(rows, columns=["image_id", "path", "label", "split"])


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a tree but its index, and what it shows."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() and path.name != INDEX
    }


def expected(table: pd.DataFrame) -> dict[str, bytes]:
    return {
        f"{row.split}/{row.label}/img-{row.image_id}.jpg": Path(str(row.path)).read_bytes()
        for row in table[table["split"] != ""].itertuples()
    }


@pytest.mark.parametrize("copy", [False, True])
def test_a_tree_holds_the_split(table: pd.DataFrame, tmp_path: Path, copy: bool) -> None:
    table.loc[5, "split"] = ""
    done: list[int] = []
    written = write_tree(table, tmp_path / "tree", copy=copy, advance=done.append)
    assert content(tmp_path / "tree") == expected(table)
    assert (written.made, written.kept, written.removed, written.left) == (5, 0, 0, [])
    assert sum(done) == 5
    assert sum(p.is_symlink() for p in (tmp_path / "tree").rglob("*.jpg")) == (0 if copy else 5)


@pytest.mark.parametrize("copy", [False, True])
def test_a_second_run_changes_nothing(table: pd.DataFrame, tmp_path: Path, copy: bool) -> None:
    write_tree(table, tmp_path / "tree", copy=copy)
    before = {p: p.lstat().st_mtime_ns for p in (tmp_path / "tree").rglob("*.jpg")}
    written = write_tree(table, tmp_path / "tree", copy=copy)
    assert (written.made, written.kept, written.removed) == (0, 6, 0)
    assert {p: p.lstat().st_mtime_ns for p in (tmp_path / "tree").rglob("*.jpg")} == before


@pytest.mark.parametrize("copy", [False, True])
def test_a_tree_follows_its_split(table: pd.DataFrame, tmp_path: Path, copy: bool) -> None:
    write_tree(table, tmp_path / "tree", copy=copy)
    table.loc[0, "label"] = "dog"
    table.loc[1, "split"] = ""
    table.loc[4, "split"] = "train"
    table.loc[5, "split"] = "train"
    written = write_tree(table, tmp_path / "tree", copy=copy)
    assert content(tmp_path / "tree") == expected(table)
    assert (written.made, written.kept, written.removed) == (3, 2, 4)
    assert not (tmp_path / "tree/test").exists()


def test_links_become_copies_and_back(table: pd.DataFrame, tmp_path: Path) -> None:
    for copy in (False, True, False):
        write_tree(table, tmp_path / "tree", copy=copy)
        assert content(tmp_path / "tree") == expected(table)
        assert any(p.is_symlink() for p in (tmp_path / "tree").rglob("*.jpg")) != copy


def test_a_place_follows_the_name_of_its_file(table: pd.DataFrame, tmp_path: Path) -> None:
    write_tree(table, tmp_path / "tree")
    os.rename(str(table.at[0, "path"]), tmp_path / "moved.jpg")
    table.loc[0, "path"] = str(tmp_path / "moved.jpg")
    write_tree(table, tmp_path / "tree")
    names = [p.name for p in (tmp_path / "tree/train/cat").iterdir()]
    assert names == [f"moved-{table.at[0, 'image_id']!s}.jpg"]


def test_what_is_not_ours_stays(table: pd.DataFrame, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_tree(table, tree)
    (tree / "train/cat/mine.txt").write_text("mine")
    (tree / "notes").mkdir()
    (tree / "notes/a.jpg").write_text("mine too")
    table["split"] = ["", "", "val", "val", "test", "test"]
    write_tree(table, tree)
    assert (tree / "train/cat/mine.txt").read_text() == "mine"
    assert (tree / "notes/a.jpg").read_text() == "mine too"
    assert not (tree / "train/dog").exists()


def test_a_file_that_somebody_changed_is_left(table: pd.DataFrame, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_tree(table, tree)
    place = f"train/cat/img-{table.at[0, 'image_id']!s}.jpg"
    (tree / place).unlink()
    (tree / place).write_text("edited")
    table.loc[0, "split"] = "val"
    written = write_tree(table, tree)
    assert written.left == [place]
    assert (tree / place).read_text() == "edited"
    table.loc[0, "split"] = "train"
    with pytest.raises(FaultsError, match="is in the way: not made by curate, or changed since"):
        write_tree(table, tree)


@pytest.mark.parametrize("foreign", ["file", "link", "folder"])
def test_nothing_foreign_is_overwritten(table: pd.DataFrame, tmp_path: Path, foreign: str) -> None:
    tree = tmp_path / "tree"
    place = tree / f"train/cat/img-{table.at[0, 'image_id']!s}.jpg"
    place.parent.mkdir(parents=True)
    if foreign == "file":
        place.write_text("mine")
    elif foreign == "link":
        place.symlink_to(str(table.at[0, "path"]))
    else:
        place.mkdir()
    before = sorted(tree.rglob("*"))
    with pytest.raises(FaultsError, match="1 fault, nothing was changed"):
        write_tree(table, tree)
    assert sorted(tree.rglob("*")) == before


def test_a_folder_that_leads_elsewhere_is_not_entered(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tree/train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FaultsError, match="train: is in the way, and no folder"):
        write_tree(table, tmp_path / "tree")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_nothing_is_removed_behind_a_link(table: pd.DataFrame, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_tree(table, tree, copy=True)
    (tree / "test").rename(tmp_path / "kept")
    (tree / "test").symlink_to(tmp_path / "kept")
    table["split"] = ["train", "train", "val", "val", "", ""]
    written = write_tree(table, tree, copy=True)
    assert len(written.left) == 2
    assert len(list((tmp_path / "kept/cat").iterdir())) == 2


def test_files_that_are_gone_are_all_listed(table: pd.DataFrame, tmp_path: Path) -> None:
    for number in (0, 3):
        Path(str(table.at[number, "path"])).unlink()
    with pytest.raises(FaultsError) as caught:
        write_tree(table, tmp_path / "tree")
    assert [fault.partition(": ")[2] for fault in caught.value.faults] == [
        "no such file or directory"
    ] * 2
    assert not (tmp_path / "tree").exists()


def test_an_image_without_any_file_is_counted(table: pd.DataFrame, tmp_path: Path) -> None:
    table.loc[0, "path"] = ""
    assert write_tree(table, tmp_path / "tree").without_file == 1


def test_a_copy_of_other_content_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    Path(str(table.at[2, "path"])).write_bytes(b"something else")
    with pytest.raises(InputError, match="its content has changed since the scan; the tree is not"):
        write_tree(table, tmp_path / "tree", copy=True)
    assert not (tmp_path / "tree" / INDEX).exists()


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("after", range(6))
def test_a_full_disk_is_said_and_the_same_command_goes_on(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, copy: bool
) -> None:
    calls = {"left": after}
    name = "rename" if copy else "symlink"
    real = getattr(os, name)

    def full(*arguments: bytes) -> None:
        if not calls["left"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        calls["left"] -= 1
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, name, full)
        with pytest.raises(InputError, match="no space left on device; the tree is not whole"):
            write_tree(table, tmp_path / "tree", copy=copy)
    assert not (tmp_path / "tree" / INDEX).exists()
    written = write_tree(table, tmp_path / "tree", copy=copy)
    assert (written.made, written.kept) == (6 - after, after)
    assert content(tmp_path / "tree") == expected(table)
    assert not (tmp_path / "tree" / UNDERWAY).exists()


def test_a_place_that_cannot_be_written_is_said(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "tree").write_text("a file")
    with pytest.raises(InputError, match="cannot be written: file exists"):
        write_tree(table, tmp_path / "tree")


@pytest.mark.parametrize(
    "line",
    [
        "../../photos/0/img.jpg,link,/x",
        "train/../../x,link,/x",
        "/etc/x,link,/x",
        "train/cat/x.jpg,copy,many",
        "train/cat/x.jpg,moved,/x",
        "train/cat/x.jpg",
    ],
)
def test_an_index_that_names_anything_else_is_refused(
    table: pd.DataFrame, tmp_path: Path, line: str
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / INDEX).write_text(f"place,made,mark\n{line}\n")
    with pytest.raises(InputError, match="does not name a file of the tree"):
        write_tree(table, tmp_path / "tree")


def test_an_index_of_something_else_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / INDEX).write_text("path,label\n")
    with pytest.raises(InputError, match="is not the index of a tree"):
        write_tree(table, tmp_path / "tree")


@pytest.mark.parametrize("copy", [False, True])
def test_a_tree_reads_back_as_the_split(table: pd.DataFrame, tmp_path: Path, copy: bool) -> None:
    write_tree(table, tmp_path / "tree", copy=copy)
    read = read_split(tmp_path / "tree").table
    assert sorted(zip(read["split"], read["label"], strict=True)) == sorted(
        zip(table["split"], table["label"], strict=True)
    )
    if not copy:
        assert sorted(read["path"]) == sorted(table["path"])
