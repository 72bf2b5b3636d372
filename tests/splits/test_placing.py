"""Shares, presence and stratification where new groups are placed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest

from curate.splits import SplitPolicy, assign

from .libraries import SMALL, earlier, library, some


def asked(**options: Any) -> SplitPolicy:
    """A policy under which few large groups make a class."""
    return SplitPolicy(**{"count": "images", **options})


def counts(table: pd.DataFrame, by: str = "label") -> dict[str, Counter[str]]:
    """Images by class (or another column) and split."""
    return {str(name): Counter(rows["split"]) for name, rows in table.groupby(by)}


def bursts(sizes: list[int], **columns: Any) -> pd.DataFrame:
    """A zebra library with one burst of each size."""
    values = [f"burst {i}" for i, size in enumerate(sizes) for _ in range(size)]
    return some(len(values), "zebra", group_burst=values, **columns)


@pytest.mark.parametrize("count", [10, 25, 40, 399])
def test_single_images_meet_the_shares(count: int) -> None:
    policy = asked(min_count=10, val=0.2, test=0.1, benchmark=0.05)
    found = counts(assign(some(count, "zebra"), policy).table)["zebra"]
    for name, share in (("train", 0.65), ("val", 0.2), ("test", 0.1), ("benchmark", 0.05)):
        assert abs(found[name] - share * count) <= 1


def test_sub_classes_are_balanced_everywhere() -> None:
    policy = asked(val=0.2, test=0.2)
    sub_class = ["adult"] * 200 + ["joey"] * 50 + ["albino"] * 10 + [None] * 40
    table = assign(some(300, "roo", sub_class=sub_class), policy).table
    found = counts(table, by="sub_class")
    for kind, size in (("adult", 200), ("joey", 50), ("albino", 10), ("", 40)):
        assert abs(found[kind]["val"] - 0.2 * size) <= 1
        assert abs(found[kind]["test"] - 0.2 * size) <= 1


def test_sub_classes_are_balanced_with_those_placed_before() -> None:
    policy = asked(val=0.2, test=0.2)
    images = some(100, "roo", sub_class=["adult", "joey"] * 50)
    lopsided = earlier(val=[f"roo{i:03d}" for i in range(0, 20, 2)])
    found = counts(assign(images, policy, lopsided).table, by="sub_class")
    assert found["adult"]["val"] == found["joey"]["val"] == 10


def test_sub_classes_are_balanced_where_one_of_them_comes_in_bursts() -> None:
    joeys = [f"burst {i // 4}" for i in range(80)]
    images = some(
        200,
        "roo",
        sub_class=["joey"] * 100 + ["adult"] * 100,
        group_burst=joeys + [None] * 120,
    )
    found = counts(assign(images, asked(val=0.2, test=0.2)).table, by="sub_class")
    for kind in ("joey", "adult"):
        for split in ("val", "test"):
            assert abs(found[kind][split] - 20) <= 2


def test_single_images_come_last_and_even_out_what_bursts_leave() -> None:
    parts = []
    for i in range(30):
        sizes = [2 + (i + 3 * k) % 7 for k in range(12)]
        values = [f"{i} {k}" for k, size in enumerate(sizes) for _ in range(size)]
        alone = 100 - len(values)
        sub_class = ["joey", "adult"] * 50
        parts.append(
            some(100, f"class {i:02d}-", sub_class=sub_class, group_burst=values + [None] * alone)
        )
    for found in counts(assign(library(*parts), asked(val=0.2, test=0.2)).table).values():
        assert found == {"train": 60, "val": 20, "test": 20}


def test_sub_classes_of_one_name_in_two_classes_are_two() -> None:
    images = library(
        some(40, "roo", sub_class=["adult"] * 10 + ["joey"] * 30),
        some(40, "wallaby", sub_class=["adult"] * 30 + ["joey"] * 10),
    )
    table = assign(images, asked(val=0.2, test=0.2)).table
    found = {name: counts(rows, by="sub_class") for name, rows in table.groupby("label")}
    assert found["roo"]["joey"]["val"] == found["wallaby"]["adult"]["val"] == 6
    assert found["roo"]["adult"]["test"] == found["wallaby"]["joey"]["test"] == 2


def test_bursts_reach_val_and_test_as_well() -> None:
    table = assign(bursts([4] * 25 + [1] * 100), asked(val=0.2, test=0.2)).table
    in_burst = table[table["group"] != ""]
    found = in_burst["split"].value_counts()
    # 100 of 200 images lie in bursts: val and test get 20 of their 40 from them.
    assert found["val"] == found["test"] == 20


@pytest.mark.parametrize(
    "sizes", [[20, 10, 10], [30, 5, 5], [38, 1, 1], [13, 13, 14], [1] * 5 + [35]]
)
def test_few_groups_still_reach_every_split(sizes: list[int]) -> None:
    answer = assign(bursts(sizes), asked())
    assert set(answer.table["split"]) == {"train", "val", "test"}
    assert answer.classes.at[0, "note"] == ""


def test_with_two_groups_train_comes_first_and_the_class_line_says_so() -> None:
    answer = assign(bursts([20, 20]), asked(val=0.1, test=0.2))
    assert set(answer.table["split"]) == {"train", "test"}
    assert answer.classes.at[0, "note"] == "none in val: 2 groups of real images to share out"


def test_with_one_group_a_class_only_trains() -> None:
    answer = assign(bursts([50]), asked(val=0.4, test=0.4))
    assert set(answer.table["split"]) == {"train"}
    assert answer.classes.at[0, "note"] == "none in val, test: 1 group of real images to share out"


def test_a_class_that_only_trained_reaches_val_with_its_first_new_group() -> None:
    answer = assign(bursts([50, 2, 1]), asked(), earlier(train=["zebra000"]))
    assert answer.table["split"].value_counts()["train"] == 50
    assert set(answer.table["split"]) == {"train", "val", "test"}


def test_groups_of_several_classes_meet_the_shares_of_all() -> None:
    parts = [
        some(200, name, group_camera=[f"camera {i % 50}" for i in range(200)])
        for name in ("zebra", "gnu", "emu")
    ]
    found = counts(assign(library(*parts), asked(val=0.2, test=0.2)).table)
    for name in ("zebra", "gnu", "emu"):
        assert abs(found[name]["val"] - 40) <= 4
        assert abs(found[name]["test"] - 40) <= 4


def test_groups_of_several_classes_reach_every_split() -> None:
    camera = ["a"] * 25 + ["b"] * 15 + ["c"] * 10
    parts = [some(50, name, group_camera=camera) for name in ("zebra", "gnu")]
    answer = assign(library(*parts), asked())
    for found in counts(answer.table).values():
        assert set(found) == {"train", "val", "test"}
    assert (answer.classes["note"] == "").all()


def test_single_images_mend_what_shared_groups_leave_uneven() -> None:
    tied = [some(30, f"{name} ", label=name, group_camera=["a"] * 30) for name in ("zebra", "gnu")]
    loose = [some(70, name) for name in ("zebra", "gnu")]
    found = counts(assign(library(*tied, *loose), asked(val=0.2, test=0.2)).table)
    for name in ("zebra", "gnu"):
        assert abs(found[name]["val"] - 20) <= 1
        assert abs(found[name]["test"] - 20) <= 1


def test_no_split_gets_the_odd_image_of_every_class() -> None:
    parts = [some(45, f"class {i}") for i in range(40)]
    found = counts(assign(library(*parts), asked()).table)
    # 4.5 images of a class are asked for in val and in test; who gets 5 is for chance to say.
    assert 5 <= sum(held["val"] > held["test"] for held in found.values()) <= 35


def test_a_share_of_nothing_gets_nothing() -> None:
    answer = assign(some(50, "zebra"), asked(val=0, test=0.2))
    assert answer.table["split"].value_counts().to_dict() == {"train": 40, "test": 10}
    assert answer.classes.at[0, "note"] == ""


def test_forced_images_count_against_the_share_of_train() -> None:
    images = library(
        some(40, "zebra", group_burst=["1"] * 20 + [None] * 20),
        some(1, "s", label="zebra", origin="staged", group_burst="1"),
    )
    found = counts(assign(images, asked(val=0.2, test=0.2)).table)["zebra"]
    assert (found["val"], found["test"], found["train"]) == (8, 8, 25)


def test_staged_images_do_not_inflate_val_and_test() -> None:
    images = library(some(40, "zebra"), some(40, "s", label="zebra", origin="synthetic"))
    found = counts(assign(images, SMALL).table)["zebra"]
    assert (found["val"], found["test"], found["train"]) == (4, 4, 72)
