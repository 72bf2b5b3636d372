"""Tables that cannot be used are refused, all faults together; sloppy ones are read kindly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.splits import assign

from .libraries import SMALL, library, some

ZEBRAS = some(20, "zebra")


@pytest.mark.parametrize(
    ("images", "faults"),
    [
        (
            ZEBRAS.drop(columns=["origin", "usable"]),
            ["column 'origin' is missing", "column 'usable' is missing"],
        ),
        (
            pd.concat([ZEBRAS, ZEBRAS[["label"]], ZEBRAS[["label"]]], axis=1),
            ["column 'label' is there 3 times"],
        ),
        (
            pd.concat([ZEBRAS, ZEBRAS[["usable"]].set_axis(["group_a"], axis=1)] * 2, axis=1),
            ["column 'group_a' is there 2 times", "column 'image_id' is there 2 times"],
        ),
        (
            library(ZEBRAS, ZEBRAS[:1], some(1, "gnu", origin="rendered")),
            [
                "image_id 'zebra000' is there 2 times",
                "origin 'rendered' of image 'gnu000' is none of real, staged, synthetic",
            ],
        ),
        (
            ZEBRAS.assign(image_id=pd.Series([None, 7, *ZEBRAS["image_id"][2:]], dtype=object)),
            ["image_id is missing in 1 rows", "image_id 7 is not text"],
        ),
        (
            ZEBRAS.assign(usable=["yes", *[True] * 19]),
            ["usable of image 'zebra000' is 'yes', neither true nor false"],
        ),
    ],
)
def test_faults_of_images_come_together(images: pd.DataFrame, faults: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        assign(images, SMALL)
    assert caught.value.value == "the table of images"
    for fault in faults:
        assert fault in caught.value.rule


@pytest.mark.parametrize(
    ("previous", "faults"),
    [
        (pd.DataFrame({"image_id": ["a"]}), ["column 'split' is missing"]),
        (
            pd.DataFrame({"image_id": ["a", "a", "b"], "split": ["train", "val", "holdout"]}),
            [
                "image_id 'a' is there 2 times",
                "split 'holdout' of image 'b' is none of train, val, test, benchmark",
            ],
        ),
    ],
)
def test_faults_of_previous_come_together(previous: pd.DataFrame, faults: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        assign(ZEBRAS, SMALL, previous)
    assert caught.value.value == "the table of earlier splits"
    for fault in faults:
        assert fault in caught.value.rule


def test_empty_splits_of_previous_count_as_not_there() -> None:
    previous = pd.DataFrame({"image_id": ["zebra000", "zebra001"], "split": ["", None]})
    answer = assign(ZEBRAS, SMALL, previous)
    assert (answer.table["split"] == assign(ZEBRAS, SMALL).table["split"]).all()
    assert answer.changes.empty


def test_the_input_is_left_as_it_was() -> None:
    images = ZEBRAS.sample(frac=1, random_state=1)
    copy = images.copy()
    assign(images, SMALL)
    pd.testing.assert_frame_equal(images, copy)


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, ""])
def test_missing_values_tie_nothing_and_label_nothing(nothing: Any) -> None:
    images = library(some(20, "zebra", group_a=nothing), some(1, "x", label=nothing))
    table = assign(images, SMALL).table.set_index("image_id")
    assert (table["group"] == "").all()
    assert table.at["x000", "reason"] == "no label"
    assert table.at["x000", "label"] == ""


def test_group_values_need_not_be_text() -> None:
    images = ZEBRAS.assign(group_session=[i // 2 for i in range(20)])
    assert assign(images, SMALL).table["group"].nunique() == 10


def test_an_index_of_the_users_is_nothing() -> None:
    images = ZEBRAS.set_index(pd.Index(["same"] * 20))
    expected = assign(ZEBRAS, SMALL).table
    pd.testing.assert_frame_equal(assign(images, SMALL).table, expected)
