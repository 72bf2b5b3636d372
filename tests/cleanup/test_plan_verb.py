"""A plan of a library: what goes, what stays, when it stops, and when nobody may plan at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.cleanup import images, naming, plans
from curate.cleanup.limits import Stop
from curate.cleanup.naming import Ask
from curate.cleanup.planning import NAMED_COLUMNS
from curate.cleanup.policy import Policy, Rule, digest
from curate.cleanup.recipes import RECIPES
from curate.cleanup.verb import Made, plan
from curate.core.errors import InputError, LibraryError, PolicyError
from curate.store import run_rows
from curate.store.library import Library

from ..store.made import decide, said
from .rows import BLANK, FINE, begun, group, labelled, pool, predicted

NOW = datetime(2026, 6, 1, tzinfo=UTC)

BLANKS = Policy((Rule("blank", "blank"),), max_share=1)


def nobody(*_: object) -> Any:
    raise AssertionError("no queue was asked for")


def asking(**queues: Sequence[tuple[str, float]]) -> Ask:
    """Answer with these images and scores for the recipes of queues."""

    def queue(rule: Rule) -> tuple[pd.DataFrame, pd.DataFrame]:
        rows = pd.DataFrame(queues[rule.recipe], columns=["image_id", "score"])
        rows = rows.assign(reason="low", risk=rows["score"], predicted="kudu")
        told = pd.DataFrame({"score": [0.1] * 20, "answer": "rejected", "recipe": "random"})
        return rows[[*NAMED_COLUMNS]], told

    return Ask(lambda rule: None, queue, nobody)


def made(library: Library, policy: Policy = BLANKS, **asked: Any) -> Made:
    return plan(library, policy, **{"ask": asking(), "now": NOW, **asked})


def going(found: Made) -> list[str]:
    return list(found.table["image_id"])


@pytest.fixture
def place(library: Library, tmp_path: Path) -> Library:
    """Two blank images in the pool, a fine one, a rejected one, and a labelled blank one."""
    labelled(library, tmp_path / "labelled")
    images = {
        "b1": BLANK,
        "b2": {**BLANK, "contrast": 2.0},
        "fine": FINE,
        "no": FINE,
        "dark": {**BLANK, "contrast": 3.0},
    }
    begun(library, pool(library, tmp_path / "pool", images), "2026-01-01T00:00:00+00:00")
    decide(library, said("reject", "no", "by ann"), said("label", "dark", "kudu"))
    return library


def test_a_plan_is_kept_with_its_reasons_and_nothing_is_touched(
    place: Library, tmp_path: Path
) -> None:
    policy = replace(BLANKS, rules=(*BLANKS.rules, Rule("rejected", "rejected")))
    predicted(place, {"b1": 0.3, "fine": 0.9})
    found = made(place, policy)

    assert found.plan is not None
    rows = found.plan.table
    assert rows[["image_id", "rule"]].to_numpy().tolist() == [
        ["b1", "blank"],
        ["b2", "blank"],
        ["no", "rejected"],
    ]
    assert rows["reason"].to_list() == [
        "blank: contrast 1.0",
        "blank: contrast 2.0",
        "rejected by ann",
    ]
    assert rows["path"].to_list() == [str(tmp_path / f"pool/{n}.jpg") for n in ("b1", "b2", "no")]
    assert rows["predicted"].fillna("").to_list() == ["kudu", "", ""]
    assert rows["score"].fillna(0).to_list() == [0.3, 0, 0]
    assert found.pool == 4
    assert found.rules[["rule", "images", "files", "bytes"]].to_numpy().tolist() == [
        ["blank", 2, 2, 200],
        ["rejected", 1, 1, 100],
    ]
    assert found.classes["images"].to_list() == [2, 1]
    assert plans.read(place).digest == found.plan.digest
    assert found.plan.policy == digest(policy)


def test_what_a_recipe_names_and_is_protected_is_told(place: Library) -> None:
    decide(place, said("apart", "b1", "apart", field="b2", actor="person"))
    found = made(place)
    assert going(found) == ["b2"]
    assert found.left[["image_id", "reason"]].to_numpy().tolist() == [
        ["b1", "person said that it is no duplicate"]
    ]
    assert found.rules["kept_back"].to_list() == [1]


def test_answers_to_images_that_the_recipe_names_tell_its_cost(place: Library) -> None:
    decide(place, said("reject", "b2", "by ann"))
    (row,) = made(place).costs.to_dict("records")
    assert (row["images"], row["looked"], row["wanted_lost"]) == (2, 1, 0)


def test_what_is_no_surer_than_a_wanted_image_stays_and_the_rule_says_so(
    place: Library, tmp_path: Path
) -> None:
    flat = {"as-flat": {**BLANK, "contrast": 3.0}, "flatter": {**BLANK, "contrast": 2.9}}
    pool(place, tmp_path / "more", flat)
    found = made(place)
    assert going(found) == ["b1", "b2", "flatter"]
    assert found.rules["note"].to_list() == ["1 more are no surer than one that somebody wanted"]


@pytest.mark.parametrize(("days", "names"), [(100, ["b1", "b2"]), (200, [])])
def test_only_images_that_are_old_enough_go(place: Library, days: int, names: list[str]) -> None:
    rule = Rule("old", "blank", older_than=timedelta(days=days))
    assert going(made(place, replace(BLANKS, rules=(rule,)))) == names


def test_a_queue_is_asked_and_its_youngest_stay(place: Library, tmp_path: Path) -> None:
    pool(place, tmp_path / "new", {"new": FINE})
    rule = Rule("low", "low-score", older_than=timedelta(days=30))
    ask = asking(**{"low-score": [("fine", 0.1), ("new", 0.05), ("wanted", 0.01)]})
    found = made(place, replace(BLANKS, rules=(rule,)), ask=ask)
    assert going(found) == ["fine"]
    # `wanted` came in with the newest run too; what is labelled would have stayed anyway.
    assert found.costs["looked"].to_list() == [20]


def test_many_images_of_a_queue_are_read_as_pages(
    place: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "MANY", 0)
    rule = Rule("low", "low-score", older_than=timedelta(days=30))
    ask = asking(**{"low-score": [("fine", 0.1), ("wanted", 0.05)]})
    assert going(made(place, replace(BLANKS, rules=(rule,)), ask=ask)) == ["fine"]


def test_filters_narrow_what_a_recipe_sees(place: Library) -> None:
    seen: list[tuple[str, ...]] = []

    def passes(rule: Rule, found: pd.DataFrame) -> pd.DataFrame:
        seen.append(tuple(found.columns))
        return found[found["image_id"] != "b1"]

    ask = Ask(lambda rule: None, nobody, passes)
    rule = Rule("some", "blank", {"min_side": 3})
    assert going(made(place, replace(BLANKS, rules=(rule,)), ask=ask)) == ["b2"]
    assert set(seen) == {images.COLUMNS}


def test_a_rule_that_lists_moves_nothing(place: Library) -> None:
    found = made(place, replace(BLANKS, rules=(Rule("blank", "blank", action="list"),)))
    assert going(found) == ["b1", "b2"]
    assert found.plan is not None
    assert found.plan.table.empty


def test_the_next_plan_says_what_is_new_and_what_is_gone(place: Library) -> None:
    assert made(place).difference is None
    decide(place, said("label", "b2", "kudu"))
    found = made(place).difference
    assert found is not None
    assert found.to_numpy().tolist() == [["blank", 0, 1, 1]]


def test_a_plan_of_one_rule_is_held_against_that_rule_alone(place: Library) -> None:
    both = replace(BLANKS, rules=(*BLANKS.rules, Rule("rejected", "rejected")))
    made(place, both)
    found = made(place, both, rules=["rejected"])
    assert going(found) == ["no"]
    assert found.difference is not None
    assert found.difference.to_numpy().tolist() == [["rejected", 0, 0, 1]]
    with pytest.raises(InputError, match=r"Did you mean rejected\?"):
        made(place, both, rules=["rejectd"])


def test_a_plan_over_a_limit_is_kept_only_when_somebody_agrees(place: Library) -> None:
    strict = replace(BLANKS, max_share=0.4)
    asked: list[list[Stop]] = []

    def refuse(stops: Sequence[Stop]) -> bool:
        asked.append(list(stops))
        return False

    found = made(place, strict, agree=refuse)
    assert found.plan is None
    assert going(found) == ["b1", "b2"]
    assert [stop.limit for stop in found.stops] == ["max_share"]
    assert asked == [list(found.stops)]
    with pytest.raises(LibraryError, match="keeps no cleanup plan"):
        plans.read(place)
    with place.reading() as connection:
        (run,) = run_rows.recorded(connection, stage=plans.STAGE)
    assert (run.status, run.summary["stopped"]) == ("done", True)
    assert made(place, strict).plan is None
    assert made(place, strict, agree=lambda stops: True).plan is not None


def test_a_sudden_surge_stops_and_plans_that_stopped_are_not_usual(
    place: Library, tmp_path: Path
) -> None:
    policy = replace(BLANKS, surge=3)
    made(place, policy)
    pool(place, tmp_path / "flood", {f"f{number}": BLANK for number in range(9)})
    for _ in range(3):
        found = made(place, policy)
        assert found.plan is None
        (stop,) = found.stops
        assert stop.reason.startswith("rule blank wants 11 images, 6 times its usual 2")


def test_without_a_label_nobody_can_say_what_is_wanted(library: Library, tmp_path: Path) -> None:
    pool(library, tmp_path / "pool", {"b1": BLANK})
    with pytest.raises(LibraryError, match="nothing in the library is labelled"):
        made(library)
    labelled(library, tmp_path / "labelled")
    decide(library, said("label", "wanted", ""))
    # Taken back, the one label is still one that was given; the image is free.
    assert going(made(library)) == ["b1"]


@pytest.mark.parametrize("mounted", [False, True], ids=["gone", "empty"])
def test_a_disk_that_is_not_mounted_stops_everything(
    place: Library, tmp_path: Path, mounted: bool
) -> None:
    shutil.rmtree(tmp_path / "labelled")
    if mounted:
        (tmp_path / "labelled").mkdir()
    with pytest.raises(LibraryError, match="a disk that is not mounted"):
        made(place)


def test_a_recipe_that_needs_an_age_is_refused_without_one(place: Library) -> None:
    rule = Rule("stale", "never-queued")
    with pytest.raises(PolicyError, match="older_than"):
        made(place, replace(BLANKS, rules=(rule,)))
    old = replace(rule, older_than=timedelta(days=100))
    assert sorted(going(made(place, replace(BLANKS, rules=(old,))))) == ["b1", "b2", "fine", "no"]


def test_a_copy_of_a_rejected_keeper_stays(place: Library) -> None:
    rule = Rule("copies", "copies")
    group(place, "fine", "b1")
    assert going(made(place, replace(BLANKS, rules=(rule,)))) == ["b1"]
    decide(place, said("reject", "fine", "by ann"))
    assert going(made(place, replace(BLANKS, rules=(rule,)))) == []


def test_every_column_that_a_recipe_reads_is_gathered(place: Library) -> None:
    with images.gathered(place) as answering:
        (piece,) = images.pieces(answering, images.COLUMNS, "true")
    assert tuple(piece.columns) == images.COLUMNS
    rows = piece.set_index("image_id")
    told = rows[["refused", "rejected", "by", "label"]].fillna("").to_dict("index")
    assert told["no"] == {"refused": "by ann", "rejected": True, "by": "ann", "label": ""}
    assert (told["dark"]["label"], told["dark"]["rejected"]) == ("kudu", False)
    assert rows.loc["b2", "contrast"] == 2.0
    assert all(set(recipe.reads) <= set(images.COLUMNS) for recipe in RECIPES.values())
