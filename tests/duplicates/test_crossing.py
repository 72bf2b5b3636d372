"""Pairs on two sides: exactly those, each once, whatever the order."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates.crossing import COLUMNS, across, ordered


def files(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_id", "path", "side"])


def alike(*rows: tuple[str, str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["first", "second", "similarity"])
    return table.astype({"similarity": float}).assign(reason="like", structure=1.0)


def said(found: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (f"{row.first_side}/{row.first_path}", f"{row.second_side}/{row.second_path}")
        for row in found.itertuples()
    ]


PLACED = files(
    ("a", "1", "test"), ("b", "2", "train"), ("c", "3", "train"), ("d", "4", "val"), ("e", "5", "")
)  # fmt: skip


def test_only_pairs_on_different_sides_leak() -> None:
    pairs = alike(("a", "b", 0.9), ("b", "c", 0.9), ("c", "d", 0.95), ("a", "e", 1.0))
    found = across(PLACED, pairs)
    assert list(found.columns) == COLUMNS
    assert said(found) == [("train/3", "val/4"), ("train/2", "test/1")]
    assert list(found["similarity"]) == [0.95, 0.9]
    # The ids turn with their sides.
    assert list(zip(found["first"], found["second"], strict=True)) == [("c", "d"), ("b", "a")]


def test_a_person_s_word_counts() -> None:
    pairs = alike(("a", "b", 0.9), ("c", "d", 0.95))
    assert said(across(PLACED, pairs, {("c", "d")})) == [("train/2", "test/1")]


def test_an_image_on_two_sides_is_one_row_by_its_first_files() -> None:
    table = files(("a", "9", "train"), ("a", "2", "train"), ("a", "5", "test"), ("a", "7", "test"))
    (row,) = across(table, alike()).to_dict("records")
    assert (row["first_path"], row["second_path"]) == ("2", "5")
    assert (row["similarity"], row["reason"]) == (1.0, "exact copies")


def test_one_file_on_two_sides_leaks_too() -> None:
    found = across(files(("a", "1", "test"), ("a", "1", "train")), alike())
    assert said(found) == [("train/1", "test/1")]


def test_a_pair_whose_images_lie_on_several_sides() -> None:
    table = files(("a", "1", "train"), ("a", "2", "val"), ("b", "3", "test"), ("b", "4", "val"))
    found = across(table, alike(("a", "b", 0.9)))
    assert said(found) == [
        ("train/1", "val/2"), ("val/4", "test/3"),
        ("train/1", "test/3"), ("train/1", "val/4"), ("val/2", "test/3"),
    ]  # fmt: skip


def test_no_files_and_no_pairs() -> None:
    for table in (files(), PLACED):
        found = across(table, alike())
        assert (list(found.columns), len(found)) == (COLUMNS, 0)


@pytest.mark.parametrize(
    ("sides", "order"),
    [
        (["test", "val", "", "train", "test", "benchmark"], ["train", "val", "test", "benchmark"]),
        (["new", "library", "a"], ["new", "library", "a"]),
        (["holdout", "test", "aside", "train"], ["train", "test", "holdout", "aside"]),
    ],
)
def test_sides_have_an_order(sides: list[str], order: list[str]) -> None:
    assert ordered(pd.Series(sides)) == order


@settings(max_examples=40)
@given(st.data())
def test_every_pair_on_two_sides_once(data: st.DataObject) -> None:
    """As a person would find it with two loops; and whatever the order of the rows."""
    ids = st.sampled_from("abcde")
    placed = data.draw(
        st.lists(st.tuples(ids, st.sampled_from("12345"), st.sampled_from(["train", "test", ""])))
    )
    pairs = data.draw(st.sets(st.tuples(ids, ids).filter(lambda pair: pair[0] < pair[1])))
    table = files(*((image, image + path, side) for image, path, side in placed))
    found = across(table, alike(*((a, b, 0.8) for a, b in sorted(pairs))))
    sides = {one: {side for image, _, side in placed if image == one and side} for one in "abcde"}
    expected = {(a, a) for a in "abcde" if len(sides[a]) == 2} | {
        (a, b) for a, b in pairs if sides[a] and sides[b] and len(sides[a] | sides[b]) == 2
    }
    got = {tuple(sorted(pair)) for pair in zip(found["first"], found["second"], strict=True)}
    assert got == expected
    assert not found.duplicated(["first", "first_side", "second", "second_side"]).any()
    assert (found["first_side"] != found["second_side"]).all()
    again = across(
        table.sample(frac=1, random_state=1),
        alike(*((a, b, 0.8) for a, b in sorted(pairs, reverse=True))),
    )
    pd.testing.assert_frame_equal(again, found)
