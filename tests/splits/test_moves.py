"""Moves that a user asks for: whole groups, or one side of a conflict left out."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curate.core.errors import FaultsError
from curate.splits import SPLITS, Assignment, assign

from .libraries import SMALL, Case, cases, earlier, library, some
from .test_laws import attempt, crossings


def moves(**splits: str) -> pd.DataFrame:
    """Moves written as image=split."""
    return pd.DataFrame({"image_id": list(splits), "split": list(splits.values())})


def row(answer: Assignment, name: str) -> tuple[str, str]:
    line = answer.table.set_index("image_id").loc[name]
    return str(line["split"]), str(line["reason"])


def test_a_group_moves_whole_and_the_move_is_a_change() -> None:
    images = some(20, "zebra", group_burst=["1", "1", "1", *[None] * 17])
    before = assign(images, SMALL, earlier(train=["zebra000", "zebra001"])).table
    answer = assign(images, SMALL, before, moves(zebra001="test"))
    assert row(answer, "zebra001") == ("test", "moved to test as asked")
    for name in ("zebra000", "zebra002"):
        assert row(answer, name) == ("test", "moved to test with image zebra001, as asked")
    assert list(answer.changes["image_id"]) == ["zebra000", "zebra001", "zebra002"]
    assert set(answer.changes["was"]) == {"train"}
    assert set(answer.changes["now"]) == {"test"}


def test_an_image_can_be_moved_into_the_benchmark_and_is_frozen_there() -> None:
    images = some(20, "zebra")
    answer = assign(images, SMALL, earlier(train=["zebra000"]), moves(zebra000="benchmark"))
    assert row(answer, "zebra000") == ("benchmark", "moved to benchmark as asked")
    again = assign(images, SMALL, answer.table)
    assert row(again, "zebra000") == ("benchmark", "frozen in the benchmark")


def test_an_image_is_left_out_with_its_group() -> None:
    images = some(20, "zebra", group_burst=["1", "1", *[None] * 18])
    before = assign(images, SMALL).table
    answer = assign(images, SMALL, before, moves(zebra000=""))
    assert row(answer, "zebra000") == ("", "left out as asked")
    assert row(answer, "zebra001") == ("", "left out with image zebra000, as asked")
    assert list(answer.changes["image_id"]) == ["zebra000", "zebra001"]


def torn() -> tuple[pd.DataFrame, pd.DataFrame]:
    images = some(20, "zebra", group_burst=["1", "1", "1", *[None] * 17])
    return images, earlier(train=["zebra000", "zebra001"], test=["zebra002"])


@pytest.mark.parametrize("to", ["train", "val", "test"])
def test_moving_one_side_ends_a_conflict(to: str) -> None:
    images, before = torn()
    assert len(assign(images, SMALL, before).conflicts) == 3
    answer = assign(images, SMALL, before, moves(zebra002=to))
    assert answer.conflicts.empty
    assert {row(answer, f"zebra00{i}")[0] for i in range(3)} == {to}


def test_leaving_one_side_out_ends_a_conflict() -> None:
    images, before = torn()
    answer = assign(images, SMALL, before, moves(zebra000=""))
    assert answer.conflicts.empty
    assert [row(answer, f"zebra00{i}")[0] for i in range(3)] == ["", "", "test"]


def test_one_side_can_be_left_out_while_the_other_moves() -> None:
    images, before = torn()
    answer = assign(images, SMALL, before, moves(zebra000="", zebra002="val"))
    assert [row(answer, f"zebra00{i}")[0] for i in range(3)] == ["", "", "val"]


def test_the_ways_out_that_are_named_are_ways_out() -> None:
    images = library(
        some(20, "zebra"),
        some(2, "a", label="zebra", group_burst="1"),
        some(2, "b", label="zebra", group_burst="2", group_animal="Marty"),
        some(1, "n", label="zebra", group_burst="1", group_animal="Marty"),
    )
    before = earlier(train=["a000"], benchmark=["b000"])
    named = str(assign(images, SMALL, before).conflicts.at[0, "ways_out"])
    assert "--apart n000 b000`" in named
    assert "--move a000=benchmark`" in named
    assert "--move n000=out`" in named
    assert assign(images, SMALL, before, moves(a000="benchmark")).conflicts.empty
    assert assign(images, SMALL, before, moves(n000="")).conflicts.empty


@pytest.mark.parametrize("other", ["test", "benchmark"])
def test_the_ways_out_hold_where_all_that_is_tied_has_one_value(other: str) -> None:
    # So near-duplicates come: what ties a000 and b000 is n000 alone, and yet they share a value.
    images = library(
        some(20, "zebra"),
        *(some(1, name, label="zebra", group_duplicates="1") for name in ("a", "b", "n")),
    )
    before = earlier(train=["a000"], **{other: ["b000"]})
    conflicts = assign(images, SMALL, before).conflicts.set_index("image_id")["ways_out"]
    assert "--apart n000 b000`" in conflicts["n000"]
    assert "--apart n000 b000`" in conflicts["a000"]
    assert "--move a000=out`" in conflicts["n000"]
    assert assign(images, SMALL, before, moves(a000="")).conflicts.empty
    assert f"--move a000={other}`" in conflicts["n000"]
    assert assign(images, SMALL, before, moves(a000=other)).conflicts.empty


def test_an_image_that_ties_two_splits_takes_both_sides_along() -> None:
    images = library(
        some(20, "zebra"),
        some(1, "a", label="zebra", group_burst="1"),
        some(1, "b", label="zebra", group_animal="Marty"),
        some(1, "n", label="zebra", group_burst="1", group_animal="Marty"),
    )
    answer = assign(images, SMALL, earlier(train=["a000"], test=["b000"]), moves(n000="val"))
    assert {row(answer, name)[0] for name in ("a000", "b000", "n000")} == {"val"}
    assert answer.conflicts.empty


def test_all_faults_of_moves_come_together() -> None:
    images = library(
        some(20, "zebra", group_burst=["1", "1", "2", "2", *[None] * 16]),
        some(1, "s", label="zebra", origin="staged", group_burst="2"),
        some(2, "emu"),
        some(1, "x", label=None),
    )
    asked = moves(
        zebra000="train", zebra001="", zebra002="val", s000="test", emu000="val", x000="val"
    )
    before = earlier(benchmark=["zebra000", "zebra001"])
    with pytest.raises(FaultsError) as caught:
        assign(images, SMALL, before, asked)
    assert sorted(caught.value.faults) == [
        "image emu000 cannot go to val: emu has 2 of 10 usable groups; 8 short",
        "image s000 cannot be moved to val with image zebra002 and moved to test with image s000",
        "image s000 cannot go to test: it is not real, and only trains",
        "image x000 cannot go to val: no label",
        "image zebra000 cannot go to train: it is in the frozen benchmark",
        "image zebra001 is in the frozen benchmark, which it never leaves",
        "image zebra002 cannot go to val: image s000 of its group is not real, and only trains",
    ]


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (pd.DataFrame({"image_id": ["zebra000"]}), "column 'split' is missing"),
        (moves(nobody="train"), "image 'nobody' is not in the library"),
        (moves(zebra000="holdout"), "split 'holdout' is none of train, val, test, benchmark"),
        (
            pd.concat([moves(zebra000="val"), moves(zebra000="")]),
            "image zebra000 is to go to val and to out",
        ),
    ],
)
def test_tables_of_moves_that_cannot_be_read(asked: pd.DataFrame, fault: str) -> None:
    with pytest.raises(FaultsError) as caught:
        assign(some(20, "zebra"), SMALL, None, asked)
    assert any(fault in said for said in caught.value.faults)


@settings(max_examples=40, deadline=None)
@given(cases(), st.integers(0, 10**6), st.sampled_from([*SPLITS, ""]))
def test_a_move_moves_one_group_and_parts_none(case: Case, pick: int, to: str) -> None:
    before = attempt(case.images, case.policy).table
    placed = before[before["split"] != ""].reset_index(drop=True)
    assume(len(placed))
    chosen = placed.loc[pick % len(placed)]
    mates = {chosen["image_id"]}
    if chosen["group"]:
        mates |= set(before.loc[before["group"] == chosen["group"], "image_id"])
    try:
        answer = attempt(
            case.images, case.policy, before, moves(**{str(chosen["image_id"]): str(to)})
        )
    except FaultsError:
        assert chosen["split"] == "benchmark" or to in SPLITS[1:]
        return
    now = answer.table.set_index("image_id")["split"]
    assert now[chosen["image_id"]] == to
    others = placed.loc[~placed["image_id"].isin(mates)].set_index("image_id")["split"]
    # What else changes was thrown out by a cutoff: nothing moves from one split to another.
    assert ((now[others.index] == others) | (now[others.index] == "")).all()
    assert crossings(case.images, answer.table) == set()
