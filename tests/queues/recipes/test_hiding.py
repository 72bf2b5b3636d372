"""Hiding: how much nearer images lie to one class than to others, and how often that is asked."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pandas as pd
import pytest

from curate.queues.recipe import Aim, compose
from curate.queues.recipes import RECIPES, hiding, look_alike_pairs

from ..cases import aim, candidates, features, said

VECTORS = {
    "o1": [2.0, 0.0, 0.0],
    "o2": [5.0, 0.0, 0.0],
    "k1": [0.0, 1.0, 0.0],
    "k2": [0.0, 3.0, 0.0],
    "q1": [0.0, 0.0, 1.0],
    "q2": [0.0, 0.0, 1.0],
    "a": [4.0, 4.0, 0.0],
    "b": [7.0, 0.0, 0.0],
    "c": [0.0, 0.0, 2.0],
}
LABELLED = candidates(
    said("o1", "zebra", 0.6, label="okapi"),
    said("o2", "zebra", 0.6, label="okapi"),
    said("k1", "kudu", 0.9, label="kudu"),
    said("k2", "kudu", 0.9, label="kudu"),
    said("q1", "kudu", 0.6, label="quagga"),
    said("q2", "kudu", 0.6, label="quagga"),
)
POOL = candidates(*(said(name, "zebra", 0.5) for name in "abcd"))


def asked(**given: list[float]) -> Aim:
    return replace(aim(), labelled=LABELLED, features=features(**given))


def test_nearer_by_hand() -> None:
    near = hiding.nearer(POOL, "okapi", hiding.directions_of(asked(**VECTORS)))
    # a lies between okapi and kudu, b on okapi, c on quagga; d has no features.
    assert near.tolist() == pytest.approx([0, 1, -1, float("nan")], abs=1e-6, nan_ok=True)
    near = hiding.nearer(POOL, "quagga", hiding.directions_of(asked(**VECTORS)))
    assert near[0] == pytest.approx(-sqrt(0.5), abs=1e-6)


@pytest.mark.parametrize("left", [["a", "b"], ["o1", "o2", "a"], ["o1", "k1", "k2", "a"]])
def test_without_two_classes_that_have_features_nothing_is_said(left: list[str]) -> None:
    known = hiding.directions_of(asked(**{name: VECTORS[name] for name in left}))
    assert hiding.nearer(POOL, "okapi", known).isna().all()


def test_where_classes_lie_is_asked_once_for_all_hidden_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, times = look_alike_pairs.class_means, []

    def counting(labelled: pd.DataFrame, vectors: pd.DataFrame) -> pd.DataFrame:
        times.append(len(labelled))
        return real(labelled, vectors)

    monkeypatch.setattr(hiding, "class_means", counting)
    pool = candidates(said("b", "zebra", 0.5), said("c", "kudu", 0.5))
    queue = compose(RECIPES["look-alike"], pool, asked(**VECTORS))
    assert sorted(queue["topic"]) == ["kudu / quagga", "okapi / zebra"]
    assert len(times) == 1


def test_images_between_say_how_much_nearer_they_are_to_what_may_be_hidden() -> None:
    pool = candidates(said("b", "zebra", 0.5), said("e", "zebra", 0.5))
    scored = RECIPES["look-alike"].score(pool, asked(**VECTORS))

    assert scored["topic"].tolist() == ["okapi / zebra", "okapi / zebra"]
    # Of e there are no features.
    assert scored["nearer"].tolist() == pytest.approx([1, float("nan")], abs=1e-6, nan_ok=True)
