from __future__ import annotations

import pytest

from curate.core.errors import InputError, PolicyError
from curate.queues.filters import Filters, check_class


def test_no_filter_keeps_labelled_images_away_and_nothing_else() -> None:
    assert Filters().conditions() == (["label IS NULL"], [])
    assert Filters(labelled=True).conditions() == ([], [])


def test_values_are_bound_and_never_part_of_the_sql() -> None:
    name = "x'; DROP TABLE predictions; --"

    conditions, values = Filters(class_=name, min_score=0.0, max_score=0.6).conditions()

    assert conditions == ["label IS NULL", "predicted = ?", "score >= ?", "score <= ?"]
    assert values == [name, 0.0, 0.6]


def test_scores_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(PolicyError, match=r"min-score 0\.7 and max-score 0\.6"):
        Filters(min_score=0.7, max_score=0.6)
    assert Filters(min_score=0.6, max_score=0.6).limit == 500


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_score_is_a_share(score: float) -> None:
    with pytest.raises(PolicyError, match="between 0 and 1"):
        Filters(min_score=score)
    with pytest.raises(PolicyError, match="between 0 and 1"):
        Filters(max_score=score)


@pytest.mark.parametrize("limit", [0, -5])
def test_a_queue_has_room(limit: int) -> None:
    with pytest.raises(PolicyError, match=f"limit {limit}"):
        Filters(limit=limit)


def test_a_class_that_the_model_has_passes() -> None:
    check_class("antelope", ["antelope"], [])
    check_class("", ["antelope"], [])


def test_a_misspelt_class_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(InputError, match=r"class 'antelop'.*Nearest that it knows: antelope\."):
        check_class("antelop", ["antelope", "zebra"], [])


def test_a_class_like_nothing_is_answered_with_some_that_there_are() -> None:
    with pytest.raises(InputError, match=r"It knows 2, such as antelope, zebra\."):
        check_class("qqqq", ["zebra", "antelope"], [])


def test_a_class_that_only_the_library_has_points_to_its_look_alike() -> None:
    with pytest.raises(InputError, match="look-alike --class"):
        check_class("gazelle", ["antelope"], ["gazelle"])
