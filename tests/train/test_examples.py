from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core import paths
from curate.core.errors import CurateError, InputError, PolicyError
from curate.train.examples import examples_of

ROWS = [
    ("i5", "/p/e.jpg", "bee", "val"),
    ("i1", "/p/a.jpg", "bee", "train"),
    ("i2", "/p/b\\xff.jpg", "ant", "train"),
    ("i3", "/p/c.jpg", "ant", "test"),
    ("i4", "/p/d.jpg", "ant", "train"),
    ("i6", "/p/f.jpg", "cat", "benchmark"),
    ("i7", "/p/g.jpg", "dog", None),
    ("i8", "/p/h.jpg", None, ""),
]


def table(rows: list[tuple[str, str, str | None, str | None]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_id", "path", "label", "split"])


def test_a_table_becomes_arrays() -> None:
    examples = examples_of(table(ROWS))
    assert examples.classes == ("ant", "bee")
    assert examples.ids == ["i1", "i2", "i3", "i4", "i5"]
    assert examples.paths[1] == paths.from_text("/p/b\\xff.jpg") == b"/p/b\xff.jpg"
    assert examples.targets.tolist() == [1, 0, 0, 0, 1]
    assert {name: at.tolist() for name, at in examples.splits.items()} == {
        "train": [0, 1, 3],
        "val": [4],
        "test": [2],
    }
    assert examples.left_out == {"cat", "dog"}


@given(st.permutations(ROWS))
def test_the_order_of_the_rows_does_not_matter(
    rows: list[tuple[str, str, str | None, str | None]],
) -> None:
    one, other = examples_of(table(ROWS)), examples_of(table(rows))
    assert (one.ids, one.split, one.data) == (other.ids, other.split, other.data)
    assert np.array_equal(one.targets, other.targets)


def test_the_digests_tell_what_changed() -> None:
    before = examples_of(table(ROWS))
    relabelled = examples_of(table([*ROWS[:1], ("i1", "/p/a.jpg", "ant", "train"), *ROWS[2:4],
                                    ("i4", "/p/d.jpg", "bee", "train")]))  # fmt: skip
    moved = examples_of(table([*ROWS, ("i9", "/p/i.jpg", "ant", "test")]))
    grown = examples_of(table([*ROWS, ("i9", "/q", "x", "benchmark"), ("i10", "/q", "x", None)]))
    assert (relabelled.split, relabelled.data) == (before.split, relabelled.data)
    assert relabelled.data != before.data
    assert moved.split != before.split
    assert moved.data == before.data
    assert (grown.split, grown.data) == (before.split, before.data)


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([], PolicyError, "no image in train"),
        (ROWS[:1], PolicyError, "no image in train"),
        ([ROWS[1]], PolicyError, "the class 'bee' alone"),
        ([*ROWS, ("i9", "/q", "cat", "val")], PolicyError, "'cat' in val or test"),
        ([*ROWS, ("i9", "/q", None, "train")], PolicyError, "1 images .* without a label"),
        ([*ROWS, ("i9", "/q", "ant", "tain")], InputError, "split 'tain'"),
        ([*ROWS, ("i1", "/q", "ant", "val")], InputError, "image i1: an image is in the table"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused(
    rows: list[tuple[str, str, str | None, str | None]], error: type[CurateError], says: str
) -> None:
    with pytest.raises(error, match=says):
        examples_of(table(rows))


def test_missing_columns_are_named() -> None:
    with pytest.raises(InputError, match="without label, split"):
        examples_of(table(ROWS)[["image_id", "path"]])
