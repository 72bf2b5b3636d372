"""Whether looks came to what was promised."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from curate.queues.expectations.outcomes import OUTCOME_COLUMNS, outcomes, yields_report


def offer(run_id: int, recipe: str, *image_ids: str, **changed: Any) -> pd.DataFrame:
    """What one queue offered, in order."""
    row = {
        "run_id": run_id,
        "recipe": recipe,
        "topic": "kudu",
        "predicted": "kudu",
        "score": 0.6,
        "known": 1.0,
    }
    row |= {"expected": 0.5, "calibrated": 0.5, **changed}
    places = enumerate(image_ids, start=1)
    return pd.DataFrame([{**row, "image_id": name, "position": place} for place, name in places])


def answers(*said: tuple[int, str, str]) -> pd.DataFrame:
    """Answers by (run, image, answer), in order."""
    table = pd.DataFrame(said, columns=["run_id", "image_id", "answer"])
    return table.assign(seq=range(len(table)))


def hit(recipe: str, answer: str, **changed: Any) -> bool:
    """Whether one look at one image came to something."""
    found = outcomes(offer(2, recipe, "a", **changed), answers((1, "a", "eland"), (3, "a", answer)))
    assert len(found) == 1
    return bool(found.at[0, "hit"])


@pytest.mark.parametrize(
    ("recipe", "answer", "expected"),
    [
        ("low-count", "kudu", True),
        ("low-count", "zebra", False),
        ("low-count", "rejected", False),
        ("staged", "kudu", True),
        ("unknown", "unknown", False),
        ("uncertain", "kudu", False),
        ("uncertain", "zebra", True),
        ("uncertain", "rejected", True),
        ("uncertain-entropy", "kudu", False),
        ("uncertain-confidence", "zebra", True),
        ("disagree", "zebra", True),
        ("wrong-label", "eland", False),
        ("wrong-label", "kudu", True),
        ("low-score", "rejected", True),
        ("low-score", "unknown", False),
        ("random", "zebra", True),
        ("random", "unknown", False),
        ("mine", "rejected", False),
    ],
)
def test_a_look_comes_to_what_its_recipe_promised(recipe: str, answer: str, expected: bool) -> None:
    assert hit(recipe, answer) is expected


def test_a_pair_is_settled_by_either_of_its_classes() -> None:
    for answer, expected in (("kudu", True), ("bongo", True), ("bon", False), ("rejected", False)):
        assert hit("look-alike", answer, topic="bongo / kudu") is expected


def test_a_new_class_is_one_that_nobody_had_labelled_when_it_was_offered() -> None:
    offered = offer(3, "new-class", "a", "b", "c", "d", "e", topic="new 1")
    said = {"a": "okapi", "b": "zebra", "c": "unknown", "d": "rejected", "e": "okapi"}
    given = answers(*((4 + at, name, answer) for at, (name, answer) in enumerate(said.items())))
    found = outcomes(offered, given, {"okapi": 4, "zebra": 3})
    hardly = outcomes(offered, given, {"zebra": 3})

    # A further image of it counts too: it was offered before the class had a name.
    assert set(found.loc[found["hit"], "image_id"]) == {"a", "e"}
    assert set(hardly.loc[hardly["hit"], "image_id"]) == {"a", "e"}
    assert not outcomes(offered, given)["hit"].any()


def test_more_of_a_class_that_has_a_name_is_what_was_promised_under_this_name() -> None:
    offered = pd.concat(
        [
            offer(3, "new-class", "a", "b", topic="okapi"),
            offer(3, "new-class", "c", topic="new 1"),
        ]
    )
    given = answers((4, "a", "okapi"), (4, "b", "zebra"), (4, "c", "okapi"))
    found = outcomes(offered, given, {"okapi": 2, "zebra": 1}).set_index("image_id")["hit"]
    assert found.to_dict() == {"a": True, "b": False, "c": False}


def test_only_what_was_said_after_the_offer_is_an_outcome() -> None:
    offered = offer(5, "random", "before", "same", "after", "taken back", "never")
    said = answers(
        (4, "before", "kudu"),
        (5, "same", "kudu"),
        (4, "after", "zebra"),
        (6, "after", "unknown"),
        (7, "after", "kudu"),
        (6, "taken back", "rejected"),
        (8, "taken back", ""),
    )
    found = outcomes(offered, said)

    assert list(found["image_id"]) == ["after"]
    assert tuple(found.columns) == OUTCOME_COLUMNS
    assert list(found.loc[0, ["was", "answer", "hit"]]) == ["zebra", "kudu", True]


def test_an_image_that_was_offered_again_and_again_is_one_look_a_recipe() -> None:
    offered = pd.concat(
        [
            offer(1, "random", "a", expected=0.1),
            offer(2, "random", "a", expected=0.2),
            offer(3, "uncertain", "a", expected=0.3),
            offer(9, "random", "a", expected=0.4),
        ],
        ignore_index=True,
    )
    found = outcomes(offered, answers((4, "a", "kudu")))

    assert list(found["expected"]) == [0.2, 0.3]


def test_right_labels_that_were_passed_over_are_misses() -> None:
    offered = offer(2, "wrong-label", "a", "b", "c", "d")
    said = answers(*((1, name, "eland") for name in "abcd"), (3, "c", "kudu"))
    found = outcomes(offered, said)

    assert list(found["image_id"]) == ["a", "b", "c"]
    assert list(found["hit"]) == [False, False, True]
    assert outcomes(offer(2, "random", *"abcd"), said)["image_id"].to_list() == ["c"]


def test_nothing_offered_or_answered_is_no_outcome() -> None:
    offered, said = offer(1, "random", "a"), answers((2, "a", "kudu"))
    for found in (outcomes(offered.head(0), said), outcomes(offered, said.head(0))):
        assert found.empty
        assert tuple(found.columns) == OUTCOME_COLUMNS


def test_the_report_lays_real_yields_beside_the_expected() -> None:
    offered = pd.concat(
        [offer(1, "random", *"abcd", calibrated=0.75), offer(1, "uncertain", *"xyz")],
        ignore_index=True,
    )
    said = answers((2, "a", "kudu"), (2, "b", "rejected"))
    table = yields_report(outcomes(offered, said), offered)

    assert table["recipe"].to_list() == ["random", "uncertain"]
    assert list(table.loc[0, ["offered", "looked", "got"]]) == [4, 2, 1]
    assert list(table.loc[0, ["expected", "share"]]) == [1.5, 0.5]
    assert list(table.loc[1, ["offered", "looked", "got"]]) == [3, 0, 0]
    assert table.loc[1, ["expected", "share"]].isna().all()
