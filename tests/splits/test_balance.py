"""How far an assignment is from the wishes, and that the bound is one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.splits import SplitPolicy, assign
from curate.splits.balance import _sums, distance
from curate.splits.placing import Question, place

from .libraries import library, some


def asked(groups: list[list[int]], rates: list[float]) -> Question:
    """Ask for places for groups that hold so many images of each class."""
    klass = np.array([k for g in groups for k, n in enumerate(g) for _ in range(n)], dtype=np.int64)
    root = np.array([i for i, g in enumerate(groups) for _ in range(sum(g))], dtype=np.int64)
    classes, count = len(groups[0]), len(klass)
    total = np.bincount(klass, minlength=classes)
    every = np.ones((classes, len(rates)), dtype=np.bool_)
    return Question(
        ids=np.array([f"{i}" for i in range(count)], dtype=object),
        klass=klass,
        sub=klass,
        # The group of an image is named by its first image.
        root=np.searchsorted(root, root),
        who=np.ones(count, dtype=np.bool_),
        fixed=np.full(count, -1, dtype=np.int64),
        wish=total[:, None] * np.array(rates),
        allowed=every,
        holds=~every,
        seed=0,
    )


def all_deviations(groups: list[list[int]], wish: np.ndarray, places: int) -> list[float]:
    """The total deviation of every assignment there is."""
    found = []
    for where in product(range(places), repeat=len(groups)):
        have = np.zeros_like(wish)
        for sizes, there in zip(groups, where, strict=True):
            have[:, there] += sizes
        found.append(float(np.abs(have - wish).sum()))
    return found


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 3).flatmap(
        lambda classes: st.lists(
            st.lists(st.integers(0, 6), min_size=classes, max_size=classes).filter(any),
            min_size=1,
            max_size=6,
        )
    ),
    st.sampled_from([[0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.34, 0.33, 0.33], [0.9, 0.1]]),
)
def test_no_assignment_is_below_the_bound(groups: list[list[int]], rates: list[float]) -> None:
    question = asked(groups, rates)
    where = place(question)
    names = np.array([f"{k}" for k in range(len(groups[0]))], dtype=object)
    found = distance(question, where, names).sum(numeric_only=True)
    best = min(all_deviations(groups, question.wish, len(rates)))
    assert found["at_least"] <= best + 1e-9
    assert best <= found["deviation"] + 1e-9


@given(st.lists(st.integers(1, 9), max_size=7), st.integers(0, 30))
def test_sums_are_those_of_some_of_the_sizes(sizes: list[int], enough: int) -> None:
    sizes = sorted(sizes)
    found = set(_sums(np.array(sizes, dtype=np.int64), enough).tolist())
    every = {sum(n for n, taken in zip(sizes, some_, strict=True) if taken)
             for some_ in product([0, 1], repeat=len(sizes))}  # fmt: skip
    limit = enough + max(sizes, default=0)
    assert {n for n in every if n <= limit} <= found <= every


@pytest.mark.parametrize(
    ("sizes", "at_least"),
    [([1] * 20, 0), ([10, 10], 8), ([20], 8), ([5, 5, 5, 5], 6), ([19, 1], 4)],
)
def test_the_bound_of_one_class(sizes: list[int], at_least: float) -> None:
    question = asked([[n] for n in sizes], [0.8, 0.1, 0.1])
    line = distance(question, place(question), np.array(["zebra"], dtype=object)).iloc[0]
    assert line["at_least"] == pytest.approx(at_least)
    assert line["deviation"] >= at_least - 1e-9


def test_balance_has_a_line_a_class_sub_class_and_split() -> None:
    images = library(some(40, "roo", sub_class=["joey"] * 10 + ["adult"] * 20 + [None] * 10))
    answer = assign(images, SplitPolicy(val=0.1, test=0.2))
    lines = answer.balance.set_index(["class", "sub_class", "split"])
    assert list(answer.balance.columns) == [
        *("class", "sub_class", "split", "wished", "placed", "deviation")
    ]
    assert len(lines) == 12
    assert list(lines.xs(("roo", "", "test"))) == [8, 8, 0]
    assert lines["wished"].to_dict()["roo", "joey", "val"] == 1
    assert lines["placed"].to_dict()["roo", "adult", "train"] == 14
    assert answer.distance.to_dict("records") == [
        {"class": "roo", "deviation": pytest.approx(0), "at_least": pytest.approx(0)}
    ]


def test_staged_images_are_not_reckoned_with() -> None:
    images = library(some(40, "zebra"), some(40, "s", label="zebra", origin="synthetic"))
    answer = assign(images, SplitPolicy())
    assert answer.balance["placed"].sum() == 40
    assert answer.distance.at[0, "deviation"] == pytest.approx(0)


def test_groups_of_several_classes_come_close_to_the_bound() -> None:
    random = np.random.default_rng(3)
    label = [f"class {k}" for k in random.integers(0, 12, 3000)]
    images = some(3000, "x", label=label, group_camera=list(random.integers(0, 600, 3000)))
    images = images.assign(image_id=[f"x{i:05d}" for i in range(3000)])
    found = assign(images, SplitPolicy(max_count=None)).distance.sum(numeric_only=True)
    assert found["deviation"] <= found["at_least"] + 12
    assert found["deviation"] / 36 < 1


def test_improving_repairs_what_the_largest_groups_leave() -> None:
    # Sizes of which the greedy way makes 12 and 8 of the 10 and 10 that are there.
    groups = [[7], [6], [4], [3]]
    question = asked(groups, [0.5, 0.5])
    found = distance(question, place(question), np.array(["zebra"], dtype=object)).iloc[0]
    assert found["deviation"] == found["at_least"] == 0


def test_no_class_loses_a_place_to_balance() -> None:
    label = ["a"] * 30 + ["b"] * 30
    camera = [*range(3)] * 10 + [*range(3)] * 10
    images = some(60, "x", label=label, group_camera=pd.Series(camera, dtype=object).tolist())
    answer = assign(images, SplitPolicy(min_count=1, val=0.05, test=0.05))
    assert (answer.classes[["train", "val", "test"]] > 0).all(axis=None)
