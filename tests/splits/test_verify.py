"""Each fault that `verify` knows, planted one at a time in a table that has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.splits import SplitPolicy, assign, verify

from .libraries import library, some

POLICY = SplitPolicy(min_count=10, max_count=30, benchmark=0.1)
IMAGES = library(
    some(30, "zebra", group_burst=[str(i // 2) for i in range(30)]),
    some(12, "gnu"),
    some(4, "s", label="gnu", origin="staged"),
    some(3, "ape"),
    some(2, "u", label="unknown"),
    some(2, "x", label=None),
)
TABLE = assign(IMAGES, POLICY).table


def at(table: pd.DataFrame, name: str, column: str, value: str) -> None:
    table.loc[table["image_id"] == name, column] = value


def cross(table: pd.DataFrame) -> None:
    at(table, "zebra000", "split", "val")
    at(table, "zebra001", "split", "train")


def thin(table: pd.DataFrame) -> None:
    table.loc[table["image_id"].isin([f"gnu{i:03d}" for i in range(1, 9)]), "split"] = ""


def crowd(table: pd.DataFrame) -> None:
    table.loc[table["label"] == "gnu", "label"] = "zebra"


PLANTED: dict[str, tuple[Callable[[pd.DataFrame], None], str, str]] = {
    "group": (cross, "zebra000", "its images lie in train and val"),
    "staged": (
        lambda table: at(table, "s000", "split", "val"),
        "s000",
        "a staged image lies in val",
    ),
    "unknown": (
        lambda table: at(table, "u000", "split", "train"),
        "u000",
        "an image labelled unknown lies in train",
    ),
    "split": (
        lambda table: at(table, "gnu000", "split", "holdout"),
        "gnu000",
        "'holdout' is none of train, val, test, benchmark",
    ),
    "origin": (
        lambda table: at(table, "gnu000", "origin", "drawn"),
        "gnu000",
        "'drawn' is none of real, staged, synthetic",
    ),
    "min-count": (thin, "gnu", "counts 8 of 10 groups needed"),
    "max-count": (crowd, "zebra", "46 images used of 30 allowed"),
    "reason": (
        lambda table: at(table, "ape000", "reason", ""),
        "ape000",
        "it is left out and no reason is given",
    ),
}


def test_a_good_table_has_no_fault() -> None:
    faults = verify(TABLE, POLICY)
    assert faults.empty
    assert list(faults.columns) == ["check", "subject", "reason"]


@pytest.mark.parametrize("check", PLANTED)
def test_a_planted_fault_is_found(check: str) -> None:
    plant, subject, reason = PLANTED[check]
    table = TABLE.copy()
    plant(table)
    faults = verify(table, POLICY)
    hit = faults[(faults["check"] == check) & (faults["subject"] == subject)]
    assert len(hit) == 1
    assert reason in hit.iloc[0]["reason"]


def test_an_image_without_a_label_may_not_be_used() -> None:
    table = TABLE.copy()
    at(table, "x000", "split", "test")
    assert verify(table, POLICY)["reason"].to_list() == ["an image without a label lies in test"]


def test_duplicates_are_found() -> None:
    faults = verify(pd.concat([TABLE, TABLE[:1]]), POLICY)
    assert ("duplicate", TABLE.at[0, "image_id"]) in set(
        zip(faults["check"], faults["subject"], strict=True)
    )


def test_all_faults_come_together() -> None:
    table = TABLE.copy()
    for plant, _, _ in PLANTED.values():
        plant(table)
    assert set(verify(table, POLICY)["check"]) >= set(PLANTED) - {"min-count"}


def test_the_benchmark_must_be_as_it_was() -> None:
    frozen = TABLE.loc[TABLE["split"] == "benchmark", "image_id"]
    assert verify(TABLE, POLICY, frozen).empty
    table = TABLE.copy()
    at(table, frozen.iloc[0], "split", "train")
    found = verify(table, POLICY, [*frozen, "gone"])
    found = found[found["check"] == "benchmark"]
    assert set(found["subject"]) == {frozen.iloc[0], "gone"}


def test_what_is_frozen_may_lie_in_the_benchmark_unlabelled_and_staged() -> None:
    table = TABLE.copy()
    frozen = table.loc[table["split"] == "benchmark", "image_id"].to_list()[:2]
    at(table, frozen[0], "label", "unknown")
    at(table, frozen[1], "origin", "staged")
    assert verify(table, POLICY, frozen).empty
    assert set(verify(table, POLICY)["check"]) == {"unknown", "staged"}


def test_a_class_of_which_only_the_benchmark_is_left_breaks_no_cutoff() -> None:
    table = TABLE.copy()
    table.loc[(table["label"] == "gnu") & (table["split"] != "benchmark"), "split"] = ""
    assert verify(table, replace(POLICY, min_count=12)).empty


def test_tables_of_others_may_have_missing_values_and_fewer_columns() -> None:
    foreign = TABLE[["image_id", "label", "origin", "group", "split"]].replace("", np.nan)
    assert verify(foreign.sample(frac=1, random_state=3), POLICY).empty


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(InputError, match="'group' is missing; column 'split' is missing"):
        verify(TABLE.drop(columns=["group", "split"]), POLICY)


def some_of(count: int, split: str = "train", **columns: str) -> pd.DataFrame:
    """Rows of one class: each alone, real, and in one split."""
    row = {"label": "cat", "sub_class": "", "origin": "real", "group": "", "split": split}
    names = [f"{columns.get('label', 'cat')} {split} {number}" for number in range(count)]
    return pd.DataFrame([{"image_id": name, **row, **columns} for name in names])


def checks(table: pd.DataFrame, policy: SplitPolicy) -> list[tuple[str, str, str]]:
    return list(verify(table, policy).itertuples(index=False, name=None))


def test_a_group_counts_once_where_groups_count() -> None:
    table = pd.concat(
        [some_of(8), some_of(4, label="cat", group="g").assign(image_id=list("abcd"))]
    )
    assert checks(table, SplitPolicy(min_count=9)) == []
    assert checks(table, SplitPolicy(min_count=10)) == [
        ("min-count", "cat", "counts 9 of 10 groups needed")
    ]
    assert checks(table, SplitPolicy(min_count=12, count="images")) == []


def test_what_was_in_stays_in_by_its_images() -> None:
    table = some_of(6, group="g").assign(reason="stays in train")
    assert checks(table, SplitPolicy(min_count=6)) == []
    assert len(checks(table.assign(reason="drawn for train"), SplitPolicy(min_count=6))) == 1


def test_what_a_max_count_cut_counts_towards_the_min_count() -> None:
    cut = some_of(6, "").assign(reason="over the max-count of 5")
    table = pd.concat([some_of(5).assign(reason="drawn for train"), cut])
    assert checks(table, SplitPolicy(min_count=5, max_count=5)) == []
    assert checks(table, SplitPolicy(min_count=11, max_count=11)) == []
    assert len(checks(table, SplitPolicy(min_count=12, max_count=12))) == 1


def test_sub_classes_have_cutoffs_of_their_own() -> None:
    table = pd.concat([some_of(5), some_of(3, sub_class="joey").assign(image_id=list("abc"))])
    loose = SplitPolicy(min_count=1, max_count=None)
    assert checks(table, replace(loose, sub_min_count=3, sub_max_count=3)) == []
    assert checks(table, replace(loose, sub_min_count=4)) == [
        ("sub-min-count", "cat / joey", "counts 3 of 4 groups needed")
    ]
    assert checks(table, replace(loose, sub_max_count=2)) == [
        ("sub-max-count", "cat / joey", "3 images used of 2 allowed")
    ]


def test_any_group_column_may_not_cross() -> None:
    table = pd.concat([some_of(3), some_of(3, "val")]).assign(
        group_burst=["a", "", "", "a", "", "b"]
    )
    assert checks(table, SplitPolicy(min_count=1)) == [
        (
            "group",
            "burst a",
            "its images lie in train and val: cat train 0 in train, cat val 0 in val",
        )
    ]
