"""The pure parts of the throw-away benchmark: what is drawn, and how looks are counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.throw_away import LOWERED, MIN_COUNT, chosen, filled
from benchmarks.throw_away_report import (
    LEAST,
    RANDOM,
    Found,
    after,
    by_score,
    curves,
    passing,
    perfect,
    picture,
    table,
    until,
    while_short,
    write,
)

SHORT = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 4), min_size=1)
LOOKS = st.lists(st.sampled_from("abcdxy"), max_size=30)


def library(sizes: dict[str, int], burst: int = 3) -> pd.DataFrame:
    """Photos of some classes in bursts."""
    rows = [
        (f"{name}{at:03}", f"/photos/{name}/{at}.jpg", name, f"{name}{at // burst}")
        for name, size in sizes.items()
        for at in range(size)
    ]
    return pd.DataFrame(rows, columns=["image_id", "path", "label", "group"])


def test_a_class_passes_with_the_look_that_fills_it() -> None:
    assert passing(["a", "x", "b", "a", "a", "b"], {"a": 2, "b": 1}).tolist() == [
        0, 0, 0, 1, 2, 2, 2,
    ]  # fmt: skip
    assert passing([], {"a": 1}).tolist() == [0]


@given(SHORT, LOOKS)
def test_no_way_is_better_than_the_least_possible(short: dict[str, int], looks: list[str]) -> None:
    passed, best = passing(looks, short), passing(perfect(short), short)
    assert (np.diff(passed) >= 0).all()
    assert passed[-1] == sum(looks.count(name) >= lacking for name, lacking in short.items())
    assert all(value <= after(best, at) for at, value in enumerate(passed))
    assert best[-1] == len(short)
    assert len(best) - 1 == sum(short.values())


@given(SHORT, LOOKS)
def test_until_and_after_say_the_same(short: dict[str, int], looks: list[str]) -> None:
    passed = passing(looks, short)
    for wanted in range(1, len(short) + 1):
        needed = until(passed, wanted)
        if math.isinf(needed):
            assert after(passed, len(looks)) < wanted
        else:
            assert after(passed, int(needed)) >= wanted > after(passed, int(needed) - 1)


def test_the_surest_of_the_classes_come_first() -> None:
    said = pd.DataFrame(
        {
            "image_id": ["3", "1", "2", "4"],
            "predicted": ["a", "b", "a", "x"],
            "score": [0.5, 0.7, 0.5, 0.9],
        }
    )
    assert by_score(said, ["a", "b"])["image_id"].tolist() == ["1", "2", "3"]


def test_a_class_that_passed_is_left_out_from_the_next_sitting_on() -> None:
    predicted = ["a", "a", "a", "b", "a", "b"]
    truth = ["a", "x", "a", "b", "x", "x"]
    assert while_short(predicted, truth, {"a": 1, "b": 2}, 1) == ["a", "b", "x"]
    assert while_short(predicted, truth, {"a": 1, "b": 2}, 2) == ["a", "x", "b", "x"]
    assert while_short(predicted, truth, {"a": 1, "b": 2}, 9) == truth
    assert while_short(predicted, truth, {"a": 3}, 1) == ["a", "x", "a", "x"]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(0, 40), st.integers(0, 9))
def test_rows_are_drawn_by_whole_groups_as_far_as_they_fit(
    sizes: list[int], number: int, seed: int
) -> None:
    groups = pd.Series([f"g{at}" for at, size in enumerate(sizes) for _ in range(size)])
    taken = filled(groups, number, seed)
    assert len(set(taken)) == len(taken) == min(number, len(groups))
    cut = [
        name
        for name, some in groups.groupby(groups)
        if 0 < len(set(some.index) & set(taken)) < len(some)
    ]
    # The groups that did not fit give the rest, one after the other.
    assert len(cut) <= 1
    assert taken == filled(groups.sample(frac=1, random_state=1), number, seed)


def test_thinned_classes_just_miss_the_cutoff() -> None:
    sizes = {"big": 90, "few": 41, "large": 70, "small": 20, "wide": 60}
    photos = library(sizes)
    labelled, thin = chosen(photos, 3, 2, 50, 15)
    assert len(thin) == 2
    assert set(thin) < {"big", "large", "wide"}
    counts = photos[labelled]["label"].value_counts()
    assert all(LOWERED <= counts[name] < MIN_COUNT for name in thin)
    assert all(counts[name] == min(50, sizes[name]) for name in sizes.keys() - set(thin))
    again, _ = chosen(photos, 3, 2, 50, 15)
    assert again.equals(labelled)
    others = {tuple(chosen(photos, seed, 2, 50, 15)[1]) for seed in range(20)}
    assert len(others) == 3
    with pytest.raises(SystemExit, match="3 classes have enough photos"):
        chosen(photos, 3, 4, 50, 15)


def test_junk_has_no_label() -> None:
    photos = pd.concat([library({"big": 60}), library({"rejected": 90})], ignore_index=True)
    labelled, thin = chosen(photos, 0, 1, 50, 15)
    assert thin == ["big"]
    assert set(photos[labelled]["label"]) == {"big"}


def found(seed: int) -> Found:
    pool = ["a"] * 3 + ["b"] * 3 + ["x"] * (20 + seed)
    return Found({"a": 2, "b": 1}, pool, {"queue": ["b", "a", "x", "a"]}, {"photos": 26.0 + seed})


def test_every_way_has_a_curve_a_library() -> None:
    ways = curves([found(0), found(1)], draws=5)
    assert {name: len(passed) for name, passed in ways.items()} == {
        "queue": 2, RANDOM: 10, LEAST: 2,
    }  # fmt: skip
    assert all(passed[-1] == 2 for passed in ways[RANDOM])
    assert len({until(passed, 2) for passed in ways[RANDOM]}) > 1


def test_the_table_says_when_they_pass() -> None:
    lines = table({"queue": [passing(["b", "a", "x", "a"], {"a": 2, "b": 1})]}, 2)
    assert lines[0] == "|  | 1 classes | all 2 | shown in all | after 50 | after 100 | after 200 |"
    assert lines[2] == "| queue | 1 | 4 | 4 | 2 | 2 | 2 |"
    short = {"a": 2, "b": 1}
    passed = [passing(looks, short) for looks in (["b"], ["b", "a", "a"], ["x", "b"])]
    assert table({"some": passed}, 2)[2] == (
        "| some | 1 (1…2) | never (3…never) | 2 (1…3) | 1 (1…2) | 1 (1…2) | 1 (1…2) |"
    )


def test_a_curve_that_ends_stays_where_it_is() -> None:
    short = {"a": 1}
    ways = {"one": [passing(["a"], short), passing(["x", "x", "a"], short)]}
    (line,) = picture(ways, 10).lines
    assert list(line.y) == [0, 0.5, 0.5, 1]
    (line,) = picture(ways, 2).lines
    assert list(line.y) == [0, 0.5, 0.5]


def test_the_report_is_written_with_its_picture(tmp_path: Path) -> None:
    write(tmp_path / "report.md", ["What it is."], [found(0), found(1)], 3)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("What it is.\n\n| ")
    assert "- photos: 26.5\n" in text
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
