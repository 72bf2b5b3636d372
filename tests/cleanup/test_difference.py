"""Two plans differ by the files of each rule."""

from __future__ import annotations

import pandas as pd

from curate.cleanup.difference import COLUMNS, difference


def plan(**rules: str) -> pd.DataFrame:
    rows = [(rule, path) for rule, paths in rules.items() for path in paths]
    return pd.DataFrame(rows, columns=["rule", "path"])


def test_files_are_new_gone_or_kept_by_rule() -> None:
    found = difference(plan(blank="abc", old="x"), plan(blank="bcde", new="y"))
    assert tuple(found.columns) == COLUMNS
    assert found.to_numpy().tolist() == [
        ["blank", 2, 1, 2],
        ["new", 1, 0, 0],
        ["old", 0, 1, 0],
    ]


def test_a_file_that_changed_its_rule_is_gone_there_and_new_here() -> None:
    found = difference(plan(one="a"), plan(two="a"))
    assert found.to_numpy().tolist() == [["one", 0, 1, 0], ["two", 1, 0, 0]]


def test_nothing_differs_from_nothing() -> None:
    assert difference(plan(), plan()).empty
    assert difference(plan(), plan(one="ab"))["new"].to_list() == [2]
