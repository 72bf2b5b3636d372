"""Whether it is the label that is wrong: on labels that were put wrong on purpose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.mislabelled import mislabelled

CLASSES = 40


def drawn(wrong: float, seed: int = 0, number: int = 3000) -> pd.DataFrame:
    """Labels of which a share is wrong, seen by a model that mixes up neighbours (2 n, 2 n + 1)."""
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, CLASSES, number)
    twin = truth ^ 1
    score = dice.uniform(0.5, 1, number)
    slips = dice.uniform(size=number) > score
    predicted, second = np.where(slips, twin, truth), np.where(slips, truth, twin)
    accident = dice.uniform(size=number) < wrong
    label = np.where(accident, (truth + dice.integers(2, CLASSES - 1, number)) % CLASSES, truth)
    return pd.DataFrame(
        {
            "image_id": [f"{at:05}" for at in range(number)],
            "label": [f"c{name}" for name in label],
            "predicted": [f"c{name}" for name in predicted],
            "score": score,
            "second": [f"c{name}" for name in second],
            "second_score": (1 - score) * 0.95,
            "truth": [f"c{name}" for name in truth],
        }
    )


def every(table: pd.DataFrame) -> pd.Series:
    return pd.Series(True, table.index)


@pytest.mark.parametrize("wrong", [0.0, 0.02, 0.1])
def test_it_finds_how_many_labels_are_wrong(wrong: float) -> None:
    table = drawn(wrong)
    said = mislabelled(table, every(table))
    truth = (table["label"] != table["truth"])[(table["label"] != table["predicted"])]

    assert said.mean() == pytest.approx(truth.mean(), abs=0.05)


def test_accidents_are_told_from_what_the_model_mixes_up() -> None:
    table = drawn(0.05)
    said = mislabelled(table, every(table))
    wrong = (table["label"] != table["truth"]).set_axis(table["image_id"])[said.index]

    assert said[wrong].mean() > 0.9
    assert said[~wrong].mean() < 0.05


def test_only_those_asked_for_are_said_and_only_their_scores_tell_errors() -> None:
    table = drawn(0.05)
    sure = table["score"] > 0.8
    said = mislabelled(table, sure)
    denied = table[sure & (table["label"] != table["predicted"])]

    assert set(said.index) == set(denied["image_id"])
    assert said.mean() == pytest.approx((denied["label"] != denied["truth"]).mean(), abs=0.08)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 60), st.integers(0, 9))
def test_what_is_said_is_a_chance_in_any_order(number: int, seed: int) -> None:
    table = drawn(0.2, seed, number)
    table.loc[: number // 3, "second"] = None
    said = mislabelled(table, every(table))
    mixed = table.sample(frac=1, random_state=seed)

    assert said.between(0, 1).all()
    pd.testing.assert_series_equal(said, mislabelled(mixed, every(mixed)))
    assert set(said.index) == set(table.loc[table["label"] != table["predicted"], "image_id"])
