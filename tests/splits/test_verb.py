"""The permanent split in the library: moves are remembered, and everything else stays."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from curate.core.errors import FaultsError
from curate.splits import SplitPolicy, preview, split, split_folds
from curate.splits.placed import MOVER, STAGE, last_number, placed
from curate.store import decisions, facts
from curate.store.library import Library
from tests.store.made import decide, file_row, put_files, said

POLICY = SplitPolicy(min_count=5, val=0.2, test=0.2)
IDS = [f"cat{number:02d}" for number in range(20)]


def grown(library: Library, ids: list[str]) -> None:
    put_files(library, *(file_row(f"/photos/{name}.jpg".encode(), name) for name in ids))
    decide(library, *(said("label", name, "cat") for name in ids))


@pytest.fixture
def cats(library: Library) -> Library:
    """Twenty cats, split; the first four are a burst."""
    grown(library, IDS)
    decide(library, *(said("group", name, "b", field="burst") for name in IDS[:4]))
    split(library, POLICY)
    return library


def places(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["image_id"], table["split"], strict=True))


def permanent(library: Library) -> dict[str, str]:
    with library.reading() as connection:
        return places(facts.images(connection))


def one_in(library: Library, name: str) -> str:
    """The first image that lies in a split and is alone."""
    return next(image for image in IDS[4:] if permanent(library)[image] == name)


def test_an_image_moves_and_stays_there(cats: Library) -> None:
    image, before = one_in(cats, "train"), permanent(cats)
    split(cats, POLICY, {image: "val"})
    assert permanent(cats) == {**before, image: "val"}
    assert split(cats, POLICY).table.set_index("image_id").at[image, "reason"] == "stays in val"
    assert permanent(cats) == {**before, image: "val"}


def test_a_group_moves_whole(cats: Library) -> None:
    home = permanent(cats)[IDS[0]]
    to = "val" if home != "val" else "test"
    split(cats, POLICY, {IDS[1]: to})
    assert {permanent(cats)[name] for name in IDS[:4]} == {to}


@pytest.mark.parametrize("image", [IDS[0], IDS[7]])
def test_what_is_left_out_stays_out_until_it_is_moved_again(cats: Library, image: str) -> None:
    before = permanent(cats)
    with_it = [name for name in IDS[:4] if image in IDS[:4]] or [image]
    split(cats, POLICY, {image: "out"})
    out = {**before, **dict.fromkeys(with_it, "")}
    assert permanent(cats) == out
    grown(cats, ["new"])
    again = split(cats, POLICY)
    assert {**permanent(cats), "new": ""} == {**out, "new": ""}
    reasons = again.table.set_index("image_id")["reason"]
    assert set(reasons[with_it]) == {"left out as asked"}
    split(cats, POLICY, {image: "test"})
    assert permanent(cats)[image] == "test"
    split(cats, POLICY)
    assert permanent(cats)[image] == "test"


def test_new_mates_of_what_is_left_out_are_not(cats: Library) -> None:
    split(cats, POLICY, {IDS[0]: "out"})
    grown(cats, ["mate"])
    decide(cats, said("group", "mate", "b", field="burst"))
    split(cats, POLICY)
    assert permanent(cats)["mate"] != ""


def test_an_image_that_lost_its_place_comes_back_to_it(cats: Library) -> None:
    before = permanent(cats)
    decide(cats, said("reject", IDS[9], "blurred"))
    split(cats, POLICY)
    assert permanent(cats)[IDS[9]] == ""
    decide(cats, said("reject", IDS[9], ""))
    split(cats, POLICY)
    assert permanent(cats) == before


def test_moves_that_cannot_be_made_change_nothing(cats: Library) -> None:
    split(cats, replace(POLICY, benchmark=0.0), {one_in(cats, "train"): "benchmark"})
    frozen = next(name for name, where in permanent(cats).items() if where == "benchmark")
    before = permanent(cats)
    with pytest.raises(FaultsError, match="frozen benchmark"):
        split(cats, POLICY, {frozen: "train"})
    with pytest.raises(FaultsError, match="nobody"):
        split(cats, POLICY, {"nobody": "train"})
    assert permanent(cats) == before


def test_what_a_person_placed_says_so_in_the_log(cats: Library) -> None:
    image = one_in(cats, "train")
    split(cats, POLICY, {image: "val"})
    with cats.reading() as connection:
        log = decisions.current(connection, "split").set_index("image_id")
    assert log.at[image, "actor"] == MOVER
    assert set(log["actor"].drop(image)) == {STAGE}


def test_a_preview_of_a_move_writes_nothing(cats: Library) -> None:
    image, before = one_in(cats, "train"), permanent(cats)
    assert places(preview(cats, POLICY, {image: "val"}).table)[image] == "val"
    assert permanent(cats) == before


def test_the_log_gives_the_places_of_any_time(cats: Library) -> None:
    image, before = one_in(cats, "train"), permanent(cats)
    with cats.reading() as connection:
        number = last_number(connection)
    split(cats, POLICY, {image: "out"})
    with cats.reading() as connection:
        assert places(placed(connection, number)) == before
        assert places(placed(connection)) == {**before, image: ""}
        assert placed(connection, 0).empty


def test_folds_leave_the_split_as_it_is(cats: Library) -> None:
    with cats.reading() as connection:
        number = last_number(connection)
    table = split_folds(cats, POLICY, 4).set_index("image_id")
    assert sorted(table["fold"].unique()) == [0, 1, 2, 3]
    assert table.loc[IDS[:4], "fold"].nunique() == 1
    with cats.reading() as connection:
        assert last_number(connection) == number


def test_what_is_left_out_is_in_no_fold(cats: Library) -> None:
    split(cats, POLICY, {IDS[7]: "out"})
    table = split_folds(cats, POLICY, 4).set_index("image_id")
    assert table.loc[table["fold"].isna()].index.to_list() == [IDS[7]]
