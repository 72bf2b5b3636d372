from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models.novelty import LARGEST, RANK, Novelty, fit

Rows = NDArray[np.float32]
WIDTH = 24


def clusters(seed: int, classes: int = 4, each: int = 12) -> tuple[Rows, NDArray[np.int64]]:
    """Classes around means of their own, with far more noise in two directions than elsewhere."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    noise = random.normal(size=(len(labels), WIDTH)) * np.where(np.arange(WIDTH) < 2, 3, 0.3)
    return (means(classes)[labels] + noise).astype(np.float32), labels


def means(classes: int) -> NDArray[np.float64]:
    return np.random.default_rng(99).normal(size=(8, WIDTH))[:classes] * 2


def fitted(seed: int = 0) -> Novelty:
    features, labels = clusters(seed)
    return fit(features, labels, clusters(seed + 1000)[0])


def same(one: Novelty, other: Novelty) -> bool:
    pairs = zip(one.to_arrays().values(), other.to_arrays().values(), strict=True)
    return all(a.tobytes() == b.tobytes() and a.shape == b.shape for a, b in pairs)


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.permutations(range(4)))
@settings(max_examples=30, deadline=None)
def test_order_of_rows_and_names_of_classes_change_nothing(seed: int, names: list[int]) -> None:
    features, labels = clusters(seed)
    held = clusters(seed + 1)[0]
    order = np.random.default_rng(seed).permutation(len(labels))
    renamed = np.array(names)[labels] * 7 + 3
    one = fit(features, labels, held)
    assert same(one, fit(features[order], renamed[order], held))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_what_was_trained_on_is_nearer_than_what_is_unlike_it(seed: int) -> None:
    novelty = fitted(seed)
    trained = novelty.distance(clusters(seed)[0])
    # Opposite to the mean of all that is known: unlike every class.
    far = novelty.distance(-novelty.centre[np.newaxis] * 5)
    assert trained.max() < far[0]
    assert (trained >= 0).all()


@given(seeds, st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_the_length_of_the_features_does_not_matter(seed: int, factor: float) -> None:
    features = clusters(seed)[0]
    novelty = fitted(seed)
    scaled = novelty.distance((features * factor).astype(np.float32))
    np.testing.assert_allclose(scaled, novelty.distance(features), atol=1e-3)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_no_row_depends_on_another(seed: int) -> None:
    features = clusters(seed)[0]
    novelty = fitted(seed)
    alone = np.concatenate([novelty.distance(row[np.newaxis]) for row in features])
    np.testing.assert_allclose(alone, novelty.distance(features), atol=1e-4)


def test_a_twentieth_of_the_held_out_images_lies_above_one() -> None:
    features, labels = clusters(0, each=50)
    held = clusters(5, each=100)[0]
    distances = fit(features, labels, held).distance(held)
    assert (distances > 1).mean() == pytest.approx(0.05, abs=0.005)


def test_directions_in_which_a_class_varies_count_less() -> None:
    features, labels = clusters(0, each=200)
    novelty = fit(features, labels, features)
    usual, odd = means(4)[:1].copy(), means(4)[:1].copy()
    usual[0, 0] += 3
    odd[0, 5] += 3
    assert novelty.distance(usual)[0] < 0.5 * novelty.distance(odd)[0]


def test_a_class_that_was_left_out_is_farther_than_the_known_ones() -> None:
    features, labels = clusters(3, classes=6, each=40)
    novelty = fit(features[labels < 5], labels[labels < 5], clusters(4, classes=5)[0])
    known = novelty.distance(clusters(5, classes=5)[0])
    assert np.median(novelty.distance(features[labels == 5])) > np.quantile(known, 0.95)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_nan_and_spoil_no_neighbour(value: float) -> None:
    novelty, features = fitted(), clusters(0)[0]
    expected = novelty.distance(features)
    features[3, 4] = value
    found = novelty.distance(features)
    assert np.isnan(found[3])
    np.testing.assert_allclose(np.delete(found, 3), np.delete(expected, 3), atol=1e-6)


def test_rows_that_are_no_numbers_are_left_out_of_the_statistics() -> None:
    features, labels = clusters(0)
    held = clusters(1)[0]
    bad = np.full((2, WIDTH), np.nan, np.float32)
    more = fit(np.vstack([bad, features]), np.r_[0, 9, labels], np.vstack([held, bad]))
    assert same(more, fit(features, labels, held))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_any_finite_features_have_a_novelty(scale: float) -> None:
    row = np.full((1, WIDTH), scale, np.float32)
    assert np.isfinite(fitted().distance(row)).all()


def test_no_image_has_no_novelty() -> None:
    assert fitted().distance(np.empty((0, WIDTH))).shape == (0,)


@pytest.mark.parametrize(("each", "classes"), [(1, 4), (1, 1), (2, 1), (40, 1)])
def test_few_images_and_a_single_class_are_enough(each: int, classes: int) -> None:
    features, labels = clusters(0, classes, each)
    found = fit(features, labels, clusters(1, classes)[0]).distance(clusters(2)[0])
    assert np.isfinite(found).all()


def test_equal_images_have_a_scale_all_the_same() -> None:
    row = np.ones((4, WIDTH), np.float32)
    assert np.isfinite(fit(row, np.zeros(4, np.int64), row).distance(row)).all()


@pytest.mark.parametrize("empty", ["train", "held out"])
def test_nothing_to_measure_from_is_an_error(empty: str) -> None:
    features, labels = clusters(0)
    bad = np.full_like(features, np.nan)
    pair = (bad, features) if empty == "train" else (features, bad)
    with pytest.raises(InputError, match="one or more of each"):
        fit(pair[0], labels, pair[1])


@pytest.mark.parametrize("shape", [(3, WIDTH + 1), (WIDTH,), (2, WIDTH, 1)])
def test_features_of_another_model_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"images have {WIDTH}"):
        fitted().distance(np.zeros(shape))


def test_fifteen_hundred_classes_stay_small() -> None:
    wide = Novelty(
        np.zeros(2048, np.float32),
        np.zeros((2048, RANK), np.float16),
        np.zeros((1500, 2048), np.float16),
        np.ones(1),
    )
    assert sum(array.nbytes for array in wide.to_arrays().values()) < 20e6


def test_arrays_there_and_back() -> None:
    novelty = fitted()
    again = Novelty.from_arrays(novelty.to_arrays())
    assert same(again, novelty)
    features = clusters(7)[0]
    assert again.distance(features).tobytes() == novelty.distance(features).tobytes()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"centre": np.zeros(WIDTH)}, "centre of float64"),
        ({"centre": np.full(WIDTH, np.nan, np.float32)}, "all finite"),
        ({"centre": np.full(WIDTH, 3, np.float32)}, "between -2 and 2"),
        ({"centre": np.zeros(0, np.float32)}, "one number of features"),
        ({"centre": np.zeros((WIDTH, 1), np.float32)}, "one number of features"),
        ({"damped": np.zeros((WIDTH, WIDTH + 1), np.float16)}, "one number of features"),
        ({"damped": np.zeros(WIDTH, np.float16)}, "one number of features"),
        ({"damped": np.full((WIDTH, 2), np.inf, np.float16)}, "all finite"),
        ({"classes": np.zeros((0, WIDTH), np.float16)}, "a class or more"),
        ({"classes": np.zeros((3, WIDTH - 1), np.float16)}, "one number of features"),
        ({"classes": np.zeros((), np.float16)}, "one number of features"),
        ({"scale": np.zeros(1)}, "above 0"),
        ({"scale": np.array([-1.0])}, "above 0"),
        ({"scale": np.ones(2)}, "one number of features"),
    ],
)
def test_statistics_that_cannot_be_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace(fitted(), **change)


def test_arrays_that_are_missing_left_over_or_too_large_are_refused() -> None:
    arrays = fitted().to_arrays()
    for wrong in ({}, {**arrays, "more": arrays["scale"]}, {"centre": arrays["centre"]}):
        with pytest.raises(InputError, match="they are centre, damped, classes, scale"):
            Novelty.from_arrays(wrong)
    # Nothing is looked at before the size is: a view claims it without having it.
    huge = np.broadcast_to(np.float16(0), (LARGEST, WIDTH))
    with pytest.raises(InputError, match="at most"):
        Novelty.from_arrays({**arrays, "classes": huge})


def test_two_images_of_one_class_leave_directions_without_any_variance() -> None:
    # Their residuals are opposite: the covariance has one direction, and shrinks by nothing.
    taught = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    said = fit(taught, np.zeros(2, np.int64), taught)
    assert np.isfinite(said.damped).all()
    assert np.isfinite(said.distance(np.eye(3, dtype=np.float32))).all()
