"""Each recipe on predictions written by hand."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from curate.core.errors import InputError
from curate.queues.filters.filters import Filters
from curate.queues.recipe import compose
from curate.queues.recipes import RECIPES, low_count, recipe_of

from ..cases import aim, candidates, counts, features, said

low = RECIPES["low-count"]
alike = RECIPES["look-alike"]
lowest = RECIPES["low-score"]


def many(predicted: str, number: int, score: float) -> list[dict[str, object]]:
    return [said(f"{predicted}{i}", predicted, score) for i in range(number)]


def test_thin_classes_lie_between_three_and_five_quarters_of_the_cutoff() -> None:
    found = low_count.thin(counts(a=29, b=30, c=39, d=40, e=49, f=50), 40)

    assert found.to_dict("index") == {
        "b": {"real": 30, "unit": "images", "short": 10, "wanted": 10},
        "c": {"real": 39, "unit": "images", "short": 1, "wanted": 1},
        "d": {"real": 40, "unit": "images", "short": 0, "wanted": 10},
        "e": {"real": 49, "unit": "images", "short": 0, "wanted": 1},
    }


def test_for_a_plan_every_class_that_its_budget_may_bring_over_is_thin() -> None:
    found = low_count.thin(counts(a=9, b=10, c=39, d=45, e=50), 40, 30)

    assert found["wanted"].to_dict() == {"b": 30, "c": 1, "d": 5}


def test_a_class_is_thin_by_its_groups() -> None:
    classes = counts(gnu=90, emu=90).assign(countable_real=[38, 90])
    found = low_count.thin(classes, 40)
    assert found.to_dict("index") == {
        "gnu": {"real": 38, "unit": "groups", "short": 2, "wanted": 2}
    }


def test_an_odd_cutoff_leaves_no_thin_class_without_a_want() -> None:
    found = low_count.thin(counts(**{f"c{n}": n for n in range(60)}), 39)

    assert found.index[0] == "c30"
    assert found.index[-1] == "c48"
    assert (found["wanted"] >= 1).all()


def test_low_count_says_what_the_class_lacks() -> None:
    rows = candidates(*many("gazelle", 61, 0.83))

    queue = compose(low, rows, aim(gazelle=38, zebra=300))

    reason = (
        "gazelle: 38 of 40 real images, 2 short; "
        "score 0.83 (61 candidates, about 51 expected right)"
    )
    assert set(queue["reason"]) == {reason}
    assert len(queue) == 61


def test_low_count_says_what_a_class_has_to_spare() -> None:
    queue = compose(low, candidates(*many("kudu", 1, 0.9)), aim(kudu=43))

    assert list(queue["reason"]) == [
        "kudu: 43 of 40 real images, 3 to spare; score 0.90 (1 candidate, about 1 expected right)"
    ]


def test_full_and_nearly_empty_classes_are_not_asked_about() -> None:
    rows = candidates(*many("zebra", 3, 0.9), *many("okapi", 3, 0.9))

    assert compose(low, rows, aim(zebra=300, okapi=5)).empty


def test_a_close_second_counts_and_a_far_one_does_not() -> None:
    rows = candidates(
        said("close", "antelope", 0.5, "gazelle", 0.4), said("far", "antelope", 0.7, "gazelle", 0.2)
    )

    queue = compose(low, rows, aim(gazelle=38, antelope=200))

    assert list(queue["image_id"]) == ["close"]
    assert "second to antelope with 0.40" in queue["reason"][0]


def test_an_image_between_two_thin_classes_is_asked_about_once_for_the_likelier() -> None:
    rows = candidates(said("both", "kudu", 0.5, "gazelle", 0.45))

    queue = compose(low, rows, aim(gazelle=38, kudu=39))

    assert list(queue["reason"]) == [
        "kudu: 39 of 40 real images, 1 short; score 0.50 (1 candidate, about 1 expected right)"
    ]


def test_portions_close_the_cheapest_gap_first_and_drown_nobody() -> None:
    # kudu lacks 1: two of its images suffice. gazelle lacks 2: three of 0.7 do.
    rows = candidates(*many("gazelle", 7, 0.7), *many("kudu", 5, 0.6))

    queue = compose(low, rows, aim(gazelle=38, kudu=39))

    order = [name.rstrip("0123456789") for name in queue["image_id"]]
    assert order == (
        ["kudu"] * 2 + ["gazelle"] * 3 + ["kudu"] * 2 + ["gazelle"] * 3 + ["kudu"] + ["gazelle"]
    )


def test_a_gap_that_cannot_be_closed_comes_after_one_that_can() -> None:
    rows = candidates(*many("gazelle", 3, 0.9), *many("kudu", 20, 0.6))

    queue = compose(low, rows, aim(gazelle=30, kudu=31))

    assert list(queue["predicted"][:15]) == ["kudu"] * 15
    assert list(queue["predicted"][15:18]) == ["gazelle"] * 3


def test_classes_over_the_line_come_after_those_below() -> None:
    rows = candidates(*many("safe", 2, 0.99), *many("short", 30, 0.5))

    queue = compose(low, rows, aim(safe=49, short=30))

    assert list(queue["predicted"][:20]) == ["short"] * 20
    assert queue["predicted"][20] == "safe"


def test_within_a_class_the_likeliest_comes_first() -> None:
    rows = candidates(said("a", "kudu", 0.5), said("b", "kudu", 0.9), said("c", "kudu", 0.7))

    queue = compose(low, rows, aim(kudu=39))

    assert list(queue["image_id"]) == ["b", "c", "a"]
    assert list(queue["expected"]) == [0.9, 0.7, 0.5]
    assert set(queue["topic"]) == {"kudu"}


def test_an_image_that_is_not_real_moves_nothing() -> None:
    rows = candidates(said("a", "kudu", 0.9, origin="synthetic"))

    assert compose(low, rows, aim(kudu=39)).empty


def test_an_image_that_has_the_label_moves_nothing() -> None:
    labelled = said("has", "kudu", 0.9, label="kudu"), said("other", "kudu", 0.9, label="zebra")

    queue = compose(low, candidates(*labelled), aim(Filters(labelled=True), kudu=39))

    assert list(queue["image_id"]) == ["other"]
    assert queue["reason"][0].endswith("expected right); labelled zebra")


def test_look_alike_finds_the_pair_in_either_order() -> None:
    rows = candidates(
        said("a", "antelope", 0.41, "gazelle", 0.38),
        said("b", "gazelle", 0.45, "antelope", 0.44),
        said("c", "antelope", 0.5, "gazelle", 0.4),
        said("sure", "antelope", 0.9, "gazelle", 0.1),
    )

    queue = compose(alike, rows, aim())

    assert list(queue["image_id"]) == ["b", "a", "c"]
    assert queue["reason"][1] == "between antelope 0.41 and gazelle 0.38 (3 such images)"


def test_two_images_are_no_pair_of_classes() -> None:
    rows = [said(name, "antelope", 0.45, "gazelle", 0.4) for name in ("a", "b")]

    assert compose(alike, candidates(*rows), aim()).empty


def test_low_scores_are_a_guess_and_no_pair() -> None:
    rows = [said(name, "antelope", 0.2, "gazelle", 0.19) for name in ("a", "b", "c")]

    assert compose(alike, candidates(*rows), aim()).empty


def test_look_alike_of_a_class_brings_its_doubtful_images() -> None:
    rows = candidates(
        said("b", "antelope", 0.6, "kudu", 0.1), said("a", "antelope", 0.3, "zebra", 0.29)
    )

    queue = compose(alike, rows, replace(aim(), of="antelope"))

    assert list(queue["image_id"]) == ["a", "b"]
    assert list(queue["reason"]) == [
        "between antelope 0.30 and zebra 0.29",
        "between antelope 0.60 and kudu 0.10",
    ]


def test_a_model_of_one_class_has_no_look_alikes_but_doubts() -> None:
    rows = candidates(said("a", "zebra", 1.0))

    assert compose(alike, rows, aim()).empty
    queue = compose(alike, rows, replace(aim(), of="zebra"))
    assert list(queue["reason"]) == ["zebra 1.00, and the model knows no other class"]
    assert pd.isna(queue["second"][0])


def test_low_score_puts_the_lowest_first_and_claims_nothing() -> None:
    rows = candidates(said("a", "zebra", 0.5), said("b", "antelope", 0.12), said("c", "kudu", 0.5))

    queue = compose(lowest, rows, aim())

    assert list(queue["image_id"]) == ["b", "a", "c"]
    assert queue["reason"][0] == "best score 0.12 (antelope)"


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_gives_an_empty_queue_with_its_types(name: str) -> None:
    # Some recipes refuse a library in which no image has a label, or features.
    known = candidates(said("k", "kudu", 0.9, label="kudu"))
    asked = replace(aim(gazelle=38), labelled=known, features=features(k=[1.0, 0.0]))

    queue = compose(RECIPES[name], candidates(), asked)

    assert queue.empty
    assert queue["score"].dtype == "float64"
    assert queue["reason"].dtype == "string"


def test_every_recipe_says_in_one_line_what_it_brings() -> None:
    assert all(0 < len(recipe.help) <= 80 for recipe in RECIPES.values())
    assert len({recipe.help for recipe in RECIPES.values()}) == len(RECIPES)


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"Did you mean low-count\? Known: low-count, staged"):
        recipe_of("lowcount")
    with pytest.raises(InputError, match=r"name\. Known: low-count"):
        recipe_of("zzz")
