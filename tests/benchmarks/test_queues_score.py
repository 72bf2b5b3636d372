"""What the benchmark of queues counts."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.queues_score import FEW, Found, by_chance, counted, hits, shares, topics_of, write


def looks(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    """Looks by hand: topic, predicted, was, answer."""
    return pd.DataFrame(rows, columns=["topic", "predicted", "was", "answer"], dtype=object)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("low-count", [True, False, False]),
        ("uncertain", [False, True, True]),
        ("low-score", [False, False, True]),
        # A recipe that promises no more than a class.
        ("random", [True, True, False]),
    ],
)
def test_a_hit_is_what_the_recipe_promises(recipe: str, expected: list[bool]) -> None:
    table = looks(
        ("kudu", "kudu", "", "kudu"),
        ("kudu", "kudu", "", "zebra"),
        ("kudu", "kudu", "", "rejected"),
    )
    assert hits(recipe, table).tolist() == expected


def test_classes_belong_to_the_first_topic_that_names_them() -> None:
    shown = pd.Series(["kudu", "zebra", "okapi", "lion"])
    topics = topics_of(shown, ["kudu / zebra", "okapi", "zebra / okapi"])
    assert topics.tolist() == ["kudu / zebra", "kudu / zebra", "okapi", ""]


def test_a_label_that_was_there_moves_no_class() -> None:
    short = {"kudu": 2, "zebra": 1}
    table = looks(
        ("kudu", "kudu", "unknown", "kudu"),
        ("kudu", "kudu", "kudu", "kudu"),
        ("kudu", "kudu", "lion", "zebra"),
        ("kudu", "kudu", "", "kudu"),
    )
    assert counted("low-count", table, short)["classes"] == [1, 1, 1]
    assert counted("low-count", table.head(3), short)["classes"] == [0, 0, 0]


def test_shares_of_nothing_and_of_what_is_unsaid_are_missing() -> None:
    assert shares(pd.Series([1.0, 0.0, math.nan]), 2) == 0.5
    assert math.isnan(shares(pd.Series([1.0, math.nan]), 2))
    assert math.isnan(shares(pd.Series([], dtype=float), 2))


def test_the_report_has_a_row_a_recipe_and_says_what_failed(tmp_path: Path) -> None:
    def found(hit: float) -> Found:
        numbers = {"hits": [hit] * 3, "classes": [1.0, 2.0, 10 * hit], "looks": [200.0]}
        said = {"expected": [0.5, 0.5, math.nan], "later": [0.6] * 3, "later_hits": [hit] * 3}
        said["later_looks"] = [200.0]
        ways = {"queue": {**numbers, **said}, "score": numbers, "random": numbers}
        return Found({"low-count": ways}, {"classes": 9.0}, {"disagree": "one checkpoint"})

    write(tmp_path / "r.md", ["zoo"], [found(0.4), found(0.7), found(0.5)])
    text = (tmp_path / "r.md").read_text()
    assert "| low-count (200 images) | 50 (40…70) |" in text
    # 0.5 beside 0.4, 0.7 and 0.5; the third has no expectation.
    assert "| low-count | 50 / 50 | 50 / 50 | – / 50 | 10 (0…20) |" in text
    # -3 of two numbers of each library before, +7 of all three after.
    assert "| low-count | -3 | +7 |" in text
    assert "- seed 2, disagree: one checkpoint" in text
    assert "- classes: 9" in text
    # Of four libraries the median lies between the two in the middle.
    write(tmp_path / "r.md", ["zoo"], [found(at) for at in (0.4, 0.5, 0.6, 0.9)])
    text = (tmp_path / "r.md").read_text()
    assert "| low-count (200 images) | 55 (40…90) |" in text
    assert "| low-count | 1 | 1 | 1 | 2 | 2 | 2 | 5.5 (4…9) |" in text


def test_small_queues_are_counted_together_and_not_as_points(tmp_path: Path) -> None:
    def found(looks: float, hit: float) -> Found:
        numbers = {"hits": [hit] * 3, "classes": [0.0] * 3, "looks": [looks]}
        said = {"expected": [0.5] * 3, "later": [math.nan] * 3, "later_hits": [hit] * 3}
        ways = {"queue": {**numbers, **said, "later_looks": [looks]}}
        return Found({"duplicates": {**ways, "score": numbers, "random": numbers}}, {}, {})

    write(tmp_path / "r.md", ["zoo"], [found(4, 1.0), found(6, 0.5), found(FEW, 0.6)])
    text = (tmp_path / "r.md").read_text()
    # Only the points of the third; and 4 + 3 hits of ten images where 5 were expected.
    assert "| 50 / 60 | 50 / 60 | 50 / 60 | 10 |" in text
    assert "| duplicates | -10 | – |" in text
    assert "| duplicates | 10 | 5.0 | 2…8 | 7 | – | – | – | – |" in text


def test_what_comes_by_chance_holds_nineteen_of_twenty_sums() -> None:
    assert by_chance(0, 0.0) == (0, 0)
    assert by_chance(10, 0.0) == (0, 0)
    assert by_chance(10, 10.0) == (10, 10)
    # Of 2 ** 3 ways, one each has no hit and three hits.
    assert by_chance(3, 1.5) == (0, 3)
    low, high = by_chance(100, 50.0)
    assert (low, high) == (40, 60)
