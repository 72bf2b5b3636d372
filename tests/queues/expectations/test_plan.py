"""A budget is split by what looks gain, and nothing is looked at twice."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from curate.core.errors import PolicyError
from curate.queues.expectations.plan import GAINS, PLAN_COLUMNS, SPLIT_COLUMNS, Standing, split
from curate.queues.recipe import QUEUE_COLUMNS
from curate.queues.recipes import RECIPES

laws = settings(max_examples=15, deadline=None)
NAMES = ("random", "low-count", "uncertain", "new-class", "wrong-label", "low-score", "mine")


def queue(*image_ids: str, **changed: Any) -> pd.DataFrame:
    """Make a queue of images that are alike; a list gives each its own value."""
    row: dict[str, Any] = {
        "predicted": "kudu",
        "score": 0.5,
        "second": "zebra",
        "second_score": 0.25,
    }
    row |= {"reason": "why", "label": "", "topic": "kudu", "expected": 0.5}
    table = pd.DataFrame({"image_id": list(image_ids), "path": list(image_ids)}).assign(**row)
    return table.assign(**changed)


def named(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{place:03}" for place in range(number)]


def standing(pool: int = 100, min_count: int = 40, **real: int) -> Standing:
    counts = pd.DataFrame({"label": list(real), "usable": list(real.values())})
    counts["countable_real"] = counts["usable"]
    return Standing(counts, min_count, dict.fromkeys(real, pool))


LIBRARY = standing(kudu=200, zebra=200, gazelle=36)


@st.composite
def queues(draw: st.DrawFn) -> dict[str, pd.DataFrame]:
    """Draw queues that share images, some empty, some that cannot say what to expect."""
    found = {}
    for recipe in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)):
        ids = draw(st.lists(st.sampled_from([f"{n:02}" for n in range(25)]), unique=True))
        size = len(ids)
        several = {
            "topic": st.sampled_from(["kudu", "gazelle", "cluster 1", "kudu / zebra"]),
            "predicted": st.sampled_from(["kudu", "zebra", "gazelle"]),
            "expected": st.sampled_from([0.0, 0.3, 0.7, 1.0, float("nan")]),
            "score": st.sampled_from([0.1, 0.5, 0.9]),
        }
        values = {
            name: draw(st.lists(kind, min_size=size, max_size=size))
            for name, kind in several.items()
        }
        found[recipe] = queue(*ids, **values)
    return found


def counts(found: pd.DataFrame) -> dict[str, int]:
    return dict(found.set_index("recipe")["looks"])


@laws
@given(queues(), st.integers(1, 60))
def test_a_plan_is_a_queue_without_an_image_twice(
    asked: dict[str, pd.DataFrame], budget: int
) -> None:
    plan = split(asked, budget, LIBRARY)

    assert tuple(plan.table.columns) == PLAN_COLUMNS
    assert tuple(plan.split.columns) == SPLIT_COLUMNS
    assert plan.table["image_id"].is_unique
    every = set().union(*(table["image_id"] for table in asked.values()))
    assert len(plan.table) == min(budget, len(every))
    for recipe, rows in plan.table.groupby("recipe"):
        assert set(rows["image_id"]) <= set(asked[str(recipe)]["image_id"])
    assert sorted(plan.split["recipe"]) == sorted(asked)
    assert plan.split["looks"].sum() == len(plan.table)
    assert (plan.split["why"] != "").all()
    assert (plan.split["gain"] >= 0).all()


@laws
@given(queues(), st.integers(1, 60))
def test_the_same_question_gets_the_same_plan_in_whichever_order_it_is_asked(
    asked: dict[str, pd.DataFrame], budget: int
) -> None:
    one, other = (
        split(dict(order), budget, LIBRARY) for order in (asked.items(), reversed(asked.items()))
    )
    assert_frame_equal(one.table, other.table)
    assert_frame_equal(one.split, other.split)


@laws
@given(queues(), st.integers(1, 30))
def test_what_belongs_together_stands_together_in_the_order_of_its_queue(
    asked: dict[str, pd.DataFrame], budget: int
) -> None:
    table = split(asked, budget, LIBRARY).table
    piece = table["recipe"] + "\n" + table["topic"]

    assert (piece != piece.shift(fill_value="")).sum() == piece.nunique()
    for (recipe, _), rows in table.groupby(["recipe", "topic"]):
        order = list(asked[str(recipe)]["image_id"])
        places = [order.index(name) for name in rows["image_id"]]
        assert places == sorted(places)


def test_a_gap_is_closed_before_errors_are_mended_and_not_overfilled() -> None:
    asked = {
        "low-count": queue(*named("g", 30), topic="gazelle", expected=0.8, score=0.99),
        "uncertain": queue(*named("u", 30)),
    }
    plan = split(asked, 20, LIBRARY)

    # 4 are short; 5 looks at 0.8 bring them.
    assert counts(plan.split) == {"low-count": 5, "uncertain": 15}
    assert plan.table["recipe"].to_list()[:5] == ["low-count"] * 5
    assert plan.split.loc[0, "why"] == "expected to bring 1 class over the cutoff: gazelle"
    assert plan.split.loc[0, "expected"] == pytest.approx(4)
    # What it brings is the class: a hundred images of the pool.
    assert plan.split.loc[0, "gain"] == pytest.approx(100)


def test_the_smaller_gap_comes_first() -> None:
    library = standing(gazelle=39, kudu=30, zebra=200)
    asked = {
        "low-count": pd.concat(
            [queue(*named("k", 30), topic="kudu"), queue(*named("g", 30), topic="gazelle")],
            ignore_index=True,
        )
    }
    assert set(split(asked, 2, library).table["topic"]) == {"gazelle"}


def test_a_gap_that_cannot_be_closed_gets_less() -> None:
    enough, few = ({"low-count": queue(*named("g", n), topic="gazelle")} for n in (8, 2))
    library = standing(gazelle=36, kudu=200)

    assert split(enough, 2, library).split.loc[0, "gain"] == pytest.approx(25)
    assert split(few, 2, library).split.loc[0, "gain"] == pytest.approx(6.25)


@pytest.mark.parametrize(
    ("recipe", "more", "gain"),
    [
        # 100 images of the pool, 10 labels short: 10 for each label that comes.
        ("low-count", {"topic": "gazelle", "expected": 0.8}, 8.0),
        # The model is wrong so often; else it is a gazelle.
        ("uncertain", {"topic": "gazelle", "expected": 0.8}, 2.0),
        # A label it may be, and a gazelle as the score says.
        ("mine", {"topic": "", "expected": 0.9}, 4.5),
        # Either of two, which lack as many.
        ("look-alike", {"topic": "gazelle / kudu", "expected": 0.8}, 8.0),
        # The other one lacks nothing, and the score is even.
        ("look-alike", {"topic": "gazelle / zebra", "expected": 0.8}, 4.0),
    ],
)
def test_a_label_earns_its_share_of_a_gap_whoever_brings_it(
    recipe: str, more: dict[str, Any], gain: float
) -> None:
    library = standing(gazelle=30, kudu=30, zebra=200)
    asked = {recipe: queue(*named("a", 20), predicted="gazelle", **more)}

    assert split(asked, 1, library).split.loc[0, "gain"] == pytest.approx(gain)


def test_what_is_likely_another_class_fills_no_gap() -> None:
    """Many doubtful looks at a class leave room for the few that are sure to be of it."""
    library = standing(gazelle=36, zebra=200)
    asked = {
        "low-count": queue(*named("g", 4), predicted="gazelle", topic="gazelle", expected=0.7),
        "uncertain": queue(
            *named("u", 20), predicted="gazelle", topic="gazelle", expected=0.9, score=0.1
        ),
    }
    assert counts(split(asked, 16, library).split)["low-count"] == 4
    assert counts(split(asked, 4, library).split) == {"low-count": 4, "uncertain": 0}


def test_the_second_label_of_a_class_gains_less_than_the_first_of_another() -> None:
    library = standing(kudu=10, zebra=10, min_count=5)
    predicted = ["kudu"] * 10 + ["zebra"] * 10
    asked = {"uncertain": queue(*named("u", 20), predicted=predicted, topic=predicted)}
    plan = split(asked, 10, library)

    assert plan.table["topic"].value_counts().to_dict() == {"kudu": 5, "zebra": 5}


def test_classes_with_few_labels_are_taught_first() -> None:
    library = standing(kudu=400, zebra=20, min_count=5)
    predicted = ["kudu"] * 10 + ["zebra"] * 10
    asked = {"uncertain": queue(*named("u", 20), predicted=predicted, topic=predicted)}

    assert set(split(asked, 5, library).table["topic"]) == {"zebra"}


def test_where_the_model_errs_more_gains_more() -> None:
    asked = {"uncertain": queue("a", "b", predicted=["kudu", "zebra"], expected=[0.2, 0.6])}

    assert split(asked, 1, LIBRARY).table["image_id"].to_list() == ["b"]


def test_a_large_cluster_comes_before_a_small_one() -> None:
    topics = ["cluster 1"] * 5 + ["cluster 2"] * 50
    asked = {"new-class": queue(*named("n", 55), topic=topics, expected=0.9)}

    assert set(split(asked, 20, LIBRARY).table["topic"]) == {"cluster 2"}


def test_an_image_is_no_more_likely_new_than_of_no_known_class() -> None:
    groups = queue(*named("n", 55), topic="new 1", expected=0.9)
    shares = {known: split_with(groups.assign(known=known)) for known in (0.0, 0.4, 1.0, None)}

    assert shares == {0.0: 20, 0.4: 20, 1.0: 0, None: 20}
    # Sure of a class that it knows, the model may still take a gazelle for another.
    asked = {"low-count": queue(*named("g", 5), topic="gazelle", expected=0.9, known=1.0)}
    assert split(asked, 1, LIBRARY).split["gain"][0] > 0


def split_with(groups: pd.DataFrame) -> int:
    """Say how many of 20 looks go to new classes, beside labels where the model errs."""
    asked = {"new-class": groups, "uncertain": queue(*named("u", 50))}
    return counts(split(asked, 20, LIBRARY).split)["new-class"]


def test_a_mended_label_counts_twice() -> None:
    asked = {"uncertain": queue("a"), "wrong-label": queue("b")}
    found = split(asked, 2, LIBRARY).split

    assert list(found["recipe"]) == ["wrong-label", "uncertain"]
    assert found["gain"][0] == pytest.approx(2 * found["gain"][1], rel=0.02)


@pytest.mark.parametrize(("budget", "fair"), [(1, 1), (10, 1), (11, 2), (100, 10)])
def test_a_tenth_explores(budget: int, fair: int) -> None:
    asked = {
        # Nothing is left to gain from what is random.
        "random": queue(*named("r", 200), score=1.0, expected=float("nan"), topic=""),
        "diverse": queue(*named("d", 200), score=1.0, topic=""),
        "uncertain": queue(*named("u", 200)),
    }
    plan = split(asked, budget, LIBRARY)

    assert counts(plan.split) == {"random": fair, "diverse": 0, "uncertain": budget - fair}
    # A fair sample is the beginning of a random order.
    chosen = plan.table.loc[plan.table["recipe"] == "random", "image_id"]
    assert list(chosen) == named("r", 200)[:fair]
    assert "no score chose" in str(plan.split.set_index("recipe").at["random", "why"])


def test_without_a_random_recipe_the_diverse_one_explores() -> None:
    asked = {"diverse": queue(*named("d", 20), score=1.0), "uncertain": queue(*named("u", 20))}

    assert counts(split(asked, 10, LIBRARY).split) == {"diverse": 1, "uncertain": 9}
    assert counts(split({"uncertain": asked["uncertain"]}, 10, LIBRARY).split) == {"uncertain": 10}


def test_junk_comes_last() -> None:
    asked = {"low-score": queue("a", "b", expected=1.0), "uncertain": queue("c", expected=0.1)}
    plan = split(asked, 2, LIBRARY)

    assert plan.table["image_id"].to_list() == ["c", "a"]
    assert plan.split.set_index("recipe").at["low-score", "gain"] == 0


def test_one_of_images_that_look_alike_is_enough() -> None:
    asked = {
        "random": queue("a", "b", "c", group=["x", "x", None]),
        "uncertain": queue("b", "d", group=["x", "y"]),
    }
    table = split(asked, 9, LIBRARY).table

    assert sorted(table["image_id"]) == ["a", "c", "d"]
    assert "group" not in table


def test_a_recipe_without_images_says_so() -> None:
    asked = {"low-count": queue(), "uncertain": queue("a"), "mine": queue("b", score=0.99)}
    found = split(asked, 1, LIBRARY).split.set_index("recipe")

    assert found["looks"].to_dict() == {"uncertain": 1, "low-count": 0, "mine": 0}
    assert found.at["low-count", "why"] == "it has no images"
    assert found.at["mine", "why"] == "other looks gain more"
    assert split({"low-count": queue()}, 5, LIBRARY).table.empty


def test_the_order_to_sit_with_brings_the_best_piece_first() -> None:
    asked = {
        "uncertain": queue(
            *named("u", 4),
            predicted=["kudu", "zebra"] * 2,
            topic=["kudu", "zebra"] * 2,
            expected=[0.2, 0.9, 0.2, 0.9],
        )
    }
    assert split(asked, 4, LIBRARY).table["topic"].to_list() == ["zebra", "zebra", "kudu", "kudu"]


def test_what_makes_no_plan_is_refused() -> None:
    with pytest.raises(PolicyError, match="budget 0"):
        split({"random": queue("a")}, 0, LIBRARY)
    with pytest.raises(PolicyError, match="no recipe"):
        split({}, 5, LIBRARY)


def test_gains_are_of_recipes_that_there_are() -> None:
    assert set(GAINS) - {"new-class"} <= set(RECIPES)
    assert set(QUEUE_COLUMNS) < set(PLAN_COLUMNS)
