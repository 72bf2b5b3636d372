"""Groups: what belongs together, what that shuts out, and what a person has to decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.components import components
from curate.splits import Assignment, assign, verify

from .libraries import SMALL, earlier, library, some


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.lists(
                st.lists(st.integers(-1, n // 2), min_size=n, max_size=n), min_size=0, max_size=3
            ),
            st.lists(st.booleans(), min_size=n, max_size=n),
        )
    )
)
def test_components_are_those_of_a_walk(case: tuple[list[list[int]], list[bool]]) -> None:
    columns, tied = case
    found = components(tuple(np.array(c, dtype=np.int64) for c in columns), np.array(tied))
    for start in range(len(tied)):
        reached, edge = {start}, [start]
        while edge:
            here = edge.pop()
            for column in columns:
                for there in range(len(tied)):
                    same = column[here] >= 0 and column[here] == column[there]
                    if same and tied[here] and tied[there] and there not in reached:
                        reached.add(there)
                        edge.append(there)
        assert found[start] == min(reached)


def test_a_long_chain_is_one_component() -> None:
    n = 10_001
    left = np.arange(n) // 2
    right = (np.arange(n) + 1) // 2
    # Far from sorted: the worst case for labels that travel a step a round.
    mixed = np.random.default_rng(0).permutation(n)
    assert (components((left[mixed], right[mixed]), np.ones(n, dtype=np.bool_)) == 0).all()


def split_of(answer: Assignment, name: str) -> str:
    return str(answer.table.set_index("image_id").at[name, "split"])


def reason_of(answer: Assignment, name: str) -> str:
    return str(answer.table.set_index("image_id").at[name, "reason"])


def group_of(answer: Assignment, name: str) -> str:
    return str(answer.table.set_index("image_id").at[name, "group"])


def clash_of(answer: Assignment, name: str) -> str:
    return str(answer.conflicts.set_index("image_id").at[name, "reason"])


def test_group_columns_tie_together() -> None:
    images = library(
        some(17, "zebra"),
        some(1, "a", label="zebra", group_burst="1"),
        some(1, "b", label="zebra", group_burst="1", group_animal="Marty"),
        some(1, "c", label="zebra", group_animal="Marty"),
    )
    answer = assign(images, SMALL)
    assert {group_of(answer, name) for name in ("a000", "b000", "c000")} == {"a000"}
    assert len({split_of(answer, name) for name in ("a000", "b000", "c000")}) == 1
    assert group_of(answer, "zebra000") == ""


def test_the_same_value_in_two_columns_ties_nothing() -> None:
    images = library(
        some(18, "zebra"),
        some(1, "a", label="zebra", group_burst="7"),
        some(1, "b", label="zebra", group_animal="7"),
    )
    assert (assign(images, SMALL).table["group"] == "").all()


@pytest.mark.parametrize(
    "left_out",
    [
        {"usable": False, "unusable_reason": "rejected: blurred"},
        {"label": None},
        {"label": "unknown"},
    ],
)
def test_images_that_cannot_be_used_tie_nothing(left_out: dict[str, Any]) -> None:
    link = {"label": "zebra", "group_burst": "1", "group_animal": "Marty"} | left_out
    images = library(
        some(18, "zebra"),
        some(1, "a", label="zebra", group_burst="1"),
        some(1, "b", **link),
        some(1, "c", label="zebra", group_animal="Marty"),
    )
    assert (assign(images, SMALL).table["group"] == "").all()


def test_new_mates_join_their_group() -> None:
    images = library(
        some(20, "zebra", group_burst=["1", "1", "2", "2", *[None] * 16]),
    )
    answer = assign(images, SMALL, earlier(val=["zebra000"], test=["zebra002"]))
    assert split_of(answer, "zebra001") == "val"
    assert reason_of(answer, "zebra001") == "joins its group in val"
    assert split_of(answer, "zebra003") == "test"


def test_a_group_with_a_staged_image_trains() -> None:
    images = library(
        some(20, "zebra", group_burst=[*["1"] * 5, *[None] * 15]),
        some(1, "s", label="zebra", origin="staged", group_burst="1"),
        some(1, "y", label="zebra", origin="synthetic"),
    )
    answer = assign(images, SMALL)
    for name in [f"zebra00{i}" for i in range(5)]:
        assert split_of(answer, name) == "train"
        assert reason_of(answer, name) == "its group holds a staged or synthetic image: all train"
    assert reason_of(answer, "s000") == "staged images only train"
    assert reason_of(answer, "y000") == "synthetic images only train"
    assert answer.classes.at[0, "val"] == 2


@pytest.mark.parametrize("home", ["val", "test"])
def test_a_staged_image_does_not_follow_its_group_out_of_train(home: str) -> None:
    images = library(
        some(20, "zebra", group_burst=["1", *[None] * 19]),
        some(1, "s", label="zebra", origin="staged", group_burst="1"),
    )
    answer = assign(images, SMALL, earlier(**{home: ["zebra000"]}))
    assert split_of(answer, "zebra000") == home
    assert split_of(answer, "s000") == ""
    assert reason_of(answer, "s000") == f"staged images only train, and its group lies in {home}"
    # It cannot be used, so it does not count either.
    assert answer.classes.at[0, "usable"] == 20


def test_an_image_found_out_to_be_staged_leaves_val() -> None:
    images = library(some(20, "zebra"), some(1, "s", label="zebra", origin="staged"))
    answer = assign(images, SMALL, earlier(val=["s000"], train=["zebra000"]))
    assert reason_of(answer, "s000") == "staged images only train, and it lay in val"
    assert answer.changes.to_dict("records") == [
        {"image_id": "s000", "was": "val", "now": "", "reason": reason_of(answer, "s000")}
    ]


def linked() -> pd.DataFrame:
    """One burst in train, one in test, and later an image that belongs to both, and its mates."""
    return library(
        some(20, "zebra"),
        some(2, "a", label="zebra", group_burst="1"),
        some(2, "b", label="zebra", group_burst="2", group_animal="Marty"),
        some(1, "n", label="zebra", group_burst="1", group_animal="Marty"),
    )


def test_an_image_that_ties_two_splits_is_left_out_and_reported() -> None:
    answer = assign(linked(), SMALL, earlier(train=["a000"], test=["b000"]))
    assert split_of(answer, "n000") == ""
    assert reason_of(answer, "n000") == "ties groups that lie in train and test"
    assert [split_of(answer, name) for name in ("a000", "b000")] == ["train", "test"]
    assert answer.changes.empty
    # Their other mates go on joining them: one bad tie shuts out only itself.
    assert [split_of(answer, name) for name in ("a001", "b001")] == ["train", "test"]
    assert list(answer.conflicts["image_id"]) == ["n000"]
    assert answer.conflicts.at[0, "group"] == "a000"
    assert answer.conflicts.at[0, "ways_out"] == (
        "they are no duplicates: `curate duplicates --apart n000 b000`, "
        "then `curate duplicates`, "
        "or correct the group column in the manifest and scan again; "
        "move one side: `curate split --move a000=test`; "
        "leave one side out: `curate split --move n000=out`"
    )
    assert verify(answer.table, SMALL).empty


def test_rejecting_the_linking_image_resolves_the_conflict() -> None:
    images = linked()
    images.loc[images["image_id"] == "n000", "usable"] = False
    answer = assign(images, SMALL, earlier(train=["a000"], test=["b000"]))
    assert answer.conflicts.empty
    assert group_of(answer, "n000") == ""


def test_a_chain_of_new_images_between_two_splits_is_left_out_whole() -> None:
    images = library(
        some(20, "zebra"),
        some(1, "a", label="zebra", group_burst="1"),
        some(1, "m", label="zebra", group_burst="1", group_animal="Marty"),
        some(1, "n", label="zebra", group_burst="2", group_animal="Marty"),
        some(1, "b", label="zebra", group_burst="2"),
    )
    answer = assign(images, SMALL, earlier(train=["a000"], val=["b000"]))
    assert list(answer.conflicts["image_id"]) == ["m000", "n000"]
    assert [split_of(answer, name) for name in ("a000", "m000", "n000", "b000")] == [
        "train",
        "",
        "",
        "val",
    ]


def test_old_images_that_turn_out_to_belong_together_stay_and_are_reported() -> None:
    images = some(20, "zebra", group_burst=["1", "1", "1", *[None] * 17])
    answer = assign(images, SMALL, earlier(train=["zebra000"], test=["zebra001"]))
    assert split_of(answer, "zebra000") == "train"
    assert split_of(answer, "zebra001") == "test"
    assert split_of(answer, "zebra002") == ""
    assert answer.changes.empty
    assert list(answer.conflicts["image_id"]) == ["zebra000", "zebra001", "zebra002"]
    assert "its group lies in train and test and stays so" in clash_of(answer, "zebra000")
    assert reason_of(answer, "zebra000").startswith("stays in train; its group lies in train and")
    faults = verify(answer.table, SMALL)
    assert faults[["check", "subject"]].to_dict("records") == [
        {"check": "group", "subject": "zebra000"}
    ]


def test_mates_of_the_benchmark_are_kept_out() -> None:
    images = some(30, "zebra", group_burst=["1"] * 3 + [None] * 27)
    answer = assign(images, SMALL, earlier(benchmark=["zebra001"]))
    assert split_of(answer, "zebra001") == "benchmark"
    for name in ("zebra000", "zebra002"):
        assert split_of(answer, name) == ""
        assert reason_of(answer, name) == (
            "near the benchmark (image zebra001): kept out of train, val and test"
        )
    assert answer.classes.at[0, "usable"] == 28
    assert answer.conflicts.empty


def test_an_old_image_found_near_the_benchmark_stops_training() -> None:
    images = some(30, "zebra", group_burst=["1", "1"] + [None] * 28)
    answer = assign(images, SMALL, earlier(benchmark=["zebra001"], train=["zebra000"]))
    assert split_of(answer, "zebra000") == ""
    assert list(answer.changes["image_id"]) == ["zebra000"]
    assert list(answer.conflicts["image_id"]) == ["zebra000"]
    assert clash_of(answer, "zebra000").startswith("was in train and is near the benchmark")


def test_a_new_image_between_train_and_benchmark_moves_nothing_old() -> None:
    answer = assign(linked(), SMALL, earlier(train=["a000"], benchmark=["b000"]))
    assert split_of(answer, "a000") == "train"
    assert split_of(answer, "n000") == ""
    assert reason_of(answer, "n000") == "ties groups that lie in train and benchmark"
    assert split_of(answer, "b001") == ""
    assert answer.changes.empty


def test_a_rejected_image_of_the_benchmark_still_keeps_its_mates_out() -> None:
    images = some(30, "zebra", group_burst=["1", "1"] + [None] * 28)
    images["usable"] = [False] + [True] * 29
    answer = assign(images, SMALL, earlier(benchmark=["zebra000"]))
    assert "near the benchmark" in reason_of(answer, "zebra001")
