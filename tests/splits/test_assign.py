"""Every reason that an image can be given, class lines, changes, and the frozen benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from curate.core.errors import PolicyError
from curate.splits import Assignment, SplitPolicy, assign, lowered, near_misses, verify

from .libraries import SMALL, earlier, library, some


def row(answer: Assignment, name: str) -> dict[str, str]:
    return dict(answer.table.set_index("image_id").loc[name])


def line(answer: Assignment, name: str) -> dict[str, Any]:
    return dict(answer.classes.set_index("class").loc[name])


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"usable": False, "unusable_reason": "rejected: blurred"}, "rejected: blurred"),
        ({"usable": False, "unusable_reason": "unreadable: truncated"}, "unreadable: truncated"),
        ({"usable": False}, "not usable"),
        ({"usable": False, "unusable_reason": None}, "not usable"),
        ({"label": None}, "no label"),
        ({"label": "unknown"}, "labelled unknown"),
        ({"label": "gazelle"}, "gazelle has 1 of 10 usable groups; 9 short"),
    ],
)
def test_why_an_image_cannot_be_used(columns: dict[str, Any], reason: str) -> None:
    odd = some(1, "odd", **({"label": "zebra"} | columns))
    answer = assign(library(some(20, "zebra"), odd), SMALL)
    assert row(answer, "odd000")["split"] == ""
    assert row(answer, "odd000")["reason"] == reason


def test_rejected_comes_before_what_else_is_wrong() -> None:
    odd = some(1, "odd", label=None, usable=False, unusable_reason="rejected: blurred")
    answer = assign(library(some(20, "zebra"), odd), SMALL)
    assert row(answer, "odd000")["reason"] == "rejected: blurred"


def test_a_new_image_is_drawn() -> None:
    answer = assign(some(20, "zebra"), SMALL)
    assert set(answer.table["reason"]) == {"drawn for train", "drawn for val", "drawn for test"}
    assert answer.table["split"].value_counts().to_dict() == {"train": 16, "val": 2, "test": 2}


def test_a_thin_class_names_its_shortage() -> None:
    images = library(some(40, "zebra"), some(38, "gazelle"))
    answer = assign(images, SplitPolicy())
    assert row(answer, "gazelle000")["reason"] == "gazelle has 38 of 40 usable groups; 2 short"
    gazelle = line(answer, "gazelle")
    assert gazelle["status"] == "out"
    assert gazelle["short"] == 2
    assert gazelle["used"] == 0
    assert line(answer, "zebra")["status"] == "in"


def test_staged_and_synthetic_count_up_to_their_share() -> None:
    images = library(
        some(40, "zebra"),
        some(19, "gazelle"),
        some(15, "staged", label="gazelle", origin="staged"),
        some(15, "synthetic", label="gazelle", origin="synthetic"),
    )
    answer = assign(images, SplitPolicy())
    assert line(answer, "gazelle")["counted"] == 39
    assert row(answer, "gazelle000")["reason"] == (
        "gazelle has 39 of 40 usable groups (30 staged or synthetic count as 20); 1 short"
    )
    one_more = library(images, some(1, "more", label="gazelle"))
    assert line(assign(one_more, SplitPolicy()), "gazelle")["status"] == "in"


@pytest.mark.parametrize(("share", "status"), [(0.28, "out"), (0.29, "in"), (1.0, "in")])
def test_the_staged_share_is_not_lost_to_rounding(share: float, status: str) -> None:
    images = library(
        some(100, "zebra"), some(71, "gnu"), some(29, "s", label="gnu", origin="staged")
    )
    answer = assign(images, SplitPolicy(min_count=100, staged_share=share))
    assert line(answer, "gnu")["status"] == status


def test_above_max_count_real_images_are_kept_first() -> None:
    images = library(some(10, "zebra"), some(10, "s", label="zebra", origin="staged"))
    answer = assign(images, replace(SMALL, max_count=12))
    left_out = answer.table[answer.table["split"] == ""]
    assert len(left_out) == 8
    assert set(left_out["origin"]) == {"staged"}
    assert set(left_out["reason"]) == {"over the max-count of 12"}
    zebra = line(answer, "zebra")
    assert (zebra["used"], zebra["cut"], zebra["usable"]) == (12, 8, 20)


def test_above_max_count_the_images_of_before_are_kept_first() -> None:
    young = some(12, "zebra", start=50)
    policy = replace(SMALL, max_count=12)
    before = assign(young, policy).table
    answer = assign(library(young, some(50, "zebra")), policy, before)
    assert answer.changes.empty
    assert set(answer.table.loc[answer.table["split"] != "", "image_id"]) == set(young["image_id"])


def test_above_max_count_chance_decides_by_group() -> None:
    images = some(100, "zebra", group_burst=[str(i // 5) for i in range(100)])
    kept = [
        assign(images, replace(SMALL, max_count=50, seed=seed, keep="random")).table
        for seed in (1, 2)
    ]
    for table in kept:
        used = table[table["split"] != ""]
        assert len(used) == 50
        assert used["group"].nunique() == 10
    # Of ten groups kept by one seed, about five are kept by another.
    assert ((kept[0]["split"] == "") != (kept[1]["split"] == "")).sum() > 30


def test_old_staged_images_do_not_crowd_out_the_real_ones_a_class_needs() -> None:
    images = library(
        some(10, "s", label="zebra", origin="staged"), some(10, "zebra"), some(10, "gnu")
    )
    policy = SplitPolicy(min_count=10, max_count=10, staged_share=0.2)
    staged = [f"s{i:03d}" for i in range(10)]
    answer = assign(images, policy, earlier(train=staged))
    used = answer.table[(answer.table["split"] != "") & (answer.table["label"] == "zebra")]
    assert used["origin"].value_counts().to_dict() == {"real": 8, "staged": 2}
    assert len(answer.changes) == 8
    assert verify(answer.table, policy).empty


def test_no_class_passes() -> None:
    images = library(some(38, "gazelle"), some(35, "gnu"), some(2, "yak"))
    with pytest.raises(PolicyError) as caught:
        assign(images, SplitPolicy())
    assert caught.value.value == "min-count 40"
    assert caught.value.rule == "no class reaches it; the fullest, gazelle, has 38 groups"
    assert caught.value.remedy == "At --min-count 38, 1 class passes; or label more images."


def test_the_lower_cutoff_that_is_named_works() -> None:
    staged = some(40, "s", label="gnu", origin="staged")
    images = library(some(10, "gnu"), staged)
    with pytest.raises(PolicyError, match="gnu, has 30") as caught:
        assign(images, SplitPolicy())
    # Half of the cutoff may be staged: 10 real ones carry a cutoff of 21, as half of 21 is 10.
    assert "At --min-count 20" in caught.value.remedy or "At --min-count 21" in caught.value.remedy
    named = int(caught.value.remedy.split()[2].rstrip(","))
    assert line(assign(images, SplitPolicy(min_count=named)), "gnu")["status"] == "in"
    with pytest.raises(PolicyError):
        assign(images, SplitPolicy(min_count=named + 1))


def test_staged_images_alone_make_no_class() -> None:
    images = some(50, "s", label="gnu", origin="staged")
    with pytest.raises(PolicyError, match="Label real images"):
        assign(images, SplitPolicy())


@pytest.mark.parametrize("images", [some(0, "gnu"), some(5, "x", label=None)])
def test_a_library_without_labels(images: pd.DataFrame) -> None:
    with pytest.raises(PolicyError, match="no usable labelled image"):
        assign(images, SMALL)


def test_near_misses_and_the_throw_away_run_they_lead_to() -> None:
    policy = SplitPolicy()
    images = library(some(60, "zebra"), some(38, "gnu"), some(35, "yak"), some(34, "emu"))
    permanent = assign(images, policy)
    missed = near_misses(permanent.classes, policy, at=35)
    assert missed.to_dict("records") == [
        {"class": "gnu", "counted": 38, "short": 2},
        {"class": "yak", "counted": 35, "short": 5},
    ]
    thrown = assign(images, lowered(policy, 35), permanent.table)
    assert thrown.changes.empty
    assert set(thrown.classes.loc[thrown.classes["status"] == "in", "class"]) == {
        "zebra",
        "gnu",
        "yak",
    }


def test_near_misses_count_staged_images_at_the_lower_cutoff() -> None:
    images = library(
        some(40, "zebra"), some(18, "gnu"), some(30, "s", label="gnu", origin="staged")
    )
    policy = SplitPolicy()
    classes = assign(images, policy).classes
    # 18 real ones and 20 staged ones make 38 of 40, but 18 and 17 make 35 of 35.
    assert near_misses(classes, policy, 35)["counted"].to_list() == [35]
    assert near_misses(classes, policy, 38).empty


BENCH = SplitPolicy(min_count=10, max_count=None, benchmark=0.2)


def test_a_class_that_has_no_benchmark_yet_gets_its_share() -> None:
    young = some(40, "zebra")
    before = assign(young, BENCH).table
    grown = library(young, some(60, "zebra", start=100), some(30, "gnu"))
    answer = assign(grown, BENCH, before)
    assert line(answer, "zebra")["benchmark"] == 8
    assert line(answer, "gnu")["benchmark"] == 6
    # Val and test go on growing with the class, and train takes what the benchmark does not.
    assert (line(answer, "zebra")["val"], line(answer, "zebra")["train"]) == (10, 72)


def test_a_group_that_would_grow_a_frozen_benchmark_stays_out_of_it() -> None:
    images = library(some(40, "zebra"), some(40, "gnu", group_camera=[str(i) for i in range(40)]))
    tied = some(20, "z", label="zebra", group_camera=[str(i) for i in range(20)])
    answer = assign(library(images, tied), BENCH, earlier(benchmark=["zebra000"]))
    assert line(answer, "zebra")["benchmark"] == 1
    assert line(answer, "gnu")["benchmark"] == 8


@pytest.mark.parametrize(
    ("columns", "though"),
    [
        ({"usable": False, "unusable_reason": "rejected: blurred"}, "rejected: blurred"),
        ({"label": None}, "no label"),
        ({"label": "unknown"}, "labelled unknown"),
        ({"label": "gnu"}, "gnu has 1 of 10 usable groups; 9 short"),
        ({"origin": "staged"}, "staged"),
    ],
)
def test_the_benchmark_is_frozen(columns: dict[str, Any], though: str) -> None:
    odd = some(1, "odd", **({"label": "zebra"} | columns))
    answer = assign(library(some(20, "zebra"), odd), SMALL, earlier(benchmark=["odd000"]))
    assert row(answer, "odd000")["split"] == "benchmark"
    assert row(answer, "odd000")["reason"] == (
        f"frozen in the benchmark though {though}; kept out of training"
    )
    assert answer.changes.empty
    assert verify(answer.table, SMALL, frozen=["odd000"]).empty


def test_a_frozen_image_of_a_class_that_is_in() -> None:
    answer = assign(some(20, "zebra"), SMALL, earlier(benchmark=["zebra003"]))
    assert row(answer, "zebra003")["reason"] == "frozen in the benchmark"
    # The shares are of all 20 real images, the frozen one among them.
    assert [line(answer, "zebra")[s] for s in ("train", "val", "test")] == [15, 2, 2]


def test_the_frozen_benchmark_is_never_cut() -> None:
    names = [f"zebra{i:03d}" for i in range(12)]
    answer = assign(some(30, "zebra"), replace(SMALL, max_count=10), earlier(benchmark=names))
    zebra = line(answer, "zebra")
    assert (zebra["benchmark"], zebra["used"], zebra["train"]) == (12, 12, 0)
    assert zebra["note"] == "none in train, val, test: 12 groups of real images to share out"


def test_what_was_assigned_stays_whatever_the_shares_are_now() -> None:
    names = [f"zebra{i:03d}" for i in range(15)]
    answer = assign(some(30, "zebra"), SMALL, earlier(test=names))
    assert row(answer, "zebra000")["reason"] == "stays in test"
    zebra = line(answer, "zebra")
    assert (zebra["test"], zebra["val"], zebra["train"]) == (15, 1, 14)


def test_a_relabelled_image_stays_where_it_was() -> None:
    images = library(some(20, "zebra"), some(20, "gnu"))
    before = assign(images, SMALL).table
    images.loc[:9, "label"] = "gnu"
    answer = assign(images, SMALL, before)
    assert (answer.table["split"] == before["split"]).all()
    assert answer.changes.empty


def test_changes_list_everything_that_dropped() -> None:
    before = earlier(
        train=["zebra000", "gnu000", "odd000", "gone000"], val=["zebra001"], benchmark=["gone001"]
    )
    odd = some(1, "odd", label="zebra", usable=False, unusable_reason="rejected: blurred")
    answer = assign(library(some(20, "zebra"), some(3, "gnu"), odd), SMALL, before)
    assert answer.changes.to_dict("records") == [
        {
            "image_id": "gnu000",
            "was": "train",
            "now": "",
            "reason": row(answer, "gnu000")["reason"],
        },
        {"image_id": "gone000", "was": "train", "now": "", "reason": "no longer in the library"},
        {
            "image_id": "gone001",
            "was": "benchmark",
            "now": "",
            "reason": "no longer in the library",
        },
        {"image_id": "odd000", "was": "train", "now": "", "reason": "rejected: blurred"},
    ]
    assert row(answer, "gnu000")["reason"] == "gnu has 3 of 10 usable groups; 7 short"


def test_a_lower_max_count_drops_old_images_and_lists_them() -> None:
    images = some(30, "zebra")
    before = assign(images, SMALL).table
    answer = assign(images, replace(SMALL, max_count=20), before)
    assert len(answer.changes) == 10
    assert set(answer.changes["reason"]) == {"over the max-count of 20"}


def test_another_seed_draws_others_but_moves_nothing_old() -> None:
    images = some(60, "zebra")
    first, second = (assign(images, replace(SMALL, seed=seed)).table for seed in (1, 2))
    assert not (first["split"] == second["split"]).all()
    kept = assign(images, replace(SMALL, seed=2), first).table
    assert (kept["split"] == first["split"]).all()


def test_the_class_lines_have_their_columns() -> None:
    classes = assign(library(some(20, "zebra"), some(1, "ape")), SMALL).classes
    assert list(classes.columns) == [
        *("class", "usable", "real", "staged", "synthetic", "groups", "counted", "used", "cut"),
        *("short", "train", "val", "test", "benchmark", "status", "note"),
        *("countable_real", "countable_staged"),
    ]
    assert list(classes["class"]) == ["ape", "zebra"]


def test_a_class_of_which_all_are_rejected_has_a_line() -> None:
    images = library(some(20, "zebra"), some(3, "ape", usable=False))
    ape = line(assign(images, SMALL), "ape")
    assert (ape["usable"], ape["short"], ape["status"]) == (0, 10, "out")
