"""The heart of a plan: nothing protected, no path twice, limits hold, stricter rules give less."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.cleanup.planning import LEFT_COLUMNS, NAMED_COLUMNS, Planned, planned
from curate.cleanup.plans import PLAN_COLUMNS
from curate.cleanup.policy import Rule

laws = settings(max_examples=40, deadline=None)

Case = tuple[list[Rule], dict[str, pd.DataFrame], pd.DataFrame]


def names(*rows: tuple[str, float]) -> pd.DataFrame:
    """What a rule names, by image and risk."""
    table = pd.DataFrame(rows, columns=["image_id", "risk"])
    table = table.assign(reason="because", score=0.5, predicted="kudu")
    return table[list(NAMED_COLUMNS)]


def lying(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Files by path, image and why they may not be moved."""
    table = pd.DataFrame(rows, columns=["path", "image_id", "protected"])
    return table.assign(bytes=7)


def paths(made: Planned, rule: str = "") -> list[str]:
    table = made.table
    return list(table["path"] if not rule else table.loc[table["rule"] == rule, "path"])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few images, few risks, so that ties and images of two rules are common."""
    dice: Random = draw(st.randoms(use_true_random=True))
    ids = [f"i{number}" for number in range(draw(st.integers(0, 10)))]
    rules, named = [], {}
    for name in ("one", "two", "three")[: draw(st.integers(1, 3))]:
        limit = draw(st.sampled_from([None, None, 1, 3]))
        rules.append(Rule(name, "blank", limit=limit, action=dice.choice(["quarantine", "list"])))
        chosen = [image for image in ids if dice.random() < 0.6]
        named[name] = names(*((image, dice.choice([0.0, 0.1, 0.9])) for image in chosen))
    whys = ["", "", "labelled kudu"]
    rows = [
        (f"/pool/{image}{copy}.jpg", image, dice.choice(whys))
        for image in ids
        for copy in range(dice.randint(0, 3))
    ]
    return rules, named, lying(*rows)


def shuffled(table: pd.DataFrame, dice: Random) -> pd.DataFrame:
    return table.sample(frac=1, random_state=dice.randint(0, 9))


@laws
@given(cases())
def test_no_path_comes_twice_and_nothing_protected_at_all(case: Case) -> None:
    rules, named, files = case
    made = planned(rules, named, files)

    assert set(PLAN_COLUMNS) <= set(made.table.columns)
    assert not made.table["path"].duplicated().any()
    free = set(files.loc[files["protected"] == "", "path"])
    assert set(made.table["path"]) <= free
    assert made.table.groupby("image_id")["rule"].nunique().le(1).all()
    for rule in rules:
        images = made.table.loc[made.table["rule"] == rule.name, "image_id"].nunique()
        assert rule.limit is None or images <= rule.limit


@laws
@given(cases())
def test_what_is_named_goes_or_stays_with_a_reason(case: Case) -> None:
    rules, named, files = case
    made = planned(rules, named, files)

    everything = {image for table in named.values() for image in table["image_id"]}
    assert everything == {*made.table["image_id"]} | {*made.left["image_id"]}
    assert tuple(made.left.columns) == LEFT_COLUMNS
    assert (made.left["reason"] != "").all()
    told = {*made.table["path"]} | {*made.left["path"]}
    whole = {*made.left.loc[made.left["path"] == "", "image_id"]}
    of_named = files[files["image_id"].isin(everything)]
    assert set(of_named.loc[~of_named["image_id"].isin(whole), "path"]) <= told


@laws
@given(cases(), st.randoms(use_true_random=True))
def test_the_order_of_rows_does_not_matter(case: Case, dice: Random) -> None:
    rules, named, files = case
    mixed = {name: shuffled(table, dice) for name, table in named.items()}
    made, again = planned(rules, named, files), planned(rules, mixed, shuffled(files, dice))
    pd.testing.assert_frame_equal(made.table, again.table)


@laws
@given(cases(), st.sampled_from([0.0, 0.1]), st.sampled_from([1, 2]))
def test_a_stricter_rule_gives_some_of_the_same_files(case: Case, most: float, limit: int) -> None:
    (rule, *_), named, files = case
    rows = named[rule.name]
    whole = set(paths(planned([rule], {rule.name: rows}, files)))
    surer = {rule.name: rows[rows["risk"] <= most]}
    fewer = replace(rule, limit=min(limit, rule.limit or limit))

    assert set(paths(planned([rule], surer, files))) <= whole
    assert set(paths(planned([fewer], {rule.name: rows}, files))) <= whole


@laws
@given(cases(), st.integers(0, 99))
def test_more_protection_takes_away_and_adds_nothing_where_no_limit_waits(
    case: Case, number: int
) -> None:
    rules, named, files = case
    free = [replace(rule, limit=None) for rule in rules]
    held = files.assign(protected=files["protected"].mask(files.index == number % 8, "wanted"))
    assert set(paths(planned(free, named, held))) <= set(paths(planned(free, named, files)))


def test_the_first_rule_has_an_image_and_one_that_lists_comes_last() -> None:
    rules = [Rule("shown", "blank", action="list"), Rule("first", "blank"), Rule("next", "blank")]
    named = {
        "shown": names(("a", 0), ("d", 0)),
        "first": names(("a", 0), ("b", 0)),
        "next": names(("b", 0), ("c", 0)),
    }
    made = planned(rules, named, lying(*((f"/{image}", image, "") for image in "abcd")))

    rows = made.table[["image_id", "rule", "action"]].to_numpy().tolist()
    assert rows == [
        ["a", "first", "quarantine"],
        ["b", "first", "quarantine"],
        ["c", "next", "quarantine"],
        ["d", "shown", "list"],
    ]


def test_a_limit_keeps_the_surest_and_protected_images_do_not_use_it_up() -> None:
    rule = Rule("blank", "blank", limit=2)
    named = {"blank": names(("d", 0.4), ("c", 0.3), ("b", 0.2), ("a", 0.1))}
    files = lying(
        ("/a", "a", "labelled kudu"),
        ("/b", "b", ""),
        ("/c", "c", ""),
        ("/c2", "c", ""),
        ("/d", "d", ""),
    )
    made = planned([rule], named, files)

    assert paths(made) == ["/b", "/c", "/c2"]
    assert made.left.to_numpy().tolist() == [
        ["a", "/a", "blank", "labelled kudu"],
        ["d", "", "blank", "above the limit of the rule"],
    ]


def test_an_image_goes_with_those_of_its_files_that_may() -> None:
    files = lying(("/in", "a", ""), ("/out", "a", "it lies outside the folders that were scanned"))
    made = planned([Rule("r", "blank")], {"r": names(("a", 0), ("gone", 0))}, files)

    assert paths(made) == ["/in"]
    assert made.left[["path", "reason"]].to_numpy().tolist() == [
        ["", "no file of it is there"],
        ["/out", "it lies outside the folders that were scanned"],
    ]
