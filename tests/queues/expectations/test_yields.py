"""What looks come to, and what is learnt from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.outcomes import HITS, OUTCOME_COLUMNS
from curate.queues.expectations.yields import (
    FEW,
    KNOTS,
    Calibration,
    checked,
    fitted,
    foreseen,
    known_chance,
    monotone,
)

laws = settings(max_examples=20, deadline=None)
EXPECTED = pd.Series(np.linspace(0, 1, 57))
RECIPES = [*HITS, "random", "mine"]


def looks(recipe: str, expected: list[float], hits: list[bool], **changed: Any) -> pd.DataFrame:
    """Outcomes by hand; by default their scores are what was expected."""
    table = pd.DataFrame({"expected": expected, "hit": hits}, dtype=object)
    table = table.astype({"expected": "float64", "hit": bool})
    table["image_id"] = [f"{recipe}{number}" for number in range(len(table))]
    table["answer"] = ["kudu" if hit else "zebra" for hit in table["hit"]]
    values: dict[str, Any] = {
        "recipe": recipe,
        "run_id": 1,
        "predicted": "kudu",
        "topic": "kudu",
        "was": "",
        "known": 1.0,
    }
    table = table.assign(
        **values, position=1, score=table["expected"], calibrated=table["expected"]
    )
    return table.assign(**changed)[list(OUTCOME_COLUMNS)]


@st.composite
def drawn(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(RECIPES),
                st.sampled_from([0.0, 0.2, 0.37, 0.5, 0.9, 1.0, float("nan")]),
                st.booleans(),
            ),
            max_size=40,
        )
    )
    table = looks("low-count", [row[1] for row in rows], [row[2] for row in rows])
    return table.assign(recipe=[row[0] for row in rows])


def test_without_outcomes_nothing_is_corrected() -> None:
    learnt = fitted(looks("random", [], []))
    for recipe in RECIPES:
        np.testing.assert_allclose(learnt.of(recipe, EXPECTED), EXPECTED, atol=1e-12)
        assert learnt.of(recipe, pd.Series([float("nan")])).isna().all()


@laws
@given(drawn())
def test_what_is_corrected_rises_with_what_was_expected_and_is_a_chance(
    table: pd.DataFrame,
) -> None:
    learnt = fitted(table)
    for recipe in RECIPES:
        said = learnt.of(recipe, EXPECTED).to_numpy()
        assert (np.diff(said) >= -1e-12).all()
        assert said.min() >= 0
        assert said.max() <= 1


@laws
@given(drawn(), st.integers(0, 99))
def test_the_order_of_outcomes_does_not_matter(table: pd.DataFrame, seed: int) -> None:
    shuffled = fitted(table.sample(frac=1, random_state=seed))
    learnt = fitted(table)
    for recipe in RECIPES:
        assert learnt.of(recipe, EXPECTED).to_list() == shuffled.of(recipe, EXPECTED).to_list()


@laws
@given(drawn(), st.booleans(), st.sampled_from([0.2, 0.5, 0.9]))
def test_a_hit_never_lowers_and_a_miss_never_raises(
    table: pd.DataFrame, right: bool, at: float
) -> None:
    table = table[table["recipe"] != "random"]
    more = pd.concat([table, looks("random", [at], [right])], ignore_index=True)
    moved = fitted(more).of("random", EXPECTED) - fitted(table).of("random", EXPECTED)

    assert (moved >= -1e-12).all() if right else (moved <= 1e-12).all()


def test_one_outcome_moves_little_and_ten_move_half_way() -> None:
    at = pd.Series([0.5])
    for number, low, high in ((1, 0.53, 0.56), (10, 0.7, 0.76), (200, 0.95, 1.0)):
        learnt = fitted(looks("random", [0.5] * number, [True] * number))
        assert low < learnt.of("random", at)[0] < high


@pytest.mark.parametrize(
    "truth", [lambda x: x**2, lambda x: 0.6 * x, lambda x: 0.3 + 0 * x, lambda x: np.sqrt(x)]
)
def test_many_outcomes_come_near_the_truth(truth: Any) -> None:
    expected = np.linspace(0.02, 0.98, 4_000)
    # Of each hundred neighbours, the right share.
    hits = (np.arange(4_000) * 61 % 100) / 100 < truth(expected)
    learnt = fitted(looks("mine", list(expected), list(hits)))
    inside = EXPECTED[(EXPECTED > 0.1) & (EXPECTED < 0.9)]

    assert (learnt.of("mine", inside) - truth(inside)).abs().max() < 0.05


def test_what_one_recipe_found_out_of_scores_serves_the_others() -> None:
    """Scores that are too sure: 0.8 is right half of the time."""
    halves = [number % 2 == 0 for number in range(100)]
    learnt = fitted(
        looks("random", [float("nan")] * 100, [True] * 100, score=0.8).assign(
            answer=["kudu" if right else "zebra" for right in halves]
        )
    )

    assert learnt.of("low-count", pd.Series([0.8]))[0] == pytest.approx(0.5, abs=0.05)
    # The model is wrong more often than the scores leave.
    assert learnt.of("uncertain", pd.Series([0.2]))[0] == pytest.approx(0.5, abs=0.05)
    # A recipe that promises neither is not concerned.
    assert learnt.of("low-score", pd.Series([0.8]))[0] == pytest.approx(0.8)


def test_a_recipe_s_own_outcomes_come_before_those_of_others() -> None:
    table = pd.concat(
        [
            looks("random", [0.8] * 50, [False] * 50),
            looks("low-count", [0.8] * 100, [True] * 100),
        ],
        ignore_index=True,
    )
    assert fitted(table).of("low-count", pd.Series([0.8]))[0] > 0.9


def test_a_recipe_that_cannot_say_learns_its_share() -> None:
    silent = [float("nan")] * FEW
    learnt = fitted(looks("duplicates", silent, [True] * 3 + [False] * (FEW - 3)))
    asked = pd.Series([float("nan"), 0.5], index=[7, 3], name="expected")
    said = learnt.of("duplicates", asked)

    assert said.to_list() == [0.3, 0.5]
    assert list(said.index) == [7, 3]
    few = fitted(looks("duplicates", silent[1:], [True] * (FEW - 1)))
    assert few.of("duplicates", asked).isna().to_list() == [True, False]


def test_answers_to_what_no_queue_offered_teach_too() -> None:
    rows = pd.DataFrame(
        {"image_id": [f"{n}" for n in range(60)], "score": 0.9, "known": 1.0, "right": [False] * 60}
    )
    nothing = looks("random", [], [])

    assert fitted(nothing, rows).of("low-count", pd.Series([0.9]))[0] < 0.3
    # The same image twice is one answer.
    twice = fitted(nothing, pd.concat([rows, rows])).right
    np.testing.assert_array_equal(twice, fitted(nothing, rows).right)


def test_checked_images_were_answered_after_they_were_predicted() -> None:
    rows = [
        ("later", 5, "kudu", False),
        ("other", 5, "zebra", False),
        ("unknown", 5, "unknown", False),
        ("rejected", 5, None, True),
        ("rejected kudu", 5, "kudu", True),
        ("before", 2, "kudu", False),
        ("never", None, None, False),
    ]
    table = pd.DataFrame(rows, columns=["image_id", "label_run", "label", "rejected"])
    table = table.assign(run_id=3, predicted="kudu", score=0.5, novelty=[2.0] + [0.5] * 6)
    found = checked(table, 0.5)

    right = found.set_index("image_id")["right"].to_dict()
    assert right == {
        "later": True,
        "other": False,
        "unknown": False,
        "rejected": False,
        "rejected kudu": False,
    }
    assert found["known"].round(4).to_list() == [0.0526, 1, 1, 1, 1]
    assert checked(table.head(0), 0.5).empty


def test_more_novel_images_than_known_classes_have_are_of_something_else() -> None:
    novelty = pd.Series([0.2, 1.0, 1.5, float("nan")], index=list("abcd"))

    nothing = float("nan")
    assert known_chance(novelty, 0.0).to_list()[:3] == [1, 1, 1]
    # As many as known classes have: nothing else is there.
    assert known_chance(novelty, 0.05).to_list()[:3] == pytest.approx([1, 1, 1])
    found = known_chance(novelty, 0.5).to_list()
    assert found == pytest.approx([1, 1, 0.05 / 0.95, nothing], nan_ok=True)
    assert known_chance(novelty, 1.0).to_list()[:3] == [1, 1, 0]
    assert list(known_chance(novelty, 0.5).index) == list("abcd")


@laws
@given(st.floats(0, 1), st.floats(0, 1))
def test_the_more_of_a_pool_is_novel_the_less_of_it_is_known(one: float, other: float) -> None:
    novel = pd.Series([1.5])
    low, high = (known_chance(novel, above)[0] for above in sorted((one, other)))
    assert 0 <= high <= low <= 1


def test_what_is_foreseen_takes_the_unknown_into_account() -> None:
    queue = pd.DataFrame({"image_id": ["a", "b", "c"], "expected": [0.8, 0.8, float("nan")]})
    known = pd.Series({"b": 0.25, "c": 0.5, "x": 0.0})
    nothing = fitted(looks("random", [], []))

    nan = float("nan")
    for recipe, silent, expected in (
        ("low-count", nan, 0.2),
        ("uncertain", nan, 0.95),
        ("low-score", 0.5, 0.8),
        ("random", 0.5, 0.8),
        ("wrong-label", nan, 0.8),
    ):
        table = foreseen(queue, recipe, known, nothing)
        said = pytest.approx([0.8, expected, silent], nan_ok=True)
        assert table["expected"].to_list() == said
        assert table["calibrated"].to_list() == said
        assert table["known"].to_list() == pytest.approx([nan, 0.25, 0.5], nan_ok=True)
    learnt = fitted(looks("low-count", [0.8] * 90, [False] * 90))
    assert foreseen(queue, "low-count", known, learnt)["calibrated"][0] < 0.2


@laws
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 9)), min_size=1, max_size=25))
def test_monotone_values_rise_keep_their_mean_and_are_kept_where_they_rise(
    pairs: list[tuple[float, float]],
) -> None:
    values, weights = np.array(pairs).T
    found = monotone(values, weights)

    assert (np.diff(found) >= -1e-12).all()
    assert found @ weights == pytest.approx(values @ weights)
    np.testing.assert_allclose(monotone(found, weights), found, atol=1e-12)
    np.testing.assert_allclose(monotone(np.sort(values), weights), np.sort(values), atol=1e-12)


def test_a_calibration_has_a_value_at_every_knot() -> None:
    learnt = fitted(looks("mine", [0.5], [True]))
    assert isinstance(learnt, Calibration)
    assert learnt.right.shape == learnt.curves["mine"].shape == KNOTS.shape
