"""What a plan costs is estimated from answers; where there are none, nobody knows."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from curate.cleanup import cost
from curate.cleanup.recipes import NOBODY, RECIPES
from curate.core.losses import FEW


def answers(wanted: int, refused: int, by_person: bool = True) -> pd.DataFrame:
    rows = ["kudu"] * wanted + ["rejected"] * refused
    return pd.DataFrame({"answer": rows, "by_person": by_person})


def decided(*rows: tuple[float, str, int]) -> pd.DataFrame:
    told = [(score, answer, "random") for score, answer, number in rows for _ in range(number)]
    return pd.DataFrame(told, columns=["score", "answer", "recipe"])


def test_the_share_of_the_wanted_among_the_answers_counts_for_what_goes() -> None:
    row = cost.by_answers(1_000, answers(10, 90))
    assert row["wanted_lost"] == pytest.approx(100)
    # Clopper and Pearson for 10 of 100: 4.9 % to 17.6 %.
    assert [row["low"], row["high"]] == pytest.approx([49.0, 176.2], abs=0.1)
    assert (row["looked"], row["basis"]) == (100, "answers of people")


def test_no_wanted_one_among_the_answers_is_no_promise() -> None:
    row = cost.by_answers(1_000, answers(0, 30))
    assert (row["wanted_lost"], row["low"]) == (0, 0)
    assert 100 < row["high"] < 120


def test_answers_of_people_count_alone_where_there_are_enough() -> None:
    folder = answers(50, 0, by_person=False)
    enough = cost.by_answers(10, pd.concat([folder, answers(0, FEW)]))
    assert (enough["wanted_lost"], enough["looked"]) == (0, FEW)
    few = cost.by_answers(10, pd.concat([folder, answers(0, FEW - 1)]))
    assert (few["looked"], few["basis"]) == (50 + FEW - 1, "all answers")


def test_unknown_is_wanted() -> None:
    told = pd.DataFrame({"answer": ["unknown"] * 20, "by_person": True})
    assert cost.by_answers(5, told)["wanted_lost"] == 5


def test_where_nobody_looked_nobody_knows() -> None:
    row = cost.by_answers(10, answers(0, 0))
    assert math.isnan(row["wanted_lost"])
    assert (row["images"], row["basis"]) == (10, NOBODY)


def test_scores_are_held_against_answers_to_images_of_such_scores() -> None:
    # What is known of low scores says nothing of the others that go.
    told = decided((0.02, "rejected", 100), (0.08, "kudu", 50), (0.08, "rejected", 50))
    low = cost.by_scores(pd.Series([0.01] * 40), told)
    assert (low["wanted_lost"], low["looked"], low["basis"]) == (0, 100, "a fair sample")
    both = cost.by_scores(pd.Series([0.01] * 40 + [0.09] * 10), told)
    assert both["wanted_lost"] == pytest.approx(5)
    assert both["looked"] == 200
    assert cost.by_scores(pd.Series([0.01, 0.5]), told)["basis"] == NOBODY


def test_images_without_a_score_are_known_by_nobody() -> None:
    told = decided((0.02, "rejected", 100))
    assert cost.by_scores(pd.Series([0.01, None], dtype="float64"), told)["basis"] == NOBODY
    assert cost.by_scores(pd.Series([], dtype="float64"), told)["images"] == 0


def test_some_recipes_lose_nothing_and_of_some_nobody_knows() -> None:
    nothing = cost.of_recipe(RECIPES["rejected"], 7, answers(9, 9))
    assert [nothing[name] for name in ("wanted_lost", "high", "looked")] == [0, 0, 0]
    assert cost.of_recipe(RECIPES["copies"], 7, answers(9, 9))["basis"] == "the keeper stays"
    assert cost.of_recipe(RECIPES["never-queued"], 7, answers(9, 9))["basis"] == NOBODY
    assert cost.of_recipe(RECIPES["blank"], 8, answers(10, 10))["wanted_lost"] == 4
