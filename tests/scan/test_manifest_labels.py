"""Labels from a manifest: a person's word, that makes a new decision where it changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from curate.core.errors import FaultsError
from curate.scan import Scanned, scan
from curate.store import decisions, facts, runs
from curate.store.decisions import Decision
from curate.store.library import Library

from ..conftest import MakePhoto


@pytest.fixture
def photos(photo: MakePhoto, tmp_path: Path) -> Path:
    for number in range(1, 5):
        photo(f"photos/{number}.jpg", number)
    return tmp_path / "photos"


def scanned(library: Library, text: str, **options: Any) -> Scanned:
    Path("m.csv").write_text(text)
    return scan(library, Path("photos"), labels="m.csv", backend="serial", **options)


def facts_of(library: Library, column: str) -> dict[str, str]:
    with library.reading() as connection:
        table = facts.images(connection)
    table["path"] = [os.path.basename(path) for path in table["path"]]
    said = zip(table["path"], table[column].astype(object).fillna(""), strict=True)
    return {path: value for path, value in said if value}


def answer(library: Library, name: str, label: str) -> None:
    """Say what an image shows, as a person does."""
    with library.reading() as connection:
        table = facts.images(connection)
    (image_id,) = table["image_id"][table["path"].str.endswith(name)]
    with runs.running(library, "label", {}) as run, library.writing() as connection:
        said = Decision("label", image_id, label, f"ann/{run.run_id}", "ann")
        decisions.append(connection, run.run_id, [said])


def test_everything_a_manifest_says_is_kept(library: Library, photos: Path) -> None:
    found = scanned(
        library,
        "path,label,sub_class,origin,split,bbox,group_burst\n"
        "1.jpg,cat,kitten,staged,train,1 2 3 4,b1\n"
        "2.jpg,dog,,,benchmark,,b1\n"
        "3.jpg,unknown,,synthetic,,,\n"
        "4.jpg,,,,,,\n",
    )
    assert found.counts["decisions"] == 9
    assert facts_of(library, "label") == {"1.jpg": "cat", "2.jpg": "dog", "3.jpg": "unknown"}
    assert facts_of(library, "sub_class") == {"1.jpg": "kitten"}
    assert facts_of(library, "origin") == {
        "1.jpg": "staged", "2.jpg": "real", "3.jpg": "synthetic", "4.jpg": "real",
    }  # fmt: skip
    assert facts_of(library, "split") == {"1.jpg": "train", "2.jpg": "benchmark"}
    assert facts_of(library, "group_burst") == {"1.jpg": "b1", "2.jpg": "b1"}
    with library.reading() as connection:
        details = decisions.current(connection, "label")["detail"].tolist()
    assert {"sub_class": "kitten", "bbox": "1 2 3 4"} in details


def test_files_that_it_does_not_name_are_a_pool(library: Library, photos: Path) -> None:
    assert scanned(library, "path,label\n1.jpg,cat\n").counts["files"] == 4
    assert facts_of(library, "label") == {"1.jpg": "cat"}


def test_an_origin_for_all_gives_way_to_that_of_a_row(library: Library, photos: Path) -> None:
    scanned(library, "path,label,origin\n1.jpg,cat,staged\n2.jpg,cat,\n", origin="synthetic")
    assert facts_of(library, "origin") == {
        "1.jpg": "staged", "2.jpg": "synthetic", "3.jpg": "real", "4.jpg": "real",
    }  # fmt: skip


def test_the_same_manifest_again_decides_nothing(library: Library, photos: Path) -> None:
    text = "path,label,sub_class,group\n1.jpg,cat,kitten,g\n2.jpg,dog,,g\n"
    assert scanned(library, text).counts["decisions"] == 4
    assert scanned(library, text).counts["decisions"] == 0


def test_a_revised_row_is_a_new_decision(library: Library, photos: Path) -> None:
    scanned(library, "path,label,sub_class\n1.jpg,cat,\n2.jpg,dog,\n")
    found = scanned(library, "path,label,sub_class\n1.jpg,fox,\n2.jpg,dog,puppy\n")
    assert found.counts["decisions"] == 2
    assert len(found.conflicts) == 0
    assert facts_of(library, "label") == {"1.jpg": "fox", "2.jpg": "dog"}
    assert facts_of(library, "sub_class") == {"2.jpg": "puppy"}


def test_a_persons_answer_survives_the_same_manifest(library: Library, photos: Path) -> None:
    text = "path,label\n1.jpg,cat\n"
    scanned(library, text)
    answer(library, "1.jpg", "fox")
    assert scanned(library, text).counts["decisions"] == 0
    assert facts_of(library, "label") == {"1.jpg": "fox"}
    # A manifest that changed since is the later word.
    scanned(library, "path,label\n1.jpg,wolf\n")
    assert facts_of(library, "label") == {"1.jpg": "wolf"}


def test_a_persons_answer_survives_a_scan_of_folders(
    library: Library, photos: Path, photo: MakePhoto
) -> None:
    photo("photos/cat/5.jpg", 5)
    scan(library, photos, labels="folder", backend="serial")
    answer(library, "5.jpg", "fox")
    found = scan(library, photos, labels="folder", backend="serial")
    assert facts_of(library, "label") == {"5.jpg": "fox"}
    assert (found.counts["decisions"], len(found.conflicts)) == (0, 0)
    # Moved to the folder of the answer it agrees, moved to a third it does not.
    (photos / "fox").mkdir()
    shutil.move(photos / "cat/5.jpg", photos / "fox/5.jpg")
    assert len(scan(library, photos, labels="folder", backend="serial").conflicts) == 0
    (photos / "dog").mkdir()
    shutil.move(photos / "fox/5.jpg", photos / "dog/5.jpg")
    found = scan(library, photos, labels="folder", backend="serial")
    assert found.conflicts[["label", "stated"]].to_numpy().tolist() == [["fox", "dog"]]
    assert facts_of(library, "label") == {"5.jpg": "fox"}


def test_copies_with_two_labels_are_a_conflict(library: Library, photos: Path) -> None:
    shutil.copy(photos / "1.jpg", photos / "5.jpg")
    text = "path,label\n1.jpg,cat\n5.jpg,dog\n"
    for _ in range(2):
        found = scanned(library, text)
        assert found.conflicts[["label", "stated"]].to_numpy().tolist() == [["cat", "dog"]]
        assert facts_of(library, "label") == {"1.jpg": "cat"}


def test_a_broken_file_keeps_its_row_and_gets_no_label(library: Library, photos: Path) -> None:
    (photos / "2.jpg").write_bytes(b"broken")
    found = scanned(library, "path,label\n1.jpg,cat\n2.jpg,dog\n")
    assert found.counts["failed"] == 1
    assert facts_of(library, "label") == {"1.jpg": "cat"}


@pytest.mark.parametrize(
    "text",
    [
        "path,label\n1.jpg,con\n",
        "path,label\n9.jpg,cat\n",
        "path,lable\n",
        "path,label\n1.jpg,Dog\n",
    ],
)
def test_a_faulty_manifest_changes_nothing(library: Library, photos: Path, text: str) -> None:
    scanned(library, "path,label\n2.jpg,dog\n")
    before = (library.folder / "library.db").read_bytes()
    with pytest.raises(FaultsError):
        scanned(library, text)
    assert (library.folder / "library.db").read_bytes() == before


def test_a_manifest_may_have_any_name(library: Library, photos: Path) -> None:
    Path("m\udcff.csv").write_text("path,label\n1.jpg,cat\n")
    found = scan(library, photos, labels="m\udcff.csv", backend="serial")
    assert found.counts["decisions"] == 1
