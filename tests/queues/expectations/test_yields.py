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
    monotone,
)

laws = settings(max_examples=20, deadline=None)
NOBODY = pd.DataFrame(columns=["chance", "strange", "right", "of_class", "group"], dtype="float64")
"""What was checked of nothing."""

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
    return table.assign(**changed)[list(OUTCOME_COLUMNS)].assign(group="1")


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


def learnt_of(table: pd.DataFrame, rows: pd.DataFrame = NOBODY) -> Calibration:
    """What is learnt of outcomes, and of answers to what no queue offered."""
    return fitted(table, rows)


def said_of(learnt: Calibration, recipe: str, expected: pd.Series, group: str = "1") -> pd.Series:
    """What is expected of images of one group."""
    return learnt.of(recipe, expected, pd.Series(group, expected.index))


def answered(chance: list[float], right: list[bool], strange: float = 0.0) -> pd.DataFrame:
    """Answers to images of the pool: all are of a class."""
    table = pd.DataFrame({"chance": chance, "right": right})
    return table.assign(strange=strange, of_class=True, group="1")


def test_without_outcomes_nothing_is_corrected() -> None:
    learnt = learnt_of(looks("random", [], []))
    for recipe in RECIPES:
        np.testing.assert_allclose(said_of(learnt, recipe, EXPECTED), EXPECTED, atol=2e-4)
        assert said_of(learnt, recipe, pd.Series([float("nan")])).isna().all()


@laws
@given(drawn())
def test_what_is_corrected_rises_with_what_was_expected_and_is_a_chance(
    table: pd.DataFrame,
) -> None:
    learnt = learnt_of(table)
    for recipe in RECIPES:
        said = said_of(learnt, recipe, EXPECTED).to_numpy()
        assert (np.diff(said) >= -1e-12).all()
        assert said.min() >= 0
        assert said.max() <= 1


@laws
@given(drawn(), st.integers(0, 99))
def test_the_order_of_outcomes_does_not_matter(table: pd.DataFrame, seed: int) -> None:
    shuffled = learnt_of(table.sample(frac=1, random_state=seed))
    learnt = learnt_of(table)
    for recipe in RECIPES:
        assert (
            said_of(learnt, recipe, EXPECTED).to_list()
            == said_of(shuffled, recipe, EXPECTED).to_list()
        )


@laws
@given(drawn(), st.booleans(), st.sampled_from([0.2, 0.5, 0.9]))
def test_a_hit_never_lowers_and_a_miss_never_raises(
    table: pd.DataFrame, right: bool, at: float
) -> None:
    table = table[table["recipe"] != "random"]
    more = pd.concat([table, looks("random", [at], [right])], ignore_index=True)
    moved = said_of(learnt_of(more), "random", EXPECTED) - said_of(
        learnt_of(table), "random", EXPECTED
    )

    assert (moved >= -1e-12).all() if right else (moved <= 1e-12).all()


def test_one_outcome_moves_little_and_ten_move_half_way() -> None:
    at = pd.Series([0.5])
    for number, low, high in ((1, 0.53, 0.56), (10, 0.7, 0.76), (200, 0.95, 1.0)):
        learnt = learnt_of(looks("random", [0.5] * number, [True] * number))
        assert low < said_of(learnt, "random", at)[0] < high


@pytest.mark.parametrize(
    "truth", [lambda x: x**2, lambda x: 0.6 * x, lambda x: 0.3 + 0 * x, lambda x: np.sqrt(x)]
)
def test_many_outcomes_come_near_the_truth(truth: Any) -> None:
    expected = np.linspace(0.02, 0.98, 4_000)
    # Of each hundred neighbours, the right share.
    hits = (np.arange(4_000) * 61 % 100) / 100 < truth(expected)
    learnt = learnt_of(looks("mine", list(expected), list(hits)))
    inside = EXPECTED[(EXPECTED > 0.1) & (EXPECTED < 0.9)]

    assert (said_of(learnt, "mine", inside) - truth(inside)).abs().max() < 0.05


def test_answers_shift_what_all_recipes_expect() -> None:
    """Chances that are too high: 0.8 is right half of the time."""
    rows = answered([0.8] * 100, [number % 2 == 0 for number in range(100)])
    learnt = learnt_of(looks("random", [], []), rows)

    assert said_of(learnt, "low-count", pd.Series([0.8]))[0] == pytest.approx(0.5, abs=0.06)
    # The model is wrong more often than it was thought.
    assert said_of(learnt, "uncertain", pd.Series([0.2]))[0] == pytest.approx(0.5, abs=0.06)
    # All were of a class, so what was taken for one is; what promises neither is not concerned.
    assert said_of(learnt, "random", pd.Series([0.9]))[0] > 0.9
    assert said_of(learnt, "low-score", pd.Series([0.1]))[0] < 0.1
    assert said_of(learnt, "wrong-label", pd.Series([0.8]))[0] == pytest.approx(0.8)


def test_strangers_that_are_of_a_class_are_no_junk() -> None:
    learnt = learnt_of(looks("random", [], []), answered([0.0] * 50, [False] * 50, 0.95))

    assert said_of(learnt, "recent", pd.Series([0.05]))[0] > 0.6
    assert said_of(learnt, "low-score", pd.Series([0.95]))[0] < 0.4


def test_rubbish_that_came_with_photos_leaves_these_alone() -> None:
    """Of one arrival all answers were classes, of another none was."""
    photos, rubbish = (
        answered([0.5] * 60, [True] * 60, 0.5),
        answered([0.1] * 20, [False] * 20, 0.9),
    )
    rows = pd.concat([photos, rubbish.assign(of_class=False, group="2")], ignore_index=True)
    learnt = learnt_of(looks("random", [], []), rows)
    for recipe in ("recent", "diverse"):
        assert said_of(learnt, recipe, pd.Series([0.5]))[0] > 0.9
        assert said_of(learnt, recipe, pd.Series([0.1]), "2")[0] < 0.15
    assert said_of(learnt, "low-score", pd.Series([0.9]), "2")[0] > 0.85
    assert said_of(learnt, "low-count", pd.Series([0.5]))[0] > 0.9
    # Of a third nobody knows yet: it may be like the one or the other.
    new = said_of(learnt, "recent", pd.Series([0.5]), "3")[0]
    assert said_of(learnt, "recent", pd.Series([0.5]), "2")[0] < new < 0.9


def test_few_answers_leave_what_is_nearly_certain() -> None:
    rows = answered([0.5] * 10 + [1.0] * 5, [False] * 10 + [True] * 5)
    learnt = learnt_of(looks("random", [], []), rows)

    assert said_of(learnt, "low-count", pd.Series([0.5]))[0] < 0.35
    assert said_of(learnt, "low-count", pd.Series([1.0]))[0] > 0.99
    assert said_of(learnt, "low-count", pd.Series([0.0]))[0] < 0.01


def test_a_recipe_s_own_outcomes_come_before_those_of_others() -> None:
    table = pd.concat(
        [
            looks("random", [0.8] * 50, [False] * 50),
            looks("low-count", [0.8] * 100, [True] * 100),
        ],
        ignore_index=True,
    )
    assert said_of(learnt_of(table), "low-count", pd.Series([0.8]))[0] > 0.9


def test_a_recipe_that_cannot_say_learns_its_share() -> None:
    silent = [float("nan")] * FEW
    learnt = learnt_of(looks("duplicates", silent, [True] * 3 + [False] * (FEW - 3)))
    asked = pd.Series([float("nan"), 0.5], index=[7, 3], name="expected")
    said = said_of(learnt, "duplicates", asked)

    assert said.to_list() == [0.3, 0.5]
    assert list(said.index) == [7, 3]
    few = learnt_of(looks("duplicates", silent[1:], [True] * (FEW - 1)))
    assert said_of(few, "duplicates", asked).isna().to_list() == [True, False]


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
    table = table.assign(run_id=3, predicted="kudu")
    said = pd.DataFrame({"right": 0.5, "strange": np.linspace(0, 0.6, 7), "group": list("abcdefg")})
    found = checked(table, said)

    assert found["right"].to_list() == [True, False, False, False, False]
    assert found["of_class"].to_list() == [True, True, False, False, False]
    assert found["strange"].to_list() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert found["chance"].eq(0.5).all()
    assert found["group"].to_list() == list("abcde")
    assert checked(table.head(0), said.head(0)).empty


def test_what_nobody_can_say_is_filled_by_what_is_strange() -> None:
    queue = pd.DataFrame({"image_id": ["a", "b"], "expected": [0.8, float("nan")]})
    kinds = pd.DataFrame(
        {"known": [0.5, 0.1], "strange": [0.2, 0.7], "group": ["1", "2"]}, index=["a", "b"]
    )
    nothing = learnt_of(looks("random", [], []))

    nan = float("nan")
    for recipe, silent in (
        ("low-count", nan),
        ("wrong-label", nan),
        ("low-score", 0.7),
        ("random", 0.3),
        ("mine", 0.3),
    ):
        table = foreseen(queue, recipe, kinds, nothing)
        said = pytest.approx([0.8, silent], nan_ok=True)
        assert table["expected"].to_list() == said
        assert table["calibrated"].to_list() == said
        assert table["known"].to_list() == [0.5, 0.1]
    learnt = learnt_of(looks("low-count", [0.8] * 90, [False] * 90))
    assert foreseen(queue, "low-count", kinds, learnt)["calibrated"][0] < 0.2
    unsaid = foreseen(queue, "random", kinds.head(0), nothing)
    assert unsaid["expected"].isna().to_list() == [False, True]


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
    learnt = learnt_of(looks("mine", [0.5], [True]))
    assert isinstance(learnt, Calibration)
    assert learnt.curves["mine"].shape == KNOTS.shape
