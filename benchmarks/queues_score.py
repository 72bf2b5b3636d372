"""What `queues.py` counts: looks that gave what a recipe promises, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pandas as pd
from scipy import stats

from benchmarks.throw_away_report import after, passing
from curate.core.names import REJECTED, UNKNOWN
from curate.queues.expectations.outcomes import HITS

AFTER = (50, 100, 200)
"""Looks after which it is counted."""

WAYS = ("queue", "score", "random")
"""The recipe, the obvious one-liner, and looks by chance."""

FEW = 20
"""What fewer looks come to says little of what was expected: such queues are counted together."""

Numbers = dict[str, list[float]]


@dataclass(frozen=True)
class Found:
    """What one library came to.

    Attributes
    ----------
    recipes : dict
        By recipe and by way: hits (share of the first looks that hit, at each of `AFTER`; NaN where
        there are no looks), classes (that pass by then), looks (how many there are). Of the queue
        also expected and later (what was expected of the first looks, as a share, before any
        answers and after some), later_hits (what these came to), later_looks.
    facts : dict of str to float
        What else was measured.
    failed : dict of str to str
        Recipes that gave no queue, and why.
    """

    recipes: dict[str, dict[str, Numbers]]
    facts: dict[str, float]
    failed: dict[str, str]


def hits(recipe: str, looks: pd.DataFrame) -> pd.Series:
    """Say of each look whether it gave what the recipe promises.

    Parameters
    ----------
    recipe : str
        One of `curate.queues.RECIPES`.
    looks : DataFrame
        topic, predicted, was (the label before, or ''), answer (what the photo shows), since (1
        where that is a class with next to no labels, else -1).
    """
    asked = looks.assign(recipe=recipe, run_id=0)
    if recipe not in HITS:
        return ~asked["answer"].isin(["", UNKNOWN, REJECTED])
    return HITS[recipe](asked).astype(bool)


def topics_of(shown: pd.Series, topics: Collection[str]) -> pd.Series:
    """Give the topic that a class belongs to, or '': what a look would be for without a queue.

    Parameters
    ----------
    shown : Series of str
        Classes.
    topics : collection of str
        Topics of a queue: classes, or pairs of them (``a / b``).
    """
    of: dict[str, str] = {}
    for topic in topics:
        for name in topic.split(" / "):
            of.setdefault(name, topic)
    return shown.map(of).fillna("")


def counted(recipe: str, looks: pd.DataFrame, short: Mapping[str, int]) -> Numbers:
    """Count hits and classes over the cutoff after `AFTER` looks.

    Parameters
    ----------
    recipe : str
        What was promised.
    looks : DataFrame
        In their order: topic, predicted, was, answer, since.
    short : mapping of str to int
        What each class lacks.
    """
    hit = hits(recipe, looks)
    # A label where one was already moves no class, unless it was `unknown`.
    fresh = looks["was"].isin(["", UNKNOWN])
    passed = passing(looks["answer"].where(fresh, "").tolist(), short)
    return {
        "hits": [shares(hit, number) for number in AFTER],
        "classes": [float(after(passed, number)) for number in AFTER],
        "looks": [float(len(looks))],
    }


def shares(values: pd.Series, number: int) -> float:
    """Give the mean of the first so many values; NaN where one is missing, or there are none."""
    first = values.head(number).astype("float64")
    return float(first.mean(skipna=False)) if len(first) else math.nan


def write(out: Path, told: Sequence[str], found: Sequence[Found]) -> None:
    """Write the report as Markdown."""
    facts = pd.DataFrame([one.facts for one in found]).median()
    lines = [*told, "", *_precision(found), "", *_gains(found), "", *_calibration(found), ""]
    lines += [*_leaning(found), "", *_small(found), ""]
    lines += [f"- {name}: {value:.4g}" for name, value in facts.items()]
    for number, one in enumerate(found):
        lines += [f"- seed {number}, {name}: {why}" for name, why in one.failed.items()]
    out.write_text("\n".join([*lines, ""]))


def _precision(found: Sequence[Found]) -> list[str]:
    head = ["hits, % of the first looks"]
    head += [f"{way}, {number}" for number in AFTER for way in WAYS]
    rows = []
    for recipe in _recipes(found):
        cells = [
            _ranged([100 * one[way]["hits"][at] for one in _of(found, recipe)])
            for at in range(len(AFTER))
            for way in WAYS
        ]
        images = _ranged([one["queue"]["looks"][0] for one in _of(found, recipe)])
        rows.append([f"{recipe} ({images} images)", *cells])
    return _table(head, rows)


def _gains(found: Sequence[Found]) -> list[str]:
    head = ["classes over the cutoff"]
    head += [f"{way}, {number}" for number in AFTER for way in WAYS]
    rows = [
        [
            recipe,
            *(
                _ranged([one[way]["classes"][at] for one in _of(found, recipe)], digits=1)
                for at in range(len(AFTER))
                for way in WAYS
            ),
        ]
        for recipe in _recipes(found)
    ]
    return _table(head, rows)


BEFORE, LATER = ("expected", "hits", "looks"), ("later", "later_hits", "later_looks")
"""What was expected, what came of it, and of how many looks."""


def _calibration(found: Sequence[Found]) -> list[str]:
    """Lay what was expected beside what came of it, in % of the looks, and the points between.

    Queues of fewer than `FEW` looks do not count for the points (see `_small`).
    """
    head = ["expected / real, %", *(f"before answers, {n}" for n in AFTER), "points apart"]
    head += [*(f"after 100 answers, {n}" for n in AFTER), "points apart"]
    rows = []
    for recipe in _recipes(found):
        cells: list[str] = []
        for when in (BEFORE, LATER):
            pairs = _pairs(found, recipe, when)
            cells += [
                f"{_middle([p[at][0] for p in pairs])} / {_middle([p[at][1] for p in pairs])}"
                for at in range(len(AFTER))
            ]
            many = _pairs(found, recipe, when, FEW)
            cells.append(_ranged([abs(said - had) for pair in many for said, had in pair]))
        rows.append([recipe, *cells])
    return _table(head, rows)


def _leaning(found: Sequence[Found]) -> list[str]:
    """Say by how many points more was expected than came, in the mean of all libraries."""
    head = ["expected - real, points, mean", "before answers", "after 100 answers"]
    rows = []
    for recipe in _recipes(found):
        apart = [
            [said - had for pair in _pairs(found, recipe, when, FEW) for said, had in pair]
            for when in (BEFORE, LATER)
        ]
        known = [[points for points in each if math.isfinite(points)] for each in apart]
        rows.append(
            [recipe, *(f"{round(fmean(points)):+d}" if points else "–" for points in known)]
        )
    return _table(head, rows)


def _small(found: Sequence[Found]) -> list[str]:
    """Count queues of fewer than `FEW` looks together: the hits expected, and those that came."""
    parts = ("images", "expected", "19 in 20 times", "real")
    head = [
        "small queues, hits",
        *(f"{part}, {at}" for at in ("before", "after") for part in parts),
    ]
    rows = []
    for recipe in _recipes(found):
        cells: list[str] = []
        for expected, real, looks in (BEFORE, LATER):
            each = [one["queue"] for one in _of(found, recipe) if expected in one["queue"]]
            few = [one for one in each if one[looks][0] < FEW and math.isfinite(one[expected][-1])]
            number = sum(one[looks][0] for one in few)
            said, had = (
                sum(one[looks][0] * one[name][-1] for one in few) for name in (expected, real)
            )
            low, high = by_chance(round(number), said)
            told = [f"{number:.0f}", f"{said:.1f}", f"{low}…{high}", f"{had:.0f}"]
            cells += told if few else ["–"] * len(parts)
        if any(cell != "–" for cell in cells):
            rows.append([recipe, *cells])
    return _table(head, rows)


def by_chance(looks: int, expected: float) -> tuple[int, int]:
    """Say how many hits looks come to in 19 of 20 cases, if each hits as often as was expected.

    Parameters
    ----------
    looks : int
        How many.
    expected : float
        Hits expected of them all.

    Returns
    -------
    (int, int)
        What 2.5 and 97.5 % of such sums stay below, or reach (binomial distribution).
    """
    if not looks:
        return 0, 0
    low, high = stats.binom.ppf([0.025, 0.975], looks, min(max(expected / looks, 0), 1))
    return int(max(low, 0)), int(max(high, 0))


def _pairs(
    found: Sequence[Found], recipe: str, when: tuple[str, str, str], least: int = 0
) -> list[list[tuple[float, float]]]:
    """Give what was expected and what came, in %, at each of `AFTER`, a list for each library.

    Those whose queue has fewer looks than `least` are left out.
    """
    expected, real, looks = when
    return [
        [(100 * said, 100 * had) for said, had in zip(one[expected], one[real], strict=True)]
        for one in (each["queue"] for each in _of(found, recipe))
        if expected in one and one[looks][0] >= least
    ]


def _recipes(found: Sequence[Found]) -> list[str]:
    return list(dict.fromkeys(name for one in found for name in one.recipes))


def _of(found: Sequence[Found], recipe: str) -> list[dict[str, Any]]:
    return [one.recipes[recipe] for one in found if recipe in one.recipes]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _ranged(values: Sequence[float], digits: int = 0) -> str:
    """Write the median of some values, and how far they lie apart."""
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return "–"
    low, high = _written(known[0], digits), _written(known[-1], digits)
    middle = _middle(known, digits)
    return middle if low == high else f"{middle} ({low}…{high})"


def _middle(values: Sequence[float], digits: int = 0) -> str:
    known = [value for value in values if math.isfinite(value)]
    return _written(median(known), digits) if known else "–"


def _written(value: float, digits: int) -> str:
    """Write a number; digits that are all 0 are left out."""
    return f"{value:.{digits}f}".removesuffix(".0")
