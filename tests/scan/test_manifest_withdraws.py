"""An emptied cell of a manifest takes back what a manifest for the same folder said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from curate.scan import Scanned
from curate.store import decisions as log
from curate.store import facts, runs
from curate.store.decisions import Decision
from curate.store.library import Library

from ..conftest import MakePhoto
from .seen import facts_of, labels_of, scanned


@pytest.fixture
def photos(photo: MakePhoto, tmp_path: Path) -> Path:
    photo("photos/cat/1.jpg", 1)
    photo("photos/cat/2.jpg", 2)
    return tmp_path / "photos"


def told(library: Library, text: str, root: str = "photos/cat") -> Scanned:
    Path("m.csv").write_text(text)
    return scanned(library, root, labels="m.csv")


def group_of(library: Library, name: str) -> str:
    table = facts_of(library)
    return str(table["group_burst"].fillna("")[f"photos/cat/{name}"])


def answer(library: Library, name: str, label: str) -> None:
    """Say what an image shows, as a person does."""
    with library.reading() as connection:
        table = facts.images(connection)
    (image_id,) = table["image_id"][table["path"].str.endswith(name)]
    with runs.running(library, "label", {}) as run, library.writing() as connection:
        said = Decision("label", image_id, label, f"ann/{run.run_id}", "ann")
        log.append(connection, run.run_id, [said])


def test_an_emptied_group_is_taken_back_once(library: Library, photos: Path) -> None:
    told(library, "path,label,group_burst\n1.jpg,cat,A\n2.jpg,cat,A\n")
    emptied = "path,label,group_burst\n1.jpg,cat,\n2.jpg,cat,A\n"
    assert told(library, emptied).counts["decisions"] == 1
    assert [group_of(library, name) for name in ("1.jpg", "2.jpg")] == ["", "A"]
    assert told(library, emptied).counts["decisions"] == 0
    told(library, "path,label,group_burst\n1.jpg,cat,A\n")
    assert group_of(library, "1.jpg") == "A"


@pytest.mark.parametrize("text", ["path,label\n1.jpg,cat\n", "path,label,group_burst\n2.jpg,,\n"])
def test_a_column_or_row_that_is_not_there_takes_nothing_back(
    library: Library, photos: Path, text: str
) -> None:
    told(library, "path,label,group_burst\n1.jpg,cat,A\n")
    assert told(library, text).counts["decisions"] == 0
    assert group_of(library, "1.jpg") == "A"
    assert labels_of(library) == {"photos/cat/1.jpg": "cat"}


def test_an_emptied_label_is_taken_back_and_can_be_said_again(
    library: Library, photos: Path
) -> None:
    text = "path,label,sub_class,bbox\n1.jpg,cat,kitten,1 2 3 4\n2.jpg,dog,,\n"
    told(library, text)
    emptied = "path,label,sub_class\n1.jpg,,\n2.jpg,dog,\n"
    assert told(library, emptied).counts["decisions"] == 1
    assert labels_of(library) == {"photos/cat/2.jpg": "dog"}
    assert told(library, emptied).counts["decisions"] == 0
    assert told(library, text).counts["decisions"] == 1
    assert labels_of(library) == {"photos/cat/1.jpg": "cat", "photos/cat/2.jpg": "dog"}
    assert facts_of(library).at["photos/cat/1.jpg", "sub_class"] == "kitten"


def test_a_label_of_a_person_is_not_taken_back(library: Library, photos: Path) -> None:
    told(library, "path,label\n1.jpg,cat\n")
    answer(library, "1.jpg", "fox")
    assert told(library, "path,label\n1.jpg,\n").counts["decisions"] == 0
    assert labels_of(library) == {"photos/cat/1.jpg": "fox"}


def test_labels_of_folders_are_not_taken_back(library: Library, photos: Path) -> None:
    scanned(library, "photos", labels="folder")
    text = "path,label,group_burst\ncat/1.jpg,,A\ncat/2.jpg,,A\n"
    assert told(library, text, "photos").counts["decisions"] == 2
    assert set(labels_of(library).values()) == {"cat"}
    assert len(labels_of(library)) == 2


def test_a_scan_of_a_pool_or_of_folders_takes_nothing_back(library: Library, photos: Path) -> None:
    shutil.copy(photos / "cat/1.jpg", photos / "3.jpg")
    told(library, "path,label,group_burst\n3.jpg,fox,A\n", "photos")
    assert scanned(library, "photos").counts["decisions"] == 0
    scanned(library, "photos", labels="folder")
    assert labels_of(library)["photos/3.jpg"] == "fox"
    assert facts_of(library).at["photos/3.jpg", "group_burst"] == "A"


def test_the_manifest_of_another_folder_takes_nothing_back(library: Library, photos: Path) -> None:
    told(library, "path,label,group_burst\n1.jpg,cat,A\n")
    Path("inbox").mkdir()
    shutil.copy(photos / "cat/1.jpg", "inbox/9.jpg")
    assert told(library, "path,label,group_burst\n9.jpg,,\n", "inbox").counts["decisions"] == 0
    assert told(library, "path,label,group_burst\n1.jpg,,\n").counts["decisions"] == 2


def test_a_copy_that_still_says_it_keeps_it(library: Library, photos: Path) -> None:
    shutil.copy(photos / "cat/1.jpg", photos / "cat/3.jpg")
    told(library, "path,label,group_burst\n1.jpg,cat,A\n3.jpg,cat,A\n")
    kept = "path,label,group_burst\n1.jpg,,\n3.jpg,cat,A\n"
    assert told(library, kept).counts["decisions"] == 0
    assert told(library, kept.replace("cat,A", ",")).counts["decisions"] == 2
    assert labels_of(library) == {}


def test_a_folder_may_name_an_image_whose_label_was_taken_back(
    library: Library, photos: Path
) -> None:
    told(library, "path,label\ncat/1.jpg,fox\n", "photos")
    told(library, "path,label\ncat/1.jpg,\n", "photos")
    assert labels_of(library) == {}
    assert scanned(library, "photos", labels="folder").conflicts.empty
    assert labels_of(library)["photos/cat/1.jpg"] == "cat"
