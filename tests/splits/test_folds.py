"""Folds keep what a split keeps, and each used real image tests once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from curate.core.errors import InputError, PolicyError
from curate.splits import assign, assign_folds

from .libraries import SMALL, Case, cases, earlier, library, some

laws = settings(max_examples=20, deadline=None)
NUMBERS = st.sampled_from([2, 3, 5])


def attempt(case: Case, folds: int, previous: pd.DataFrame | None = None) -> pd.DataFrame:
    try:
        return assign_folds(case.images, case.policy, folds, previous)
    except PolicyError:
        assume(False)
        raise


def with_benchmark(case: Case, share: float = 0.1) -> pd.DataFrame:
    """An earlier split that has put some real images in the benchmark."""
    real = case.images["origin"] == "real"
    names = case.images.loc[case.chosen(share) & real, "image_id"]
    return earlier(benchmark=list(names))


@laws
@given(cases(), NUMBERS, st.booleans())
def test_laws_of_folds(case: Case, folds: int, frozen: bool) -> None:
    previous = with_benchmark(case) if frozen else None
    table = attempt(case, folds, previous)
    assert list(table.columns) == [
        *("image_id", "label", "sub_class", "origin", "group", "fold", "reason")
    ]
    assert list(table["image_id"]) == sorted(case.images["image_id"])
    assert (table["reason"] != "").all()
    placed = table.dropna(subset=["fold"])
    assert set(placed["fold"]) <= set(range(-1, folds))
    assert (placed.loc[placed["origin"] != "real", "fold"] == -1).all()
    assert not placed["label"].isin(["", "unknown"]).any()
    usable = case.images.set_index("image_id")["usable"]
    assert usable[placed["image_id"]].all()
    sizes = placed.groupby("label").size()
    assert case.policy.max_count is None or (sizes <= case.policy.max_count).all()

    # By the images' own columns, not by what the table calls a group.
    fold = placed.set_index("image_id")["fold"]
    held = [] if previous is None else list(previous["image_id"])
    assert not set(held) & set(fold.index)
    for column in case.images.columns[case.images.columns.str.startswith("group_")]:
        for _, members in case.images.dropna(subset=[column]).groupby(column):
            there = members["image_id"][members["image_id"].isin(fold.index)]
            assert fold[there].nunique() <= 1
            if members["image_id"].isin(held).any():
                assert there.empty


@laws
@given(cases(mixed=False), NUMBERS)
def test_a_class_is_in_each_fold_where_it_has_groups_enough(case: Case, folds: int) -> None:
    table = attempt(case, folds).dropna(subset=["fold"])
    for _, images in table.groupby("label"):
        groups = images["group"].where(images["group"] != "", images["image_id"])
        assert images["fold"].nunique() == min(folds, groups.nunique())
        sizes = images["fold"].value_counts().reindex(range(folds), fill_value=0)
        largest = groups.value_counts().max()
        assert (abs(sizes - len(images) / folds) <= largest + 1e-3).all()


@laws
@given(cases(), NUMBERS)
def test_order_and_names_are_nothing_to_folds(case: Case, folds: int) -> None:
    table = attempt(case, folds)
    random = np.random.default_rng(case.seed)
    shuffled = case.images.iloc[random.permutation(len(case.images))]
    assert_frame_equal(table, assign_folds(shuffled, case.policy, folds))
    label = case.images["label"].map(lambda n: f"~{n[::-1]}" if n != "unknown" else n,
                                     na_action="ignore")  # fmt: skip
    renamed = assign_folds(case.images.assign(label=label), case.policy, folds)
    columns = ["image_id", "group", "fold"]
    assert_frame_equal(table[columns], renamed[columns])


@laws
@given(cases(), NUMBERS, st.sampled_from([0.3, 0.7]))
def test_no_fold_changes_when_the_library_grows(case: Case, folds: int, share: float) -> None:
    young = Case(case.images[case.chosen(share)], case.policy, case.seed)
    before = attempt(young, folds)
    now = assign_folds(case.images, case.policy, folds, before).set_index("image_id")["fold"]
    placed = before.dropna(subset=["fold"]).set_index("image_id")["fold"]
    assert (now[placed.index] == placed).all()


def test_staged_images_train_whichever_fold_tests() -> None:
    images = library(
        some(20, "zebra", group_burst=["1", "1", *[None] * 18]),
        some(1, "s", label="zebra", origin="staged", group_burst="1"),
    )
    table = assign_folds(images, SMALL, 3).set_index("image_id")
    assert table.loc[["s000", "zebra000", "zebra001"], "fold"].tolist() == [-1, -1, -1]
    assert table.at["s000", "reason"] == "staged images only train"
    assert table["fold"].value_counts().to_dict() == {0: 6, 1: 6, 2: 6, -1: 3}
    assert str(table.at["zebra005", "reason"]).startswith("drawn for fold ")


def test_the_benchmark_of_the_split_is_in_no_fold_nor_what_is_near_it() -> None:
    images = some(60, "zebra", group_burst=["1", "1", *[None] * 58])
    split = assign(images, replace(SMALL, benchmark=0.1), earlier(benchmark=["zebra000"])).table
    table = assign_folds(images, SMALL, 5, split).set_index("image_id")
    assert table.loc[["zebra000", "zebra001"], "fold"].isna().all()
    assert table.at["zebra000", "reason"] == "frozen in the benchmark"
    assert str(table.at["zebra001", "reason"]).startswith("near the benchmark (image zebra000)")
    assert table["fold"].notna().sum() == 58


def test_sub_classes_are_spread_over_folds() -> None:
    images = some(100, "roo", sub_class=["joey"] * 25 + ["adult"] * 75)
    table = assign_folds(images, SMALL, 5)
    assert (table.groupby(["fold", "sub_class"]).size().unstack()["joey"] == 5).all()


def test_a_group_that_lies_in_two_folds_is_told() -> None:
    images = some(20, "zebra", group_burst=["1", "1", *[None] * 18])
    previous = pd.DataFrame({"image_id": ["zebra000", "zebra001"], "fold": [0, 2]})
    table = assign_folds(images, SMALL, 3, previous).set_index("image_id")
    assert table.loc[["zebra000", "zebra001"], "fold"].tolist() == [0, 2]
    assert "its group lies in fold 0 and fold 2" in str(table.at["zebra000", "reason"])


@pytest.mark.parametrize("folds", [-1, 0, 1, 51])
def test_a_number_of_folds_that_is_none(folds: int) -> None:
    with pytest.raises(PolicyError, match="at least 2 and at most 50"):
        assign_folds(some(20, "zebra"), SMALL, folds)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"image_id": ["zebra000"]}, "neither split nor fold"),
        ({"fold": [1]}, "column 'image_id' is missing"),
        ({"image_id": ["zebra000"], "fold": [5]}, "fold 5 of image 'zebra000' is none of 5"),
        ({"image_id": ["zebra000"], "fold": [0.5]}, "fold 0.5 of image"),
    ],
)
def test_earlier_folds_that_cannot_be_read(columns: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        assign_folds(some(20, "zebra"), SMALL, 5, pd.DataFrame(columns))
