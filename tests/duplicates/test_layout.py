"""The table that a user sees."""

from __future__ import annotations

from typing import Any

import pandas as pd

from curate.duplicates.layout import COLUMNS, Duplicates, laid_out
from curate.duplicates.search import GROUPS


def laid(
    groups: list[tuple[str, str, str, str, float]],
    files: list[tuple[str, str]],
    labels: dict[str, str] | None = None,
) -> Duplicates:
    """Lay out groups of (image, group, tie, keeper, similarity) and files of (image, path)."""
    table = pd.DataFrame([(*row, f"why {row[0]}") for row in groups], columns=GROUPS)
    places = pd.DataFrame(files, columns=["image_id", "path"])
    ids = sorted({image_id for image_id, _ in files})
    images = pd.DataFrame({"image_id": ids, "origin": "real", "split": ""}, dtype=object)
    images["label"] = pd.Series([(labels or {}).get(one) for one in ids], dtype=object)
    return laid_out(table, images, places, 7)


def rows(found: Duplicates, *columns: str) -> list[tuple[Any, ...]]:
    return list(found.table[list(columns)].itertuples(index=False, name=None))


PAIR = [("a", "a", "a", "b", 0.9), ("b", "a", "a", "b", 1.0)]


def test_the_columns_are_those_of_the_design_and_more_after() -> None:
    found = laid(PAIR, [("a", "1"), ("b", "2")])
    assert list(found.table.columns) == COLUMNS
    assert COLUMNS[:7] == ["group", "image_id", "path", "label", "keeper", "similarity", "reason"]
    assert found.table["keeper"].dtype == bool
    assert found.compared == 7


def test_the_keeper_stands_first_and_says_why() -> None:
    found = laid(PAIR, [("a", "1"), ("b", "2")])
    assert rows(found, "path", "keeper", "similarity", "reason") == [
        ("2", True, 1.0, "why b"), ("1", False, 0.9, "why a"),
    ]  # fmt: skip


def test_copies_of_a_keeper_are_no_keepers() -> None:
    found = laid(PAIR, [("b", "1"), ("a", "2"), ("b", "3"), ("a", "4")])
    assert rows(found, "path", "keeper", "reason") == [
        ("1", True, "why b"),
        ("3", False, "exact copy: the same bytes"),
        ("2", False, "why a"),
        ("4", False, "exact copy: the same bytes"),
    ]
    assert list(found.table["similarity"]) == [1.0, 1.0, 0.9, 0.9]


def test_copies_alone_are_a_group_of_their_image() -> None:
    found = laid([], [("c", "1"), ("d", "2"), ("c", "3")])
    assert rows(found, "group", "path", "keeper", "similarity", "tie") == [
        ("c", "1", True, 1.0, "c"), ("c", "3", False, 1.0, "c"),
    ]  # fmt: skip
    assert found.table["reason"].iloc[0] == "kept: the first of its copies by path"


def test_an_image_alone_in_its_group_is_no_row() -> None:
    alone = [("c", "c", "a", "c", 1.0)]
    found = laid(PAIR + alone, [("a", "1"), ("b", "2"), ("c", "3")])
    assert list(found.table["path"]) == ["2", "1"]
    # Unless it lies in two files.
    found = laid(PAIR + alone, [("a", "1"), ("b", "2"), ("c", "3"), ("c", "4")])
    assert list(found.table["path"]) == ["2", "1", "3", "4"]
    assert list(found.table["tie"]) == ["a"] * 4


def test_the_largest_group_stands_first() -> None:
    found = laid(PAIR, [("a", "1"), ("b", "2"), *[("c", f"c{n}") for n in range(3)]])
    assert list(found.table["group"]) == ["c"] * 3 + ["a"] * 2


def test_labels_that_differ() -> None:
    files = [("a", "1"), ("b", "2"), ("b", "3"), ("c", "4"), ("c", "5")]
    both = laid(PAIR, files, {"a": "cat", "b": "dog", "c": "hen"}).conflicts
    assert both.to_dict("records") == [{"group": "a", "labels": "dog 1, cat 1", "images": 2}]
    assert laid(PAIR, files, {"a": "cat", "b": "cat"}).conflicts.empty
    assert laid(PAIR, files, {"a": "cat"}).conflicts.empty


def test_nothing_found_has_the_columns() -> None:
    for found in (laid([], [("a", "1")]), laid([], [])):
        assert (list(found.table.columns), len(found.table)) == (COLUMNS, 0)
        assert (list(found.conflicts.columns), len(found.conflicts)) == (
            ["group", "labels", "images"], 0,
        )  # fmt: skip
