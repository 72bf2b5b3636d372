"""Any split that is written down: each fault planted alone is found, and a good one has none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from curate.core.identity import file_id
from curate.formats.split_files import read_split
from curate.formats.trees import write_tree
from curate.splits import SplitPolicy, check, split
from curate.splits.check import Checked
from curate.splits.lock import make_lock
from curate.store import facts
from curate.store.library import Library
from tests.conftest import MakePhoto

from .made import listing, put, tell

LOOSE = SplitPolicy(min_count=1, max_count=None)
SPLITS = ("train", "train", "val", "val", "test", "test")


@pytest.fixture
def photos(photo: MakePhoto) -> list[Path]:
    return [photo(f"photos/{number}.jpg", seed=number) for number in range(6)]


@pytest.fixture
def ids(library: Library, photos: list[Path]) -> list[str]:
    """Six images of the library, all cats."""
    ids = put(library, *photos)
    for image_id in ids:
        tell(library, image_id, label="cat")
    return ids


def stranger(folder: Path, photos: list[Path], splits: tuple[str, ...] = SPLITS) -> Path:
    return listing(folder, file=[str(p.relative_to(folder)) for p in photos], subset=list(splits))


def found(checked: Checked) -> list[tuple[str, str, str]]:
    return list(checked.faults.itertuples(index=False, name=None))


def test_a_good_file_of_a_stranger_has_no_fault(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    checked = check(read_split(stranger(tmp_path, photos)), LOOSE, library)
    assert found(checked) == []
    assert checked.counts == {
        "rows": 6, "images": 6, "known": 6, "test": 2, "train": 2, "val": 2,
    }  # fmt: skip


def test_a_file_of_ours_has_no_fault_nor_has_its_tree(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    policy = SplitPolicy(min_count=6, val=0.2, test=0.2)
    table = split(library, policy).table
    table["path"] = table["image_id"].map(dict(zip(ids, map(str, photos), strict=True)))
    table.to_csv(tmp_path / "ours.csv", index=False)
    source = read_split(tmp_path / "ours.csv")
    assert source.ours
    assert found(check(source, policy, library)) == []
    for copy in (False, True):
        write_tree(table, tmp_path / "tree", copy=copy)
        checked = check(read_split(tmp_path / "tree"), policy, library)
        assert found(checked) == []
        assert checked.counts["known"] == 6


def test_nothing_is_written_to_the_library(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    before = (library.folder / "library.db").read_bytes()
    check(read_split(stranger(tmp_path, photos)), LOOSE, library)
    assert (library.folder / "library.db").read_bytes() == before


def reject(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], reject="blurred")


def unknown(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], label="unknown")


def unlabelled(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], label="")


def stage(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], origin="staged")


def tie(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], group_burst="7")
    tell(library, ids[0], group_burst="7")


def near(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], group_duplicates="g")
    tell(library, ids[0], group_duplicates="g")


def freeze(library: Library, ids: list[str]) -> None:
    tell(library, ids[3], split="benchmark")


@pytest.mark.parametrize(
    ("plant", "fault", "said"),
    [
        (reject, "unusable", "it lies in val, and the library says: rejected: blurred"),
        (unknown, "unknown", "an image labelled unknown lies in val"),
        (unlabelled, "unknown", "an image without a label lies in val"),
        (stage, "staged", "a staged image lies in val"),
        (freeze, "benchmark", "is of the frozen benchmark and lies in val"),
    ],
)
def test_what_the_library_knows_of_an_image_counts(
    library: Library,
    ids: list[str],
    photos: list[Path],
    tmp_path: Path,
    plant: Callable[[Library, list[str]], None],
    fault: str,
    said: str,
) -> None:
    plant(library, ids)
    checked = check(read_split(stranger(tmp_path, photos)), LOOSE, library)
    assert found(checked) == [(fault, "line 5: photos/3.jpg", said)]


@pytest.mark.parametrize(("plant", "group"), [(tie, "burst 7"), (near, "duplicates g")])
def test_a_group_of_the_library_may_not_cross(
    library: Library,
    ids: list[str],
    photos: list[Path],
    tmp_path: Path,
    plant: Callable[[Library, list[str]], None],
    group: str,
) -> None:
    plant(library, ids)
    checked = check(read_split(stranger(tmp_path, photos)), LOOSE, library)
    assert found(checked) == [
        (
            "group",
            group,
            "its images lie in train and val: line 2: photos/0.jpg in train, "
            "line 5: photos/3.jpg in val",
        )
    ]


def test_a_label_of_the_file_does_not_make_an_image_known(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    tell(library, ids[0], label="unknown")
    file = listing(tmp_path, path=[str(photos[0])], split=["train"], label=["cat"])
    assert found(check(read_split(file), LOOSE, library)) == [
        ("unknown", f"line 2: {photos[0]}", "it lies in train, and the library says: unknown")
    ]


def test_what_is_frozen_may_not_be_missing_where_there_is_a_benchmark(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    for image_id in ids[:2]:
        tell(library, image_id, split="benchmark")
    rest = stranger(tmp_path, photos[2:], SPLITS[2:])
    checked = check(read_split(rest), LOOSE, library)
    assert found(checked) == []
    assert "the library's frozen benchmark (2 images) has no place in this file" in checked.notes
    some = stranger(tmp_path, photos[1:], ("benchmark", *SPLITS[2:]))
    assert found(check(read_split(some), LOOSE, library)) == [
        ("benchmark", ids[0], "is of the frozen benchmark and has no place here")
    ]


def test_what_is_near_the_benchmark_may_not_be_used_though_that_is_not_in_the_file(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    tie(library, ids)
    tell(library, ids[0], split="benchmark")
    checked = check(read_split(stranger(tmp_path, photos[1:], SPLITS[1:])), LOOSE, library)
    assert [row[:2] for row in found(checked)] == [("group", "burst 7")]
    assert f"the library's {ids[0]} in benchmark" in found(checked)[0][2]


def test_what_is_frozen_may_be_staged_and_rejected(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    freeze(library, ids)
    stage(library, ids)
    reject(library, ids)
    file = stranger(tmp_path, photos, ("train", "train", "val", "benchmark", "test", "test"))
    assert found(check(read_split(file), LOOSE, library)) == []


def test_one_image_in_two_splits_is_found_by_name_and_by_content(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    shutil.copy(photos[1], tmp_path / "copy.jpg")
    file = listing(
        tmp_path,
        path=["photos/0.jpg", "photos/0.jpg", "photos/1.jpg", "copy.jpg"],
        split=["train", "val", "train", "test"],
    )
    assert found(check(read_split(file), LOOSE, library)) == [
        (
            "twice",
            "line 2: photos/0.jpg",
            "the same image lies in train (line 2: photos/0.jpg) and in val (line 3: photos/0.jpg)",
        ),
        (
            "copy",
            "line 4: photos/1.jpg",
            "the same content lies in train (line 4: photos/1.jpg) and in test (line 5: copy.jpg)",
        ),
    ]


def test_copies_are_found_without_a_library(photos: list[Path], tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "photos", tmp_path / "set/train/cat")
    (tmp_path / "set/test/cat").mkdir(parents=True)
    shutil.copy(photos[2], tmp_path / "set/test/cat/other.jpg")
    checked = check(read_split(tmp_path / "set"), LOOSE)
    assert [row[:2] for row in found(checked)] == [("copy", "test/cat/other.jpg")]
    assert checked.counts["known"] == 0
    assert "6 of 6 images are not in the library" in checked.notes[0]
    assert "curate duplicates --across" in checked.notes[0]


def test_copies_in_one_split_are_one_image(photos: list[Path], tmp_path: Path) -> None:
    shutil.copy(photos[0], tmp_path / "copy.jpg")
    file = listing(
        tmp_path,
        path=["photos/0.jpg", "copy.jpg"],
        split=["train", "train"],
        label=["cat", "cat"],
    )
    checked = check(read_split(file), replace(LOOSE, min_count=2))
    assert found(checked) == [("min-count", "cat", "counts 1 of 2 groups needed")]
    assert checked.counts["images"] == 1


def test_a_known_image_elsewhere_is_known_by_its_content(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    reject(library, ids)
    shutil.copytree(tmp_path / "photos", tmp_path / "set/val/cat")
    checked = check(read_split(tmp_path / "set"), LOOSE, library)
    assert checked.counts["known"] == 6
    assert [row[:2] for row in found(checked)] == [("unusable", "val/cat/3.jpg")]


def test_images_that_do_not_exist(library: Library, ids: list[str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    file = listing(
        tmp_path,
        path=["nowhere.jpg", "", "", "", "folder"],
        image_id=["", "f" * 32, ids[0], "e" * 32, ""],
        split=["train", "train", "train", "", "val"],
    )
    assert found(check(read_split(file), LOOSE, library)) == [
        ("missing", "line 2: nowhere.jpg", "no such file or directory"),
        (
            "missing",
            f"line 3: {'f' * 32}",
            "no image of the library has this id, and no path is given",
        ),
        ("missing", "line 6: folder", "not a regular file"),
    ]


def test_an_id_that_belongs_to_another_path(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    file = listing(
        tmp_path,
        path=["photos/0.jpg", "photos/1.jpg"],
        image_id=[ids[3], "12"],
        split=["train", "train"],
    )
    assert found(check(read_split(file), LOOSE, library)) == [
        (
            "identity",
            "line 2: photos/0.jpg",
            f"its image_id is {ids[3]}, its path leads to {ids[0]}",
        )
    ]


def test_words_of_the_file_are_checked(photos: list[Path], tmp_path: Path) -> None:
    file = listing(
        tmp_path,
        path=[f"photos/{n}.jpg" for n in range(6)],
        split=["train", "holdout", "val", "test", "train", "val"],
        label=["cat", "cat", "", "cat", "unknown", "cat"],
        origin=["real", "", "real", "synthetic", "drawn", ""],
        group_burst=["a", "", "", "b", "b", "a"],
    )
    assert [row[:2] for row in found(check(read_split(file), LOOSE))] == [
        ("split", "line 3: photos/1.jpg"),
        ("origin", "line 6: photos/4.jpg"),
        ("group", "burst a"),
        ("group", "burst b"),
        ("staged", "line 5: photos/3.jpg"),
        ("unknown", "line 4: photos/2.jpg"),
        ("unknown", "line 6: photos/4.jpg"),
    ]


def test_groups_of_the_file_and_of_the_library_are_not_mixed(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    tell(library, ids[0], group_burst="7")
    file = listing(
        tmp_path,
        path=["photos/0.jpg", "photos/2.jpg"],
        split=["train", "val"],
        group_burst=["1", "7"],
    )
    assert found(check(read_split(file), LOOSE, library)) == []
    tell(library, ids[2], group_burst="7")
    assert [row[:2] for row in found(check(read_split(file), LOOSE, library))] == [
        ("group", "library's burst 7")
    ]


def test_cutoffs_go_by_the_labels_of_the_library_where_the_file_has_none(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    source = read_split(stranger(tmp_path, photos))
    assert found(check(source, SplitPolicy(min_count=7), library)) == [
        ("min-count", "cat", "counts 6 of 7 groups needed")
    ]
    assert found(check(source, SplitPolicy(min_count=1, max_count=5), library)) == [
        ("max-count", "cat", "6 images used of 5 allowed")
    ]


def test_the_lock_says_whether_it_is_its_assignment(
    library: Library, ids: list[str], photos: list[Path], tmp_path: Path
) -> None:
    table = pd.DataFrame({"image_id": ids, "split": [*SPLITS[:5], "benchmark"]})
    with library.reading() as connection:
        images = facts.images(connection)
    lock = make_lock(images, LOOSE, table[:0], {}, 0, table)
    source = read_split(stranger(tmp_path, photos, tuple(table["split"])))
    assert found(check(source, LOOSE, library, lock)) == []
    other = read_split(stranger(tmp_path, photos, ("val", "train", "train", "test", "test", "")))
    assert found(check(other, LOOSE, library, lock)) == [
        ("benchmark", "lock", "the benchmark is not the one of the lock"),
        (
            "lock",
            "lock",
            "the assignment is not the one of the lock: val has 1 images, 2 in the lock; "
            "test has 2 images, 1 in the lock; benchmark has 0 images, 1 in the lock",
        ),
    ]
    swapped = read_split(
        stranger(tmp_path, photos, ("val", "train", "train", "val", "test", "benchmark"))
    )
    assert "not the same ones" in found(check(swapped, LOOSE, library, lock))[0][2]


def test_ids_are_those_of_the_content(photos: list[Path], library: Library, ids: list[str]) -> None:
    assert ids == [file_id(photo) for photo in photos]
