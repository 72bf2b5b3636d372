"""Rows of other programs' files find their images, or say why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curate.core.identity import file_id
from curate.scan import scan
from curate.store.finding import Found, Named, find
from curate.store.library import Library

from ..conftest import MakePhoto

FILES = ("cam1/IMG_1.jpg", "cam2/IMG_1.jpg", "cam2/IMG_2.jpg", "deep/cam3/only.jpg")


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> dict[str, str]:
    made = {name: photo(f"pool/{name}", seed) for seed, name in enumerate(FILES)}
    scan(library, tmp_path / "pool", backend="serial")
    return {name: file_id(path) for name, path in made.items()}


def found(library: Library, rows: list[Named], *roots: Path) -> Found:
    with library.reading() as connection:
        return find(connection, rows, [os.fsencode(root.resolve()) for root in roots])


def test_each_way_to_name_an_image(library: Library, ids: dict[str, str], tmp_path: Path) -> None:
    first = ids["cam1/IMG_1.jpg"]
    rows = [
        (first, ""),
        ("", str((tmp_path / "pool/cam1/IMG_1.jpg").resolve())),
        ("", f"file://{(tmp_path / 'pool/cam1/IMG_1.jpg').resolve()}"),
        ("", "cam1/IMG_1.jpg"),
        ("", f"/elsewhere/IMG_1-{first}.jpg"),
        ("", f"{first}.jpg"),
        ("another tool's id", "cam1/IMG_1.jpg"),
        ("0" * 32, f"cam1-{'0' * 32}/../cam1/IMG_1.jpg"),
    ]
    answer = found(library, rows, tmp_path / "pool")
    assert answer.images == dict.fromkeys(range(8), first)
    assert not answer.faults


def test_the_first_folder_that_has_the_file_counts(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    pool = tmp_path / "pool"
    rows = [("", "IMG_1.jpg"), ("", "IMG_2.jpg")]
    answer = found(library, rows, pool / "cam1", pool / "cam2")
    assert answer.images == {0: ids["cam1/IMG_1.jpg"], 1: ids["cam2/IMG_2.jpg"]}


def test_a_copy_is_found_by_its_content(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / "sorted" / "kudu" / "renamed.jpg"
    copy.parent.mkdir(parents=True)
    copy.write_bytes((tmp_path / "pool/cam2/IMG_1.jpg").read_bytes())
    link = copy.with_name("link.jpg")
    link.symlink_to(tmp_path / "pool/cam2/IMG_2.jpg")
    answer = found(library, [("", "kudu/renamed.jpg"), ("", str(link))], tmp_path / "sorted")
    assert answer.images == {0: ids["cam2/IMG_1.jpg"], 1: ids["cam2/IMG_2.jpg"]}


def test_a_name_is_enough_where_one_file_has_it(library: Library, ids: dict[str, str]) -> None:
    rows = [
        ("", "/home/else/only.jpg"),
        ("", "D:\\photos\\cam2\\IMG_1.jpg"),
        ("", "x/cam1/IMG_1.jpg"),
    ]
    answer = found(library, rows)
    assert answer.images == {
        0: ids["deep/cam3/only.jpg"],
        1: ids["cam2/IMG_1.jpg"],
        2: ids["cam1/IMG_1.jpg"],
    }


def test_a_name_that_several_have_is_a_fault_that_lists_them(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    answer = found(library, [("", "IMG_1.jpg"), ("", "cam9/IMG_1.jpg")])
    pool = (tmp_path / "pool").resolve()
    for number, name in enumerate(("IMG_1.jpg", "cam9/IMG_1.jpg")):
        files = f"{pool}/cam1/IMG_1.jpg, {pool}/cam2/IMG_1.jpg"
        assert answer.faults[number] == f"file {name!r} may be any of {files}"
    assert not answer.images


def test_two_files_are_not_one_image_because_they_are_named_alike(
    library: Library, ids: dict[str, str]
) -> None:
    """Only one of the two can be the one that the library has; which, nobody knows."""
    answer = found(library, [("", "cam7/only.jpg"), ("", "cam8/only.jpg"), ("", "cam9/only.jpg")])
    assert not answer.images
    assert all("is one of several that are named like" in said for said in answer.faults.values())
    again = found(library, [("", "cam7/only.jpg"), ("", "cam7/only.jpg")])
    assert set(again.images) == {0, 1}


def test_what_is_not_there(library: Library, ids: dict[str, str], tmp_path: Path) -> None:
    other = "0" * 32
    # An id of ours that is not here is not looked for by the name that stands beside it.
    rows = [(other, "only.jpg"), ("", "gone.jpg"), ("x", ""), ("", ""), ("", f"{other}.jpg")]
    answer = found(library, rows, tmp_path / "pool")
    assert not answer.images
    assert answer.faults == {
        0: f"image_id {other!r} is no image of the library",
        1: "file 'gone.jpg' is no image of the library",
        2: "image_id 'x' is no image of the library",
        3: "no image named",
        4: f"file '{other}.jpg' is no image of the library",
    }


def test_a_table_cannot_make_it_read_from_a_server(
    library: Library, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.core.remote.read", lambda url: pytest.fail("it was read"))
    assert not found(library, [("", "http://host/gone.jpg")], Path("/")).images


def test_what_one_row_means_for_certain_no_other_means_by_its_name(
    library: Library, ids: dict[str, str], tmp_path: Path
) -> None:
    name = "deep/cam3/only.jpg"
    said = found(library, [("", "another/only.jpg"), ("", str(tmp_path / "pool" / name))])
    assert said.images == {1: ids[name]}
    assert "another row means" in said.faults[0]
