"""What the benchmark of queues counts."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.queues_score import Found, counted, hits, shares, topics_of, write


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
        numbers = {"hits": [hit] * 3, "classes": [1.0, 2.0, 3.0], "looks": [200.0]}
        said = {"expected": [0.5, 0.5, math.nan], "later": [0.6] * 3, "later_hits": [hit] * 3}
        ways = {"queue": {**numbers, **said}, "score": numbers, "random": numbers}
        return Found({"low-count": ways}, {"classes": 9.0}, {"disagree": "one checkpoint"})

    write(tmp_path / "r.md", ["zoo"], [found(0.4), found(0.7), found(0.5)])
    text = (tmp_path / "r.md").read_text()
    assert "| low-count (200 images) | 50 (40…70) |" in text
    # 0.5 beside 0.4, 0.7 and 0.5; the third has no expectation.
    assert "| low-count | 50 / 50 | 50 / 50 | – / 50 | 10 (0…20) |" in text
    assert "- seed 2, disagree: one checkpoint" in text
    assert "- classes: 9" in text
