"""What is kept above a max-count, and what counts towards a min-count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from curate.core.errors import InputError, PolicyError
from curate.splits import Assignment, SplitPolicy, assign, near_misses, verify

from .libraries import earlier, library, some

TEN = SplitPolicy(min_count=1, max_count=10)


def kept(answer: Assignment) -> list[str]:
    return list(answer.table.loc[answer.table["split"] != "", "image_id"])


def test_one_of_every_group_is_kept_before_a_second_of_any() -> None:
    images = some(40, "zebra", group_burst=["a"] * 33 + ["b"] * 2 + ["c", "d", "e", "f", "g"])
    groups = assign(images, TEN).table.query("split != ''")
    burst = images.set_index("image_id")["group_burst"][groups["image_id"]]
    assert burst.value_counts().to_dict() == {"a": 4, "b": 1, **dict.fromkeys("cdefg", 1)} or (
        burst.value_counts().to_dict() == {"a": 3, "b": 2, **dict.fromkeys("cdefg", 1)}
    )


def test_the_unlike_are_kept_first_where_hashes_tell() -> None:
    # Thirty images that differ by a bit or two, and five that differ from all by many.
    near = [i % 3 for i in range(30)]
    far = [0xFF << 8 * i for i in range(1, 6)]
    images = some(35, "zebra", phash=near + far)
    answer = assign(images, replace(TEN, max_count=6))
    assert set(kept(answer)) >= {f"zebra{i:03d}" for i in range(30, 35)}


def test_groups_come_before_unlikeness_and_missing_hashes_come_last() -> None:
    hashes = [0, 1, None, 0xFFFF, 0xFF0000, 3]
    images = some(6, "zebra", phash=pd.Series(hashes, dtype=object).tolist())
    images["group_burst"] = [None, None, None, "1", "1", None]
    answer = assign(images, replace(TEN, max_count=4))
    assert len({"zebra003", "zebra004"} & set(kept(answer))) == 1
    assert "zebra002" not in kept(answer)


def test_what_is_kept_is_far_from_what_was_kept_before() -> None:
    images = some(10, "zebra", phash=[0] * 4 + [2**64 - 1] * 6)
    policy = replace(TEN, max_count=2)
    answer = assign(images, policy, earlier(train=["zebra000"]))
    assert len(set(kept(answer)) & {f"zebra{i:03d}" for i in range(4, 10)}) == 1
    frozen = assign(images, policy, earlier(benchmark=["zebra000"]))
    assert len(set(kept(frozen)) & {f"zebra{i:03d}" for i in range(4, 10)}) == 1


@pytest.mark.parametrize("dtype", ["uint64", "UInt64", "object"])
def test_hashes_may_be_of_several_types(dtype: str) -> None:
    hashes = pd.DataFrame({"phash": [2**63 + i for i in range(20)]}).astype({"phash": dtype})
    plain = some(20, "zebra", phash=[2**63 + i for i in range(20)])
    assert kept(assign(plain.assign(**hashes), TEN)) == kept(assign(plain, TEN))


def test_the_newest_are_kept_and_those_without_a_time_last() -> None:
    times = [f"2024-05-{d:02d}T10:00:00" for d in range(1, 16)] + [None] * 5
    answer = assign(some(20, "zebra", taken=times), replace(TEN, keep="newest"))
    assert kept(answer) == [f"zebra{i:03d}" for i in range(5, 15)]
    few = assign(some(20, "zebra", taken=times), replace(TEN, keep="newest", max_count=17))
    assert set(kept(few)) > {f"zebra{i:03d}" for i in range(15)}


def test_times_of_several_zones_are_compared_as_times() -> None:
    times = ["2024-05-01T12:00:00+00:00", "2024-05-01T13:00:00+05:00", "2024-05-01"]
    answer = assign(some(3, "zebra", taken=times), replace(TEN, keep="newest", max_count=1))
    assert kept(answer) == ["zebra000"]


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="taken 'yesterday'"):
        assign(some(20, "zebra", taken=["yesterday"] * 20), replace(TEN, keep="newest"))


def test_the_best_are_kept_and_those_without_a_quality_last() -> None:
    quality = [None, None, *[float(i) for i in range(18)]]
    answer = assign(some(20, "zebra", quality=quality), replace(TEN, keep="quality"))
    assert kept(answer) == [f"zebra{i:03d}" for i in range(10, 20)]


@pytest.mark.parametrize("keep", ["newest", "quality"])
@pytest.mark.parametrize("column", [{}, {"taken": None, "quality": None}])
def test_a_rule_without_its_column_is_refused(keep: str, column: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=f"keep {keep}") as caught:
        assign(some(20, "zebra", **column), replace(TEN, keep=keep))
    assert "--keep diverse" in caught.value.remedy


def test_what_was_assigned_comes_before_what_is_better() -> None:
    images = some(20, "zebra", quality=[float(i) for i in range(20)])
    old = [f"zebra{i:03d}" for i in range(10)]
    answer = assign(images, replace(TEN, keep="quality"), earlier(train=old))
    assert kept(answer) == old
    assert answer.changes.empty


@pytest.mark.parametrize("keep", ["newest", "quality", "random", "diverse"])
def test_what_is_kept_still_reaches_min_count_in_groups(keep: str) -> None:
    # The best thirty images are of two bursts; ten groups are wanted.
    burst = ["a"] * 15 + ["b"] * 15 + [str(i) for i in range(10)]
    best = [float(40 - i) for i in range(40)]
    images = some(40, "zebra", group_burst=burst, quality=best, taken="2024-01-01")
    answer = assign(images, SplitPolicy(min_count=10, max_count=12, keep=keep))
    used = answer.table[answer.table["split"] != ""]
    assert len(used) == 12
    assert used["group"].where(used["group"] != "", used["image_id"]).nunique() >= 10


def test_groups_count_once_and_images_singly() -> None:
    images = library(some(40, "zebra"), some(40, "gnu", group_burst=[i // 2 for i in range(40)]))
    by_group = assign(images, SplitPolicy()).classes.set_index("class")
    assert list(by_group.loc["gnu", ["usable", "groups", "counted", "short", "status"]]) == [
        *(40, 20, 20, 20, "out")
    ]
    singly = assign(images, SplitPolicy(count="images")).classes.set_index("class")
    assert list(singly.loc["gnu", ["groups", "counted", "status"]]) == [20, 40, "in"]


def test_staged_groups_count_only_where_nothing_in_them_is_real() -> None:
    images = library(
        some(40, "zebra"),
        some(30, "gnu", group_burst=[str(i) for i in range(30)]),
        some(30, "s", label="gnu", origin="staged", group_burst=[str(i) for i in range(30)]),
        some(8, "t", label="gnu", origin="staged", group_burst=list("aabbccdd")),
    )
    gnu = assign(images, SplitPolicy()).classes.set_index("class").loc["gnu"]
    assert list(gnu[["groups", "countable_real", "countable_staged"]]) == [30, 30, 4]
    assert (gnu["counted"], gnu["short"]) == (34, 6)


def test_near_misses_are_counted_in_groups() -> None:
    images = library(
        some(40, "zebra"),
        some(72, "gnu", group_burst=[i // 2 for i in range(72)]),
        some(60, "emu", group_burst=[i // 2 for i in range(60)]),
    )
    policy = SplitPolicy()
    assert near_misses(assign(images, policy).classes, policy, 35).to_dict("records") == [
        {"class": "gnu", "counted": 36, "short": 4}
    ]


def test_a_small_sub_class_is_left_out_and_its_class_counts_without_it() -> None:
    sub_class = ["joey"] * 8 + ["adult"] * 30 + [None] * 2
    images = library(some(40, "roo", sub_class=sub_class), some(40, "gnu"))
    policy = SplitPolicy(min_count=32, sub_min_count=10)
    answer = assign(images, policy)
    joeys = answer.table[answer.table["sub_class"] == "joey"]
    assert set(joeys["split"]) == {""}
    assert set(joeys["reason"]) == {"roo / joey has 8 of 10 usable groups; 2 short"}
    roo = answer.classes.set_index("class").loc["roo"]
    assert list(roo[["usable", "counted", "used", "cut", "status"]]) == [40, 32, 32, 8, "in"]
    fewer = assign(images, replace(policy, min_count=33)).classes.set_index("class")
    assert list(fewer.loc["roo", ["counted", "short", "status"]]) == [32, 1, "out"]


def test_a_large_sub_class_is_cut() -> None:
    sub_class = ["joey"] * 20 + ["adult"] * 40
    answer = assign(some(60, "roo", sub_class=sub_class), SplitPolicy(sub_max_count=25))
    used = answer.table[answer.table["split"] != ""]
    assert used["sub_class"].value_counts().to_dict() == {"adult": 25, "joey": 20}
    assert "over the sub-max-count of 25" in set(answer.table["reason"])
    assert answer.classes.at[0, "cut"] == 15


def test_images_without_a_sub_class_are_none() -> None:
    policy = SplitPolicy(sub_min_count=35, sub_max_count=35)
    assert assign(some(40, "roo"), policy).classes.at[0, "used"] == 40


def test_a_frozen_image_of_a_sub_class_that_is_out_stays() -> None:
    sub_class = ["joey"] * 8 + ["adult"] * 40
    answer = assign(
        some(48, "roo", sub_class=sub_class), SplitPolicy(sub_min_count=10),
        earlier(benchmark=["roo000"]),
    )  # fmt: skip
    reason = str(answer.table.set_index("image_id").at["roo000", "reason"])
    assert reason.startswith("frozen in the benchmark though roo / joey has")
    assert answer.table["split"].value_counts()["benchmark"] == 1


def test_a_class_that_new_images_tie_together_stays_in_and_says_so() -> None:
    images = some(12, "zebra", group_burst=[str(i) for i in range(12)])
    policy = SplitPolicy(min_count=12)
    before = assign(images, policy).table
    home = before.groupby("split")["image_id"].first()["train"]
    twins = before[before["split"] == "train"]["image_id"].head(2).tolist()
    values = images.set_index("image_id")["group_burst"]
    images["group_animal"] = [
        "Marty" if name == home or name in twins[1:] else None for name in images["image_id"]
    ]
    link = some(1, "new", label="zebra", group_burst=values[twins[0]], group_animal="Marty")
    answer = assign(library(images, link), policy, before)
    assert answer.changes.empty
    zebra = answer.classes.iloc[0]
    assert (zebra["counted"], zebra["short"], zebra["status"]) == (11, 1, "in")
    assert zebra["note"].endswith(
        "stays in though it counts 11 of 12: its groups have become fewer"
    )


def test_whole_numbers_are_images_of_each_class() -> None:
    images = library(some(50, "zebra"), some(300, "gnu"))
    classes = assign(images, SplitPolicy(val=5, test=10)).classes
    assert classes[["train", "val", "test"]].to_numpy().tolist() == [[285, 5, 10], [35, 5, 10]]


def test_a_class_smaller_than_the_counts_keeps_one_to_train_and_says_so() -> None:
    classes = assign(some(12, "emu"), SplitPolicy(min_count=1, val=10, test=10)).classes
    assert (classes.loc[0, ["train", "val", "test"]] > 0).all()
    assert classes.at[0, "note"] == "has 12 real images for the 20 that are asked for"


def test_a_sub_class_stays_in_when_the_benchmark_shuts_out_what_was_cut() -> None:
    images = library(
        some(1, "a", label="zebra", sub_class="foal", group_burst="1"),
        some(1, "b", label="zebra", sub_class="mare", group_burst="1"),
        some(1, "c", label="zebra", sub_class="foal"),
        some(2, "d", label="zebra", sub_class="mare"),
    )
    policy = SplitPolicy(min_count=1, max_count=3, val=0, test=0, sub_min_count=2)
    answer = assign(images, policy, earlier(benchmark=["b000"], train=["c000"]))
    table = answer.table.set_index("image_id")
    assert "near the benchmark" in str(table.at["a000", "reason"])
    assert table.at["c000", "reason"] == "stays in train"
    assert verify(answer.table, policy).empty
    # What never was in has to count enough of what can be used.
    fresh = assign(images, policy, earlier(benchmark=["b000"])).table.set_index("image_id")
    assert fresh.at["c000", "reason"] == "zebra / foal has 1 of 2 usable groups; 1 short"
