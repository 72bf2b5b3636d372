"""The committed zoo is what its truth says, and what was promised."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from zoo.files import COLUMNS, FOLDERS
from zoo.files import row as truth_row
from zoo.plan import FULL, THIN, Entry
from zoo.summary import counts_table

from .conftest import Row

Truth = dict[str, Row]


def labelled(truth: Truth, label: str, origin: str = "real") -> list[Row]:
    """Give the distinct images that carry a label."""
    return [
        row
        for row in truth.values()
        if row["folder_label"] == label and row["origin"] == origin and not row["duplicate_of"]
    ]


def in_pool(truth: Truth, **wanted: str) -> list[Row]:
    return [
        row
        for path, row in truth.items()
        if path.startswith("pool/") and all(row[k] == v for k, v in wanted.items())
    ]


def test_truth_names_exactly_the_files_that_exist(zoo: Path, truth: Truth) -> None:
    found = {
        path.relative_to(zoo).as_posix()
        for folder in FOLDERS
        for path in (zoo / folder).rglob("*")
        if path.is_file()
    }
    assert found == set(truth)


def test_truth_is_the_plan_sorted_by_path(zoo: Path, entries: list[Entry]) -> None:
    with (zoo / "truth.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = [tuple(line) for line in csv.reader(stream)]
    assert header == COLUMNS
    assert rows == [truth_row(entry) for entry in entries]
    assert [line[0] for line in rows] == sorted({line[0] for line in rows})


def test_the_whole_zoo_is_small(zoo: Path) -> None:
    sizes = [path.stat().st_size for path in zoo.rglob("*") if path.is_file()]
    assert sum(sizes) < 6_000_000
    assert (zoo / "zoo.jpg").stat().st_size <= 150_000


@pytest.mark.parametrize("name", FULL)
def test_a_full_class_has_45_to_75_real_images(truth: Truth, name: str) -> None:
    assert 45 <= len(labelled(truth, name)) <= 75


@pytest.mark.parametrize("name", THIN)
def test_a_thin_class_just_misses_the_cutoff_and_the_pool_can_lift_it(
    truth: Truth, name: str
) -> None:
    here = labelled(truth, name)
    assert 35 <= len(here) <= 39
    assert sum(row["class"] == name for row in here) >= 34
    assert len(in_pool(truth, **{"class": name, "duplicate_of": ""})) >= 25
    assert not labelled(truth, name, "staged") + labelled(truth, name, "synthetic")


@pytest.mark.parametrize(("name", "origin"), [("penguin", "staged"), ("crocodile", "synthetic")])
def test_two_classes_live_on_arranged_images(truth: Truth, name: str, origin: str) -> None:
    assert len(labelled(truth, name)) < 12
    assert len(labelled(truth, name, origin)) > 30


@pytest.mark.parametrize("name", ["ostrich", "rhinoceros"])
def test_new_animals_are_only_in_the_pool(truth: Truth, name: str) -> None:
    assert not [row for row in truth.values() if row["class"] == name and row["folder_label"]]
    assert len(in_pool(truth, **{"class": name})) == 20


@pytest.mark.parametrize(
    "pair", [("antelope", "gazelle"), ("kangaroo", "wallaby"), ("leopard", "cheetah")]
)
def test_look_alikes_are_a_full_and_a_thin_class(pair: tuple[str, str]) -> None:
    assert pair[0] in FULL
    assert pair[1] in THIN


def test_the_unknown_folder_holds_animals_that_the_library_does_not_name(truth: Truth) -> None:
    strangers = labelled(truth, "unknown")
    assert len(strangers) == 15
    named = {row["folder_label"] for row in truth.values()}
    assert not {row["class"] for row in strangers} & named


def test_a_few_labels_are_wrong(truth: Truth) -> None:
    wrong = [
        row["path"]
        for row in truth.values()
        if row["folder_label"] not in ("", "unknown", row["class"])
    ]
    assert len(wrong) == 8


def test_a_label_is_the_folder_and_a_sub_class_the_folder_below(truth: Truth) -> None:
    for path, row in truth.items():
        kind, *rest = path.split("/")
        if kind == "pool":
            assert row["folder_label"] == ""
            continue
        assert row["folder_label"] == rest[0]
        assert row["origin"] == ("real" if kind == "library" else kind)
        if kind == "library" and len(rest) == 3 and row["class"] == rest[0]:
            assert row["sub_class"] == rest[1]


def test_pool_names_give_nothing_away(truth: Truth) -> None:
    known = {row["class"] for row in truth.values()} - {""}
    for row in in_pool(truth):
        assert not any(name in row["path"] for name in known)


def test_exact_copies_are_equal_and_near_ones_are_not(
    zoo: Path, truth: Truth, entries: list[Entry]
) -> None:
    copies = [entry for entry in entries if entry.duplicate_of]
    assert Counter(entry.made == "copy" for entry in copies) == {True: 13, False: 12}
    for entry in copies:
        same = (zoo / entry.path).read_bytes() == (zoo / entry.duplicate_of).read_bytes()
        assert same == (entry.made == "copy"), entry.path
        assert truth[entry.path]["class"] == truth[entry.duplicate_of]["class"]


def test_no_other_files_are_equal(zoo: Path, truth: Truth) -> None:
    contents = Counter(
        (zoo / path).read_bytes() for path, row in truth.items() if not row["duplicate_of"]
    )
    assert set(contents.values()) == {1}


def test_a_family_has_two_members_or_more_of_one_animal(truth: Truth) -> None:
    families: dict[str, set[tuple[str, str]]] = {}
    sizes = Counter(row["burst"] for row in truth.values() if row["burst"])
    for row in truth.values():
        if row["burst"]:
            families.setdefault(row["burst"], set()).add((row["class"], row["sub_class"]))
    assert min(sizes.values()) >= 2
    assert all(len(animals) == 1 for animals in families.values())
    assert sum(name.startswith("library-") for name in sizes) == 12
    assert sum(name.startswith("pool-") for name in sizes) == 4


def test_broken_files_do_not_open_and_all_others_do(zoo: Path, truth: Truth) -> None:
    def opens(path: str) -> bool:
        try:
            with Image.open(io.BytesIO((zoo / path).read_bytes())) as picture:
                picture.load()
        except (OSError, SyntaxError):
            return False
        return True

    broken = {path for path, row in truth.items() if row["junk"] == "broken"}
    assert {path for path in truth if not opens(path)} == broken
    assert len(broken) == 8


def test_one_picture_is_a_png_under_the_name_of_a_jpeg(zoo: Path, truth: Truth) -> None:
    wrong = [p for p in truth if (zoo / p).read_bytes()[:4] == b"\x89PNG" and not truth[p]["junk"]]
    assert len(wrong) == 1
    assert wrong[0].endswith(".jpg")


def test_junk_shows_no_class(truth: Truth) -> None:
    junk = Counter(row["junk"] for row in truth.values() if row["junk"])
    assert junk == {"blank": 12, "dark": 12, "blurred": 16, "empty": 20, "broken": 8}
    assert all(row["class"] == row["sub_class"] == "" for row in truth.values() if row["junk"])


def test_odd_names_are_there(truth: Truth) -> None:
    names = [path.rsplit("/", 1)[1] for path in truth]
    assert any(name.startswith("-") for name in names)
    assert any(" " in name for name in names)
    assert any(not name.isascii() for name in names)


def test_the_readme_shows_the_table_that_the_script_prints(zoo: Path, entries: list[Entry]) -> None:
    assert counts_table(entries) in (zoo / "README.md").read_text(encoding="utf-8")
