"""Names in a tree: unique, stable, and fit for every system."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core import paths
from curate.core.names import fault_of
from curate.formats.layout import file_name, folder_name, laid_out

FORBIDDEN = set('<>:"/\\|?*')


def rows(*images: tuple[str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(images, columns=["image_id", "path", "label", "split"])


def test_files_named_alike_keep_apart() -> None:
    table = laid_out(
        rows(("a1", "/x/img.jpg", "cat", "train"), ("b2", "/y/img.jpg", "cat", "train"))
    )
    assert table["place"].to_list() == ["train/cat/img-a1.jpg", "train/cat/img-b2.jpg"]


def test_a_name_does_not_depend_on_what_else_is_there() -> None:
    first, second = ("a1", "/x/img.jpg", "cat", "train"), ("b2", "/y/img.jpg", "cat", "train")
    alone = laid_out(rows(first))["place"].to_list()
    assert alone == laid_out(rows(second, first))["place"].to_list()[:1]


def test_what_has_no_split_or_no_file_has_no_place() -> None:
    table = rows(("a", "/a.jpg", "cat", ""), ("b", "", "cat", "val"), ("c", "/c.jpg", "cat", "val"))
    assert laid_out(table)["image_id"].to_list() == ["c"]
    table["path"] = table["path"].replace("", None)
    assert laid_out(table)["image_id"].to_list() == ["c"]


@pytest.mark.parametrize(
    ("path", "format_", "name"),
    [
        ("/a/b.JPG", "JPEG", "b-id.JPG"),
        ("/a/b", "PNG", "b-id.png"),
        ("/a/b.photo", "JPEG", "b.photo-id.jpg"),
        ("/a/b.photo", "MPO", "b.photo-id.jpg"),
        ("/a/b", "", "b-id"),
        ("/a/.hidden.jpg", "JPEG", "_hidden-id.jpg"),
        ("/a/-rf.jpg", "JPEG", "_rf-id.jpg"),
        ("/a/x:y?.jpg", "JPEG", "x_y_-id.jpg"),
        (paths.to_text(b"/a/new\nline\xff.jpg"), "JPEG", "new_line_-id.jpg"),
        (paths.to_text(b"/a/back\\slash.jpg"), "JPEG", "back_slash-id.jpg"),
    ],
)
def test_a_file_is_named_after_its_file(path: str, format_: str, name: str) -> None:
    assert file_name(path, "id", format_) == name


def test_a_long_name_stays_below_the_limit_of_file_systems() -> None:
    name = file_name(f"/a/{'鹿' * 80}.jpeg", "f" * 32)
    assert len(name.encode()) <= 255
    assert name.startswith("鹿鹿")
    assert name.endswith(f"-{'f' * 32}.jpeg")


@pytest.mark.parametrize("label", ["zebra", "Äffchen", "red panda", "鹿", "v1.2"])
def test_an_ordinary_class_keeps_its_name(label: str) -> None:
    assert folder_name(label) == label


def test_classes_that_need_another_name_never_meet() -> None:
    names = [folder_name(label) for label in ("a:b", "a?b", "a_b", ".a_b", "a_b.")]
    assert len(set(names)) == len(names)
    assert folder_name("") == "_"


@given(st.text(min_size=1, max_size=40))
def test_a_name_is_one_folder_anywhere(label: str) -> None:
    if fault_of(label):
        return
    name = folder_name(label)
    assert name
    assert not FORBIDDEN & set(name)
    assert name[0] not in ".-"
    assert name[-1] not in ". "
    assert name.isprintable()
    assert unicodedata.normalize("NFC", name) == name


@given(
    st.lists(
        st.binary(min_size=1, max_size=12).filter(lambda b: not {0, 47} & set(b)),
        min_size=1,
        max_size=8,
    )
)
def test_no_two_images_share_a_place(names: list[bytes]) -> None:
    table = rows(
        *(
            (f"id{number}", paths.to_text(b"/a/" + name), "cat", "train")
            for number, name in enumerate(names)
        )
    )
    assert laid_out(table)["place"].str.casefold().is_unique
