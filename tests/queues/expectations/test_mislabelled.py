"""Whether it is the label that is wrong: on labels that were put wrong on purpose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.queues.expectations.logistic import chance_of, line, log_odds
from curate.queues.expectations.mislabelled import STEPS, _wrong, mislabelled

CLASSES = 40


def drawn(
    wrong: float, seed: int = 0, number: int = 3000, slips: float = 0.0, cease: float = 1.0
) -> pd.DataFrame:
    """Labels of which shares are wrong: any other class, or (slips) a class's twin.

    The model mixes up twins (2 n, 2 n + 1), the less the surer it is, and not from `cease` on.
    """
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, CLASSES, number)
    twin = truth ^ 1
    score = dice.uniform(0.5, 1, number)
    errs = (dice.uniform(size=number) > score) & (score < cease)
    predicted, second = np.where(errs, twin, truth), np.where(errs, truth, twin)
    accident, slip = dice.uniform(size=(2, number)) < np.array([[wrong], [slips]])
    label = np.where(accident, (truth + dice.integers(2, CLASSES - 1, number)) % CLASSES, truth)
    label = np.where(slip, twin, label)
    return pd.DataFrame(
        {
            "image_id": [f"{at:05}" for at in range(number)],
            "label": [f"c{name}" for name in label],
            "predicted": [f"c{name}" for name in predicted],
            "score": score,
            "second": [f"c{name}" for name in second],
            "second_score": (1 - score) * 0.95,
            "split": "val",
            "truth": [f"c{name}" for name in truth],
        }
    )


def wrong_ones(table: pd.DataFrame, said: pd.Series) -> pd.Series:
    """Which labels are wrong, of those of which something is said."""
    wrong: pd.Series = (table["label"] != table["truth"]).set_axis(table["image_id"])[said.index]
    return wrong


@pytest.mark.parametrize("wrong", [0.0, 0.02, 0.1])
def test_it_finds_how_many_labels_are_wrong(wrong: float) -> None:
    table = drawn(wrong)
    said = mislabelled(table)

    assert said.mean() == pytest.approx(wrong_ones(table, said).mean(), abs=0.05)


def test_accidents_are_told_from_what_the_model_mixes_up() -> None:
    table = drawn(0.05)
    said = mislabelled(table)
    wrong = wrong_ones(table, said)

    assert said[wrong].mean() > 0.9
    assert said[~wrong].mean() < 0.05


def test_slips_between_twins_are_found_where_the_model_errs_no_more() -> None:
    table = drawn(0.0, slips=0.02, cease=0.8)
    said = mislabelled(table)
    wrong = wrong_ones(table, said)
    sure = (table["score"] > 0.9).set_axis(table["image_id"])[said.index]

    assert wrong[sure].all()
    assert said[sure].mean() > 0.5
    assert said[~sure].mean() < 0.3
    # A model that errs at all scores may have erred here, too.
    unsure = drawn(0.0)
    high = (unsure["score"] > 0.9).set_axis(unsure["image_id"])
    assert mislabelled(unsure)[lambda some: high[some.index]].mean() < 0.3


def test_of_few_denied_labels_little_is_said() -> None:
    # The twin's own score is low, and no image tells whether a model so sure ever errs.
    table = drawn(0.0, number=300, cease=0.0).assign(score=0.95, second_score=0.01)
    table.loc[[3, 200], "label"] = table.loc[[3, 200], "second"]
    said = mislabelled(table)

    assert len(said) == 2
    assert said.between(0.2, 0.8).all()


def test_images_that_the_model_was_trained_on_speak_for_themselves() -> None:
    """The model never denies a right label that it was taught; of others, it denies many."""
    taught = drawn(0.01, seed=1, cease=0.0).assign(split="train")
    other = drawn(0.0, seed=2, number=1000)
    table = pd.concat([taught, other.assign(image_id="o" + other["image_id"])], ignore_index=True)
    table.loc[table["split"] == "train", "label"] = taught["label"].to_numpy()
    said, alike = mislabelled(table), mislabelled(table.assign(split="val"))
    own = said.index.isin(taught["image_id"])

    assert said[own].mean() > 0.9
    assert said[~own].mean() < 0.1
    assert said[own].mean() >= alike[own].mean()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 60), st.integers(0, 9))
def test_what_is_said_is_a_chance_in_any_order(number: int, seed: int) -> None:
    table = drawn(0.2, seed, number)
    table.loc[: number // 3, "second"] = None
    table.loc[: number // 2, "split"] = "train"
    said = mislabelled(table)
    mixed = table.sample(frac=1, random_state=seed)

    assert said.between(0, 1).all()
    pd.testing.assert_series_equal(said, mislabelled(mixed))
    assert set(said.index) == set(table.loc[table["label"] != table["predicted"], "image_id"])


@pytest.mark.parametrize("decimals", [2, 12])
def test_it_is_what_the_three_kinds_say_row_by_row(decimals: int) -> None:
    """The search, as it is described: three kinds for each image that is denied."""
    table = drawn(0.1, number=800)
    table["score"] = table["score"].round(decimals)
    dice = np.random.default_rng(4)
    denied = (table["label"] != table["predicted"]).to_numpy()
    kinds = dice.uniform(0.1, 1, (len(table), 2))
    odds = log_odds(table["score"].to_numpy())

    marks = np.arange(201) * 0.1 - 10
    at = np.rint(odds * 10).astype(int) + 100
    kept = np.concatenate([np.bincount(at[~denied], minlength=201), np.zeros(201)])
    by_accident, by_error = kinds[denied].T
    accident, slip, error = np.full((3, denied.sum()), 1 / 3)
    for _ in range(STEPS):
        accidents, slips = ((some.sum() + 0.5) / (len(odds) + 1) for some in (accident, slip))
        erred = np.concatenate([np.zeros(201), np.bincount(at[denied], error, 201)])
        begin, slope = line(np.tile(marks, 2), np.repeat([True, False], 201), kept + erred)
        errs = (1 - accidents - slips) * (1 - chance_of(begin + slope * odds[denied]))
        each = np.array([accidents * by_accident, slips * by_error, errs * by_error])
        before, (accident, slip, error) = error, each / each.sum(axis=0)
        if np.abs(error - before).max() < 1e-4:
            break

    found = _wrong(odds, denied, kinds)
    assert found[denied] == pytest.approx(accident + slip, abs=1e-8)
    assert not found[~denied].any()
