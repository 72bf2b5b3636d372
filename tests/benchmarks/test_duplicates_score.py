"""The scores of the duplicate benchmark, on a truth that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import duplicates_score as scoring
from benchmarks.duplicates_score import FRAME, SAME, SCENE, UNLIKE, Score, Truth

ROWS = [
    ("a", "", "source", "", 0),
    ("a1", "a", "crop", "mild", 0),
    ("a2", "a", "crop", "strong", 0),
    ("a3", "a", "flip", "mild", 0),
    ("b", "", "source", "", 1),
    ("b1", "b", "jpeg", "mild", 1),
    ("c", "", "negative", "", 2),
    ("d", "", "negative", "", 3),
]


@pytest.fixture(name="truth", scope="module")
def make_truth() -> Truth:
    """Families a, b, c, d; a and b show one scene, a and c one frame."""
    files = pd.DataFrame(ROWS, columns=["file", "source", "kind", "strength", "family"])
    bursts = pd.DataFrame({"a": [0, 0], "b": [1, 2], "frame": [False, True]})
    return Truth.of(files.assign(origin_path=files["file"]), bursts)


def scored(truth: Truth, *pairs: str) -> Score:
    table = pd.DataFrame([pair.split("-") for pair in pairs], columns=["a", "b"])
    return scoring.score(truth, scoring.pairs_of(truth, table))


def test_pairs_are_counted_by_what_they_are(truth: Truth) -> None:
    score = scored(truth, "a-a1", "a1-a", "a1-a2", "a-b", "a1-b1", "a-c", "a-d", "d-b", "d-d")
    assert score.counts.tolist() == [2, 2, 1, 2]
    assert score.ties.tolist()[:3] == [2, 1, 1]
    assert score.precision == pytest.approx(2 / 6)
    assert score.precision_but_bursts == pytest.approx(2 / 4)


def test_an_edit_is_found_only_with_its_source(truth: Truth) -> None:
    score = scored(truth, "a1-a2", "a2-a")
    assert truth.files["file"][score.found].tolist() == ["a2"]
    assert scoring.recall(truth, score.found) == pytest.approx(1 / 3)
    crop = scoring.recalls(truth, score.found).loc[["crop"]].to_numpy()[0]
    np.testing.assert_array_equal(crop, [0.0, np.nan, 1.0])


def test_what_is_found_on_request_is_outside_the_overall_recall(truth: Truth) -> None:
    score = scored(truth, "a-a3")
    assert scoring.recall(truth, score.found) == 0
    assert scoring.recalls(truth, score.found).loc["flip", "mild"] == 1


def test_precision_by_kind_leaves_one_frame_out(truth: Truth) -> None:
    score = scored(truth, "a-a1", "a1-d", "a1-c")
    assert score.precision_by_kind[("crop", "mild")] == pytest.approx(1 / 2)


def test_nothing_predicted_is_no_mistake(truth: Truth) -> None:
    score = scored(truth)
    assert score.precision == 1
    assert not score.counts.any()
    assert not score.found.any()


def test_groups_become_all_pairs_and_unlike_ones_are_counted(truth: Truth) -> None:
    groups = [["a", "a1", "c"], ["b", "b1", "d"]]
    pairs = scoring.pairs_in(truth, groups)
    score = scoring.score(truth, pairs, groups)
    assert len(pairs) == 6
    assert (score.groups, score.unlike_groups) == (2, 1)
    assert score.counts.tolist() == [2, 0, 2, 2]


def test_wrong_pairs_say_what_they_are(truth: Truth) -> None:
    table = pd.DataFrame({"a": ["a", "a1", "a"], "b": ["a1", "b", "d"]})
    wrong = scoring.wrong_pairs(truth, scoring.pairs_of(truth, table))
    assert wrong["relation"].tolist() == ["unlike", "scene"]
    assert wrong["file_a"].tolist() == ["a", "a1"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=8))
def test_the_radius_is_the_best_of_all_by_brute_force(values: list[int]) -> None:
    truth = make_small()
    hashes = np.array([values[0] ^ (value & 0x3FF) for value in values], np.uint64)
    radius, table = scoring.best_radius(truth, hashes)
    for at, recalled, exact, _ in table.itertuples(index=False):
        score = scoring.score(truth, scoring.pairs_within(hashes, at))
        assert scoring.recall(truth, score.found) == pytest.approx(recalled)
        assert score.precision == pytest.approx(exact)
    assert table["f1"][radius] == table["f1"].max()


def make_small() -> Truth:
    files = pd.DataFrame(ROWS, columns=["file", "source", "kind", "strength", "family"])
    return Truth.of(files, pd.DataFrame({"a": [0], "b": [1], "frame": [False]}))


def test_relations_are_symmetric(truth: Truth) -> None:
    assert (truth.relation == truth.relation.T).all()
    assert truth.relation[0].tolist() == [SAME, SCENE, FRAME, UNLIKE]
