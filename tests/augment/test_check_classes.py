"""Classes that a transform turns into another: told from those that a model merely loses."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.augment.checks.classes import SHARE, class_verdicts, needed
from curate.augment.checks.rows import COLUMNS
from curate.augment.checks.transforms import AS_IT_IS, reached_by, transforms_of
from curate.augment.policy import DEFAULT

ASKED = reached_by(DEFAULT)
TRANSFORMS = transforms_of(DEFAULT)
Said = Mapping[str, Mapping[str, list[str]]]


def table(said: Said) -> pd.DataFrame:
    """Lay out what a model says: class -> transform -> one prediction an image."""
    rows = [
        (f"{name} {number}", name, transform, predicted)
        for name, transforms in said.items()
        for transform, answers in transforms.items()
        for number, predicted in enumerate(answers)
    ]
    return pd.DataFrame(rows, columns=["image_id", "class", "transform", "predicted"])


def verdicts(said: Said, taught: Collection[str] | None = ()) -> dict[tuple[str, str], str]:
    found = class_verdicts(table(said), TRANSFORMS, ASKED, lambda name: taught)
    assert tuple(found.columns) == COLUMNS
    assert set(found["scope"]) == {"class"}
    return dict(
        zip(zip(found["class"], found["transform"], strict=True), found["verdict"], strict=True)
    )


def always(name: str, count: int = 30) -> dict[str, list[str]]:
    return dict.fromkeys((AS_IT_IS, "flip", "turn 90", "turn 180", "turn 270"), [name] * count)


def test_a_pair_that_a_flip_exchanges_is_unsafe_and_a_ball_is_safe() -> None:
    said = {
        "left": {**always("left"), "flip": ["right"] * 27 + ["left"] * 3},
        "right": {**always("right"), "flip": ["left"] * 25 + ["right"] * 5},
        "ball": always("ball"),
    }
    found = verdicts(said)
    assert found["left", "flip"] == found["right", "flip"] == "unsafe"
    assert found["ball", "flip"] == found["left", "turn 180"] == "safe"


def test_the_reason_names_the_other_class_and_the_way_back() -> None:
    said = {
        "left": {**always("left"), "flip": ["right"] * 30},
        "right": {**always("right"), "flip": ["left"] * 15 + ["right"] * 15},
    }
    rows = class_verdicts(table(said), TRANSFORMS, ASKED, lambda name: ())
    one = rows[(rows["class"] == "left") & (rows["transform"] == "flip")].iloc[0]
    assert one["reason"] == "30 of 30 become right, and 50% of right come back"
    assert one["figure"] == 1.0


def test_the_way_back_from_a_quarter_turn_is_the_other_quarter() -> None:
    there = {**always("up"), "turn 90": ["right"] * 30}
    back = {"up": there, "right": {**always("right"), "turn 270": ["up"] * 30}}
    same = {"up": there, "right": {**always("right"), "turn 90": ["up"] * 30}}
    assert verdicts(back)["up", "turn 90"] == "unsafe"
    assert verdicts(same)["up", "turn 90"] == "unknown"


def test_a_sink_is_no_exchange() -> None:
    """Upside down, everything that the model has never seen so is taken for one class."""
    said = {
        "cat": {**always("cat"), "turn 180": ["junk"] * 30},
        "dog": {**always("dog"), "turn 180": ["junk"] * 30},
        "junk": always("junk"),
    }
    found = verdicts(said)
    assert found["cat", "turn 180"] == found["dog", "turn 180"] == "unknown"


def test_one_way_is_enough_where_photos_stay_photos() -> None:
    said = {
        "text": {**always("text"), "flip": ["noise"] * 25 + ["text"] * 5},
        "noise": always("noise"),
    }
    assert verdicts(said)["text", "flip"] == "unsafe"


def test_losing_images_to_many_classes_is_unknown() -> None:
    names = [f"c{number}" for number in range(8)]
    said: dict[str, dict[str, list[str]]] = {name: always(name) for name in names}
    said["c0"]["flip"] = ["c0"] * 8 + [names[1 + n % 7] for n in range(22)]
    rows = class_verdicts(table(said), TRANSFORMS, ASKED, lambda name: ())
    one = rows[(rows["class"] == "c0") & (rows["transform"] == "flip")].iloc[0]
    assert one["verdict"] == "unknown"
    assert one["reason"].startswith("22 of 30 are not recognised, at most 4 as one other")


@pytest.mark.parametrize(("taught", "why"), [(("flip",), "the model was"), (None, "nobody knows")])
def test_a_model_taught_to_disregard_a_flip_is_no_witness(
    taught: Collection[str] | None, why: str
) -> None:
    said = {"left": always("left"), "right": always("right")}
    rows = class_verdicts(table(said), TRANSFORMS, ASKED, lambda name: taught)
    flips = rows[rows["transform"] == "flip"]
    assert set(flips["verdict"]) == {"unknown"}
    assert all(why in reason and "--augment ''" in reason for reason in flips["reason"])


def test_what_it_shows_all_the_same_counts() -> None:
    said = {
        "left": {**always("left"), "flip": ["right"] * 30},
        "right": {**always("right"), "flip": ["left"] * 30},
    }
    assert verdicts(said, taught=("flip",))["left", "flip"] == "unsafe"


def test_a_class_may_be_taught_what_another_is_not() -> None:
    said = {"a": always("a"), "b": always("b")}
    rows = class_verdicts(table(said), TRANSFORMS, ASKED, lambda n: ("flip",) if n == "a" else ())
    found = rows[rows["transform"] == "flip"].set_index("class")["verdict"]
    assert dict(found) == {"a": "unknown", "b": "safe"}


def test_few_images_say_how_many_are_needed() -> None:
    rows = class_verdicts(
        table({"a": always("a", 5), "b": always("b", 30)}), TRANSFORMS, ASKED, lambda name: ()
    )
    one = rows[(rows["class"] == "a") & (rows["transform"] == "flip")].iloc[0]
    assert (one["verdict"], one["reason"]) == (
        "unknown",
        "0 of 5 are lost: about 14 images would tell",
    )


def test_a_class_that_the_model_does_not_know_is_unknown() -> None:
    said = {"a": dict.fromkeys((AS_IT_IS, "flip"), ["b"] * 30), "b": always("b")}
    rows = class_verdicts(table(said), TRANSFORMS, ASKED, lambda name: ())
    one = rows[(rows["class"] == "a") & (rows["transform"] == "flip")].iloc[0]
    assert one["verdict"] == "unknown"
    assert one["reason"].startswith("the model gets 0 of 30 right")


def test_confusion_that_goes_both_ways_anyway_is_not_the_flip() -> None:
    """Nine images change to b, and nine that were b change to a: chance, not direction."""
    said = {
        "a": {
            AS_IT_IS: ["a"] * 21 + ["b"] * 9,
            "flip": ["a"] * 12 + ["b"] * 9 + ["a"] * 9,
        },
        "b": {
            AS_IT_IS: ["b"] * 21 + ["a"] * 9,
            "flip": ["b"] * 12 + ["a"] * 9 + ["b"] * 9,
        },
    }
    assert verdicts(said)["a", "flip"] == "unknown"


def test_nothing_seen_gives_no_rows() -> None:
    assert class_verdicts(table({}), TRANSFORMS, ASKED, lambda name: ()).empty


@given(lost=st.integers(0, 10), right=st.integers(1, 60))
def test_needed_shows_safety(lost: int, right: int) -> None:
    wanted = needed(min(lost, right), right)
    assert (wanted is None) == (min(lost, right) / right >= SHARE)
    assert wanted is None or wanted >= 14


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_do_not_matter(random: object) -> None:
    said = {
        "a": {**always("a", 12), "flip": ["b"] * 11 + ["a"]},
        "b": {**always("b", 12), "flip": ["a"] * 11 + ["b"]},
    }
    seen = table(said)
    order = list(range(len(seen)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = class_verdicts(seen.iloc[order], TRANSFORMS, ASKED, lambda name: ())
    pd.testing.assert_frame_equal(
        shuffled, class_verdicts(seen, TRANSFORMS, ASKED, lambda name: ())
    )
    renamed = seen.replace({"class": {"a": "z"}, "predicted": {"a": "z"}})
    other = class_verdicts(renamed, TRANSFORMS, ASKED, lambda name: ())
    assert sorted(other["verdict"]) == sorted(shuffled["verdict"])
