"""The splitters for scikit-learn: as it calls them, and by the laws of every split."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import InputError, PolicyError
from curate.splits import LeakFreeKFold, LeakFreeShuffleSplit

SPLITTERS: list[Callable[[], Any]] = [
    lambda: LeakFreeKFold(3),
    lambda: LeakFreeKFold(2, random_state=4),
    lambda: LeakFreeShuffleSplit(4, test_size=0.3),
]


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and groups in one to three columns of which some are missing."""
    count = draw(st.integers(12, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = random.integers(0, draw(st.integers(1, 4)), count)
    groups = random.integers(0, count, (count, draw(st.integers(1, 3)))).astype(object)
    groups[random.random(groups.shape) < 0.6] = None
    return y, groups


@pytest.mark.parametrize("made", SPLITTERS)
@settings(max_examples=30, deadline=None)
@given(samples())
def test_laws(made: Callable[[], Any], case: tuple[np.ndarray, np.ndarray]) -> None:
    y, groups = case
    try:
        pairs = list(made().split(np.zeros((len(y), 2)), y, groups))
    except InputError:
        # All hang together: an example below has what it says.
        return
    assert len(pairs) == made().get_n_splits()
    for train, test in pairs:
        assert sorted([*train, *test]) == list(range(len(y)))
        assert len(train)
        assert len(test)
        for column in groups.T:
            assert not (set(column[train]) & set(column[test])) - {None}
    if isinstance(made(), LeakFreeKFold):
        assert sorted(row for _, test in pairs for row in test) == list(range(len(y)))


@pytest.mark.parametrize("made", SPLITTERS)
@given(samples())
@settings(max_examples=15, deadline=None)
def test_names_of_classes_and_groups_are_nothing(
    made: Callable[[], Any], case: tuple[np.ndarray, np.ndarray]
) -> None:
    y, groups = case
    renamed = np.array([f"class {9 - k}" for k in y])
    others = pd.DataFrame(groups).map(lambda g: f"<{g}>", na_action="ignore")
    try:
        pairs = list(made().split(y, y, groups))
    except InputError:
        return
    again = list(made().split(y, renamed, others))
    for (train, test), (train_again, test_again) in zip(pairs, again, strict=True):
        assert (train == train_again).all()
        assert (test == test_again).all()


def test_classes_are_spread_evenly() -> None:
    y = np.repeat([0, 1, 2], [100, 50, 20])
    groups = np.arange(170) // 2
    for _, test in LeakFreeKFold(5).split(y, y, groups):
        assert (abs(np.bincount(y[test]) - [20, 10, 4]) <= 2).all()
    for _, test in LeakFreeShuffleSplit(3, test_size=0.1).split(y, y, groups):
        assert (abs(np.bincount(y[test]) - [10, 5, 2]) <= 2).all()


def test_pairs_of_a_shuffle_differ_and_seeds_too() -> None:
    y = np.zeros(100)
    tests = [tuple(test) for _, test in LeakFreeShuffleSplit(3).split(y)]
    assert len(set(tests)) == 3
    assert tests == [tuple(test) for _, test in LeakFreeShuffleSplit(3).split(y)]
    assert tests != [tuple(t) for _, t in LeakFreeShuffleSplit(3, random_state=1).split(y)]


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, ""])
def test_a_missing_group_ties_nothing(nothing: Any) -> None:
    groups = pd.Series([nothing] * 20, dtype=object)
    folds = [test for _, test in LeakFreeKFold(4).split(groups, None, groups)]
    assert [len(test) for test in folds] == [5] * 4


def test_group_columns_tie_together() -> None:
    burst = [0, 0, None, None, 1, 1, None, None]
    animal = [None, "a", "a", None, None, "b", "b", None]
    groups = pd.DataFrame({"burst": burst, "animal": animal}, dtype=object)
    for _, test in LeakFreeKFold(2).split(groups, None, groups):
        assert {0, 1, 2} <= set(test) or not {0, 1, 2} & set(test)
        assert {4, 5, 6} <= set(test) or not {4, 5, 6} & set(test)


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="X has 10, groups has 9, y has 8"):
        list(LeakFreeKFold().split(np.zeros(10), np.zeros(8), np.zeros(9)))


def test_too_few_groups() -> None:
    with pytest.raises(InputError, match="they do not fill 3 folds"):
        list(LeakFreeKFold(3).split(np.zeros(10), None, [0] * 5 + [1] * 5))
    with pytest.raises(InputError, match="a training and a test part"):
        list(LeakFreeShuffleSplit().split(np.zeros(10), None, [0] * 10))


def test_what_cannot_be_asked() -> None:
    with pytest.raises(PolicyError, match="n_splits 1"):
        LeakFreeKFold(1)
    with pytest.raises(PolicyError, match="n_splits 0"):
        LeakFreeShuffleSplit(0)
    with pytest.raises(PolicyError, match="test_size 1"):
        LeakFreeShuffleSplit(test_size=1)


def test_how_they_write_themselves() -> None:
    assert repr(LeakFreeKFold()) == "LeakFreeKFold(n_splits=5, random_state=0)"
    assert repr(LeakFreeShuffleSplit(3, test_size=0.1)) == (
        "LeakFreeShuffleSplit(n_splits=3, test_size=0.1, random_state=0)"
    )


def test_nothing_of_scikit_learn_is_imported() -> None:
    code = "import sys, curate.splits; raise SystemExit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("made", SPLITTERS)
def test_scikit_learn_takes_them(made: Callable[[], Any]) -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    trees = pytest.importorskip("sklearn.tree")
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 80)
    x = y[:, None] + random.normal(0, 0.1, (80, 2))
    groups = random.integers(0, 40, 80)
    tree = trees.DecisionTreeClassifier(random_state=0)
    scores = selection.cross_val_score(tree, x, y, groups=groups, cv=made())
    assert len(scores) == made().get_n_splits()
    assert scores.mean() > 0.9
    search = selection.GridSearchCV(tree, {"max_depth": [1, 2]}, cv=made())
    assert search.fit(x, y, groups=groups).best_score_ > 0.9
    assert repr(made()) in repr(search)


def test_scikit_learn_routes_groups_to_them() -> None:
    sklearn = pytest.importorskip("sklearn")
    selection = pytest.importorskip("sklearn.model_selection")
    trees = pytest.importorskip("sklearn.tree")
    y = np.arange(40) % 2
    groups = np.arange(40) // 4
    with sklearn.config_context(enable_metadata_routing=True):
        scores = selection.cross_val_score(
            trees.DecisionTreeClassifier(), y[:, None], y, params={"groups": groups},
            cv=LeakFreeKFold(2),
        )  # fmt: skip
    assert (scores == 1).all()
