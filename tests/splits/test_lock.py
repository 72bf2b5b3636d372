"""A lock makes its split again, bit for bit, or says what is different."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import FaultsError, InputError
from curate.splits import (
    SplitPolicy,
    read_lock,
    split,
    split_and_lock,
    split_from_lock,
    write_lock,
)
from curate.splits.lock import inputs, places_digest, table_digest
from curate.store import decisions, facts, schema
from curate.store.library import Library, opened
from tests.store.made import decide, file_row, put_files, said

POLICY = SplitPolicy(min_count=5, val=0.2, test=0.2, benchmark=0.1, seed=3)
IDS = [f"image{number:02d}" for number in range(40)]


def fill(library: Library, ids: list[str]) -> None:
    """Forty images: two classes, bursts of two in one of them, one staged image."""
    put_files(library, *(file_row(f"/photos/{name}.jpg".encode(), name) for name in ids))
    made = []
    for name in ids:
        number = IDS.index(name) if name in IDS else 99
        made.append(said("label", name, "cat" if number % 2 else "dog"))
        if number % 2:
            made.append(said("group", name, str(number // 4), field="burst"))
    decide(library, *made)


@pytest.fixture
def kept(library: Library) -> Library:
    fill(library, IDS)
    decide(library, said("origin", IDS[0], "staged"))
    return library


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Library]:
    """Another library of the same images, in another order, at other paths."""
    with opened(tmp_path / "other", make=True) as made:
        fill(made, IDS[::-1])
        decide(made, said("origin", IDS[0], "staged"))
        yield made


def locked(library: Library, policy: SplitPolicy = POLICY) -> tuple[pd.DataFrame, Path]:
    assignment, lock = split_and_lock(library, policy)
    path = library.root / "split.lock.json"
    write_lock(lock, path)
    return assignment.table, path


def decided(library: Library) -> pd.DataFrame:
    with library.reading() as connection:
        return decisions.current(connection, "split")


def test_the_same_library_gives_the_same_table(kept: Library) -> None:
    table, path = locked(kept)
    before = decided(kept)
    again = split_from_lock(kept, path).table
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(decided(kept), before)


def test_so_it_does_after_a_first_split_and_another_of_the_same(kept: Library) -> None:
    split(kept, SplitPolicy(min_count=5, val=0.3))
    fill(kept, [f"later{number}" for number in range(6)])
    table, path = locked(kept)
    kinds = set(table["reason"].str.partition(" ")[0])
    assert kinds >= {"stays", "drawn"}
    split(kept, POLICY)
    pd.testing.assert_frame_equal(split_from_lock(kept, path).table, table)


def test_a_new_library_of_the_same_images_gets_the_split(kept: Library, other: Library) -> None:
    table, path = locked(kept)
    again = split_from_lock(other, path).table
    pd.testing.assert_frame_equal(again, table)
    now = decided(other).set_index("image_id")["value"]
    placed = table[table["split"] != ""].set_index("image_id")["split"]
    assert now[now != ""].sort_index().to_dict() == placed.to_dict()
    pd.testing.assert_frame_equal(split_from_lock(other, path).table, table)


def test_a_move_is_made_again_too(kept: Library) -> None:
    first, _ = locked(kept)
    goes = first.loc[(first["split"] == "train") & (first["origin"] == "real"), "image_id"].iloc[0]
    assignment, lock = split_and_lock(kept, POLICY, {goes: "val"})
    write_lock(lock, kept.root / "moved.json")
    moved = assignment.table.set_index("image_id")
    assert moved.at[goes, "split"] == "val"
    again = split_from_lock(kept, kept.root / "moved.json").table
    pd.testing.assert_frame_equal(again, assignment.table)


def relabel(library: Library) -> None:
    decide(library, said("label", IDS[4], "cat"))


def regroup(library: Library) -> None:
    decide(library, said("group", IDS[4], "new", field="camera"))


def reject(library: Library) -> None:
    decide(library, said("reject", IDS[4], "blurred"))


def stage(library: Library) -> None:
    decide(library, said("origin", IDS[4], "synthetic"))


def grow(library: Library) -> None:
    put_files(library, file_row(b"/photos/new.jpg", "new"))


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (relabel, r"inputs: label \(differs\); 40 images here, 40 in the lock"),
        (regroup, r"inputs: group_camera \(only here\)"),
        (reject, r"inputs: unusable_reason \(differs\), usable \(differs\)"),
        (stage, r"inputs: origin \(differs\)"),
        (grow, r"inputs: image_id \(differs\); 41 images here, 40 in the lock"),
    ],
)
def test_other_inputs_are_named_and_nothing_changes(
    kept: Library, change: Callable[[Library], None], differs: str
) -> None:
    _, path = locked(kept)
    change(kept)
    before = decided(kept)
    with pytest.raises(FaultsError, match=differs):
        split_from_lock(kept, path)
    pd.testing.assert_frame_equal(decided(kept), before)


def test_other_earlier_places_are_named(kept: Library, other: Library) -> None:
    split(kept, replace(POLICY, val=0.3))
    _, path = locked(kept)
    with pytest.raises(FaultsError, match="previous: the places that images had before"):
        split_from_lock(other, path)
    split(other, replace(POLICY, val=0.3))
    split_from_lock(other, path)


def test_all_that_differs_is_named_together(kept: Library, other: Library) -> None:
    split(kept, replace(POLICY, val=0.3))
    _, path = locked(kept)
    relabel(other)
    with pytest.raises(FaultsError) as caught:
        split_from_lock(other, path)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["inputs", "previous"]


def test_a_library_that_was_split_otherwise_since_does_not_move(
    kept: Library,
) -> None:
    table, path = locked(kept)
    goes = table.loc[(table["split"] == "train") & (table["origin"] == "real"), "image_id"].iloc[0]
    split(kept, POLICY, {goes: "val"})
    before = decided(kept)
    with pytest.raises(FaultsError, match=r"since then: the library was split otherwise \(1 of"):
        split_from_lock(kept, path)
    pd.testing.assert_frame_equal(decided(kept), before)


def test_another_outcome_of_the_same_is_said(kept: Library) -> None:
    _, path = locked(kept)
    content = json.loads(path.read_text())
    content["table"], content["curate"] = "0" * 32, "0.0.1"
    path.write_text(json.dumps(content))
    with pytest.raises(FaultsError, match=r"assignment: .*made by curate 0\.0\.1, this is"):
        split_from_lock(kept, path)


def test_another_policy_is_another_outcome(kept: Library) -> None:
    _, path = locked(kept)
    content = json.loads(path.read_text())
    content["policy"]["seed"] = 4
    path.write_text(json.dumps(content))
    with pytest.raises(FaultsError, match="assignment: "):
        split_from_lock(kept, path)


def test_the_file_is_the_same_for_the_same_split(kept: Library, other: Library) -> None:
    _, path = locked(kept)
    _, second = locked(other)
    one, two = (json.loads(file.read_text()) for file in (path, second))
    # Only where the log stood differs: it is a log of this library.
    del one["decisions"], two["decisions"]
    assert one == two
    lock = read_lock(path)
    write_lock(lock, path.with_name("copy.json"))
    assert path.with_name("copy.json").read_bytes() == path.read_bytes()
    assert list(json.loads(path.read_text())) == sorted(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("content", "said_"),
    [
        ("{", "is not JSON"),
        ("[]", "is no lock file"),
        ('{"format": 2}', "was made by another version"),
        ('{"format": 1}', "is no whole lock file"),
        ('{"format": 1, "policy": {"min_cuont": 3}}', "is no whole lock file"),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, content: str, said_: str) -> None:
    (tmp_path / "lock.json").write_text(content)
    with pytest.raises(InputError, match=said_):
        read_lock(tmp_path / "lock.json")


def test_a_lock_with_wrong_values_is_refused(kept: Library) -> None:
    _, path = locked(kept)
    for name, value in (("inputs", []), ("table", 7), ("decisions", "3"), ("more", "x")):
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
        with pytest.raises(InputError, match=f"is no whole lock file.*{name}"):
            read_lock(path)
        _, path = locked(kept)


def test_a_missing_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_lock(tmp_path / "lock.json")


def test_what_the_keep_rule_reads_counts_where_something_may_be_cut(kept: Library) -> None:
    with kept.reading() as connection:
        images = facts.images(connection)
    images["quality"] = 0.5
    by_quality = SplitPolicy(min_count=5, keep="quality")
    assert "quality" in inputs(images, by_quality)
    assert "quality" not in inputs(images, replace(by_quality, max_count=None))
    assert "quality" not in inputs(images, SplitPolicy(min_count=5, keep="random"))


def test_a_column_without_a_value_is_as_good_as_none(kept: Library) -> None:
    with kept.reading() as connection:
        images = facts.images(connection)
    bare = inputs(images, POLICY)
    assert bare == inputs(images.assign(group_camera=None, phash=None), POLICY)
    assert bare != inputs(images.assign(group_camera="7"), POLICY)


def test_digests_do_not_depend_on_the_order_of_rows(kept: Library) -> None:
    with kept.reading() as connection:
        images = facts.images(connection)
    mixed = images.sample(frac=1, random_state=1)
    assert inputs(images, POLICY) == inputs(mixed, POLICY)
    places = pd.DataFrame({"image_id": IDS, "split": ["train", "val"] * 20})
    assert places_digest(places) == places_digest(places.iloc[::-1])
    assert places_digest(places) != places_digest(places.assign(split="train"))
    assert table_digest(places) != table_digest(places.assign(split="train"))


def test_the_log_is_not_changed_by_a_lock(kept: Library) -> None:
    _, path = locked(kept)
    lock = read_lock(path)
    with kept.reading() as connection:
        last = connection.exec_driver_sql(f"SELECT max(seq) FROM {schema.decisions}").scalar()
    assert last is not None
    assert 0 < lock.decisions < last
