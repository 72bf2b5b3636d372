"""What `queues.py` counts: looks that gave what a recipe promises, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.throw_away_report import after, passing
from curate.core.names import REJECTED, UNKNOWN
from curate.queues.expectations.outcomes import HITS

AFTER = (50, 100, 200)
"""Looks after which it is counted."""

WAYS = ("queue", "score", "random")
"""The recipe, the obvious one-liner, and looks by chance."""

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
        answers and after some), later_hits (what these came to).
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
                _ranged([one[way]["classes"][at] for one in _of(found, recipe)])
                for at in range(len(AFTER))
                for way in WAYS
            ),
        ]
        for recipe in _recipes(found)
    ]
    return _table(head, rows)


def _calibration(found: Sequence[Found]) -> list[str]:
    """Lay what was expected beside what came of it, in % of the looks, and the points between."""
    head = ["expected / real, %", *(f"before answers, {n}" for n in AFTER), "points apart"]
    head += [*(f"after 100 answers, {n}" for n in AFTER), "points apart"]
    rows = []
    for recipe in _recipes(found):
        cells: list[str] = []
        for expected, real in (("expected", "hits"), ("later", "later_hits")):
            pairs = [
                [
                    (100 * said, 100 * had)
                    for said, had in zip(one[expected], one[real], strict=True)
                ]
                for one in (each["queue"] for each in _of(found, recipe))
                if expected in one
            ]
            cells += [
                f"{_middle([p[at][0] for p in pairs])} / {_middle([p[at][1] for p in pairs])}"
                for at in range(len(AFTER))
            ]
            cells.append(_ranged([abs(said - had) for pair in pairs for said, had in pair]))
        rows.append([recipe, *cells])
    return _table(head, rows)


def _recipes(found: Sequence[Found]) -> list[str]:
    return list(dict.fromkeys(name for one in found for name in one.recipes))


def _of(found: Sequence[Found], recipe: str) -> list[dict[str, Any]]:
    return [one.recipes[recipe] for one in found if recipe in one.recipes]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _ranged(values: Sequence[float]) -> str:
    """Write the median of some values, and how far they lie apart."""
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return "–"
    low, high = f"{known[0]:.0f}", f"{known[-1]:.0f}"
    return _middle(known) if low == high else f"{_middle(known)} ({low}…{high})"


def _middle(values: Sequence[float]) -> str:
    known = sorted(value for value in values if math.isfinite(value))
    return f"{known[len(known) // 2]:.0f}" if known else "–"
