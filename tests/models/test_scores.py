from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models.scores import energy, log_softmax, mean_of, score_table

Logits = NDArray[np.float32]
finite = st.floats(-50, 50, width=32)
tables = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=finite)
temperatures = st.floats(0.1, 10)


def names(logits: NDArray[Any]) -> list[str]:
    return [f"class {index}" for index in range(logits.shape[1])]


def test_a_worked_example() -> None:
    logits = np.array([[0.0, math.log(3), math.log(6)]])
    columns = score_table(logits, ["ant", "bee", "cat"], k=5)
    assert columns["predicted"] == ["cat"]
    assert columns["second"] == ["bee"]
    assert columns["top_classes"] == [["cat", "bee", "ant"]]
    assert columns["top_scores"] == [pytest.approx([0.6, 0.3, 0.1])]
    assert columns["margin"] == pytest.approx([0.3])
    assert columns["entropy"] == pytest.approx([0.8979457])
    assert columns["energy"] == pytest.approx([-math.log(10)])
    assert columns["status"] == ["ok"]
    assert columns["reason"] == [None]


@given(tables, temperatures)
def test_scores_are_probabilities_in_order(logits: Logits, temperature: float) -> None:
    columns = score_table(logits, names(logits), k=99, temperature=temperature)
    for scores in columns["top_scores"]:
        assert sum(scores) == pytest.approx(1)
        assert scores == sorted(scores, reverse=True)
    assert (np.asarray(columns["margin"]) >= 0).all()
    assert columns["predicted"] == [row[0] for row in columns["top_classes"]]
    assert np.array_equal(columns["score"], [row[0] for row in columns["top_scores"]])


@given(tables, temperatures)
def test_entropy_lies_between_nothing_and_all_classes(logits: Logits, temperature: float) -> None:
    entropy = np.asarray(score_table(logits, names(logits), temperature=temperature)["entropy"])
    assert (entropy >= 0).all()
    assert (entropy <= math.log(logits.shape[1]) + 1e-9).all()


@given(tables, temperatures, st.floats(-100, 100))
def test_a_shift_moves_the_energy_and_nothing_else(
    logits: Logits, temperature: float, shift: float
) -> None:
    shifted = logits.astype(np.float64) + shift
    assert np.allclose(log_softmax(shifted, temperature), log_softmax(logits, temperature))
    assert np.allclose(energy(shifted, temperature), energy(logits, temperature) - shift)


@given(tables, st.randoms(use_true_random=False))
def test_rows_do_not_know_of_each_other(logits: Logits, random: Any) -> None:
    order = list(range(len(logits)))
    random.shuffle(order)
    columns, shuffled = (score_table(rows, names(logits)) for rows in (logits, logits[order]))
    for name, column in columns.items():
        assert [column[index] for index in order] == list(shuffled[name])


@given(tables)
def test_the_temperature_keeps_the_order(logits: Logits) -> None:
    cold, warm = (score_table(logits, names(logits), temperature=t) for t in (0.5, 5.0))
    assert cold["top_classes"] == warm["top_classes"]
    assert (np.asarray(cold["score"]) >= np.asarray(warm["score"]) - 1e-12).all()


def test_equal_scores_come_in_the_order_of_the_classes() -> None:
    columns = score_table(np.zeros((1, 3)), ["a", "b", "c"])
    assert columns["top_classes"] == [["a", "b", "c"]]
    assert columns["margin"] == pytest.approx([0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_that_is_not_finite_fails_alone(bad: float) -> None:
    logits = np.array([[1.0, 2.0], [bad, 0.0], [3.0, 1.0]])
    columns = score_table(logits, ["a", "b"])
    assert columns["status"] == ["ok", "failed", "ok"]
    assert columns["reason"][1] == "the model's output is not a finite number"
    for name in ("predicted", "second", "top_classes", "top_scores"):
        assert columns[name][1] is None
    for name in ("score", "second_score", "margin", "entropy", "energy"):
        assert np.isnan(columns[name][1])
    alone = score_table(logits[[0, 2]], ["a", "b"])
    assert [columns["score"][0], columns["score"][2]] == list(alone["score"])


def test_huge_logits_overflow_nothing() -> None:
    columns = score_table(np.array([[3e38, -3e38]], np.float32), ["a", "b"])
    assert columns["score"] == pytest.approx([1])
    assert columns["entropy"] == pytest.approx([0])


def test_a_single_class_has_no_second() -> None:
    columns = score_table(np.zeros((2, 1)), ["only"])
    assert columns["predicted"] == ["only", "only"]
    assert columns["second"] == [None, None]
    assert np.isnan(columns["second_score"]).all()
    assert np.isnan(columns["margin"]).all()


def test_no_images_give_empty_columns() -> None:
    assert {len(column) for column in score_table(np.zeros((0, 2)), ["a", "b"]).values()} == {0}


@pytest.mark.parametrize(
    ("shape", "classes", "k", "temperature", "says"),
    [
        ((2, 3), 2, 5, 1.0, "shape"),
        ((3,), 3, 5, 1.0, "shape"),
        ((2, 0), 0, 5, 1.0, "shape"),
        ((2, 2), 2, 0, 1.0, "k = 0"),
        ((2, 2), 2, 1, 0.0, "temperature 0"),
        ((2, 2), 2, 1, math.nan, "temperature nan"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], classes: int, k: int, temperature: float, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        score_table(np.zeros(shape), [str(index) for index in range(classes)], k, temperature)


@st.composite
def voices(draw: st.DrawFn) -> tuple[list[Logits], list[float]]:
    """Some models' logits of the same images, and their temperatures."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    number = draw(st.integers(1, 4))
    arrays = hnp.arrays(np.float32, shape, elements=finite)
    return (
        [draw(arrays) for _ in range(number)],
        [draw(temperatures) for _ in range(number)],
    )


@given(voices())
def test_one_voice_of_several_has_their_mean_probabilities_and_mean_energy(
    said: tuple[list[Logits], list[float]],
) -> None:
    logits, spread = said
    mean = mean_of(logits, spread)
    each = list(zip(logits, spread, strict=True))
    probabilities = np.mean([np.exp(log_softmax(*voice)) for voice in each], axis=0)
    assert np.allclose(np.exp(log_softmax(mean)), probabilities, rtol=1e-9, atol=1e-12)
    energies = np.mean([energy(*voice) for voice in each], axis=0)
    assert np.allclose(energy(mean), energies, rtol=1e-9, atol=1e-9)


@given(voices(), st.randoms(use_true_random=False))
def test_one_voice_does_not_depend_on_the_order_of_the_models(
    said: tuple[list[Logits], list[float]], random: Any
) -> None:
    pairs = list(zip(*said, strict=True))
    random.shuffle(pairs)
    again = mean_of([logits for logits, _ in pairs], [spread for _, spread in pairs])
    assert np.allclose(mean_of(*said), again, rtol=1e-9, atol=1e-9)


def test_one_voice_is_finite_where_a_probability_rounds_to_nothing() -> None:
    sure = np.array([[0.0, -2000.0]])
    mean = mean_of([sure, sure], [1.0, 1.0])
    assert np.isfinite(mean).all()
    assert energy(mean) == pytest.approx(energy(sure))
    assert score_table(mean, ["a", "b"])["score"][0] == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_voice_that_is_no_number_spoils_its_own_row_alone(bad: float) -> None:
    logits = np.array([[0.0, 1.0], [0.0, 1.0]])
    broken = logits.copy()
    broken[0, 1] = bad
    mean = mean_of([logits, broken], [1.0, 1.0])
    assert score_table(mean, ["a", "b"])["status"] == ["failed", "ok"]
    assert np.allclose(mean[1], mean_of([logits, logits], [1.0, 1.0])[1])
