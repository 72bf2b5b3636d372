"""Copies of one image of which a manifest says different things."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.labels import export_labels
from curate.scan import Scanned
from curate.splits import SplitPolicy, preview
from curate.store import decisions, facts, runs
from curate.store.decisions import Decision
from curate.store.library import Library

from ..conftest import MakePhoto
from .seen import facts_of, scanned

A = [f"photos/{number}.jpg" for number in (2, 3)]
B = [f"photos/{number}.jpg" for number in (4, 5)]


@pytest.fixture
def photos(photo: MakePhoto, tmp_path: Path) -> Path:
    """Ten photos; 100.jpg is a copy of 1.jpg."""
    for number in range(1, 11):
        photo(f"photos/{number}.jpg", number)
    shutil.copy(tmp_path / "photos/1.jpg", tmp_path / "photos/100.jpg")
    return tmp_path / "photos"


def told(library: Library, *rows: str, **options: Any) -> Scanned:
    Path("m.csv").write_text("\n".join(rows) + "\n")
    return scanned(library, "photos", labels="m.csv", **options)


def bursts(library: Library, first: str, second: str) -> Scanned:
    """Say two photos each of bursts A and B, five alone, and the bursts of 1.jpg and its copy."""
    groups = {1: first, 100: second, 2: "A", 3: "A", 4: "B", 5: "B"}
    rows = [f"{n}.jpg,cat,{groups.get(n, '')}" for n in (*range(1, 11), 100)]
    return told(library, "path,label,group_burst", *rows)


def assigned(library: Library, seed: int = 0) -> pd.DataFrame:
    """Group and split by path, relative to the folder of the library."""
    with library.reading() as connection:
        paths = facts.images(connection).set_index("image_id")["path"]
    policy = SplitPolicy(min_count=1, val=0.3, test=0.3, seed=seed)
    table = preview(library, policy).table.set_index("image_id")
    places = [path.removeprefix(f"{library.root}/") for path in paths.reindex(table.index)]
    return table[["group", "split"]].set_axis(places)


@pytest.mark.parametrize("copies", [("A", "B"), ("B", "A")])
def test_an_image_with_copies_in_two_groups_ties_both(
    library: Library, photos: Path, copies: tuple[str, str]
) -> None:
    bursts(library, *copies)
    for seed in range(10):
        table = assigned(library, seed).loc[["photos/1.jpg", *A, *B]]
        assert table["group"].nunique() == 1
        assert table["split"].nunique() == 1


def test_without_the_copy_the_groups_are_two(library: Library, photos: Path) -> None:
    bursts(library, "A", "A")
    group = assigned(library)["group"]
    assert group["photos/1.jpg"] == group[A[0]] != group[B[0]] == group[B[1]] != ""
    assert "group_burst 2" not in facts_of(library).columns
    split = [assigned(library, seed)["split"] for seed in range(10)]
    assert any(places[[A[0], B[0]]].nunique() == 2 for places in split)


def test_rejecting_the_image_parts_its_groups(library: Library, photos: Path) -> None:
    bursts(library, "A", "B")
    with library.reading() as connection:
        images = facts.images(connection).set_index("path")["image_id"]
    image_id = images[f"{library.root}/photos/1.jpg"]
    with runs.running(library, "label", {}) as run, library.writing() as connection:
        said = Decision("reject", image_id, "blurred", "ann/1", "ann")
        decisions.append(connection, run.run_id, [said])
    group = assigned(library)["group"]
    assert group["photos/1.jpg"] == ""
    assert group[A[0]] == group[A[1]] != group[B[0]] == group[B[1]]


def test_said_again_it_decides_nothing_and_order_does_not_matter(
    library: Library, photos: Path
) -> None:
    bursts(library, "A", "B")
    assert bursts(library, "A", "B").counts["decisions"] == 0
    assert bursts(library, "B", "A").counts["decisions"] == 0


def test_a_group_cleared_or_changed_at_one_copy_parts_the_groups(
    library: Library, photos: Path
) -> None:
    for again in ("", "A"):
        bursts(library, "A", "B")
        assert bursts(library, "A", again).counts["decisions"] == 1
        group = assigned(library)["group"]
        assert group["photos/1.jpg"] == group[A[0]] != group[B[0]]


def test_an_exported_manifest_ties_the_same(library: Library, photos: Path) -> None:
    bursts(library, "A", "B")
    before = assigned(library)
    export_labels(library).to_csv("m.csv", index=False)
    scanned(library, "photos", labels="m.csv")
    assert assigned(library).equals(before)
    assert before["group"].value_counts().to_dict() == {"": 5, before["group"].max(): 5}


@pytest.mark.parametrize(
    ("first", "second", "held", "stated"),
    [
        ("real", "staged", "staged", "real"),
        ("synthetic", "staged", "synthetic", "staged"),
        ("real", "synthetic", "synthetic", "real"),
    ],
)
def test_of_two_origins_the_more_careful_one_holds(
    library: Library, photos: Path, first: str, second: str, held: str, stated: str
) -> None:
    for one, other in ((first, second), (second, first)):
        rows = ["path,label,origin", f"1.jpg,cat,{one}", f"100.jpg,cat,{other}"]
        (row,) = told(library, *rows).conflicts.to_dict("records")
        assert facts_of(library).at["photos/1.jpg", "origin"] == held
        assert (row["label"], row["stated"]) == (held, stated)
        assert row["path"].endswith("/100.jpg" if other == stated else "/1.jpg")
        assert "more careful" in row["reason"]
        assert told(library, *rows).counts["decisions"] == 0


def test_a_copy_that_says_no_origin_contradicts_nothing(library: Library, photos: Path) -> None:
    found = told(library, "path,label,origin", "1.jpg,cat,", "100.jpg,cat,staged")
    assert found.conflicts.empty
    assert facts_of(library).at["photos/1.jpg", "origin"] == "staged"


def test_of_two_splits_the_first_holds_and_the_other_is_reported(
    library: Library, photos: Path
) -> None:
    found = told(library, "path,label,split", "1.jpg,cat,test", "100.jpg,cat,train")
    assert facts_of(library).at["photos/1.jpg", "split"] == "test"
    assert found.conflicts[["label", "stated"]].to_numpy().tolist() == [["test", "train"]]


def test_an_image_that_has_its_place_keeps_it_and_the_manifests_is_reported(
    library: Library, photos: Path
) -> None:
    told(library, "path,label,split", "2.jpg,cat,test", "3.jpg,cat,train")
    found = told(library, "path,label,split", "2.jpg,cat,train", "3.jpg,cat,train", "4.jpg,cat,")
    (row,) = found.conflicts.to_dict("records")
    assert row["path"].endswith("photos/2.jpg")
    assert (row["label"], row["stated"]) == ("test", "train")
    assert row["reason"] == (
        "it has its place in the permanent split; the manifest's split is left aside"
    )
    assert facts_of(library).at["photos/2.jpg", "split"] == "test"
    assert found.counts["conflicts"] == 1
