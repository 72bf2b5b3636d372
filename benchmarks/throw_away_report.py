"""What `throw_away.py` counts, and how it is written: looks, and the classes that pass by them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.cli import plot
from curate.core import chance

AFTER = (50, 100, 200)
"""Looks after which the classes are counted."""

LEAST = "least possible"
RANDOM = "random looks"


@dataclass(frozen=True)
class Found:
    """What one library came to.

    Attributes
    ----------
    short : dict of str to int
        The thinned classes, and how many photos each lacks.
    pool : list of str
        What each photo of the pool shows.
    ways : dict of str to list of str
        By way to look: what the photos show that a person sees, in their order.
    facts : dict of str to float
        What else was measured.
    """

    short: dict[str, int]
    pool: list[str]
    ways: dict[str, list[str]]
    facts: dict[str, float]


def passing(looks: Iterable[str], short: Mapping[str, int]) -> NDArray[np.int64]:
    """Count the classes that lack nothing more after each look.

    Parameters
    ----------
    looks : iterable of str
        What each photo shows, in the order in which they are looked at.
    short : mapping of str to int
        How many photos each class lacks, 1 or more.

    Returns
    -------
    ndarray of int, shape (looks + 1,)
        The first is before any look, 0.
    """
    lacking = dict(short)
    passed = [0]
    for label in looks:
        left = lacking.get(label, 0)
        lacking[label] = left - 1
        passed.append(passed[-1] + (left == 1))
    return np.array(passed, dtype=np.int64)


def until(passed: NDArray[np.int64], wanted: int) -> float:
    """Looks after which so many classes pass; infinite where they never do."""
    reached = np.flatnonzero(passed >= wanted)
    return float(reached[0]) if len(reached) else math.inf


def after(passed: NDArray[np.int64], looks: int) -> int:
    """Classes that pass after so many looks, or after all where there are fewer."""
    return int(passed[min(looks, len(passed) - 1)])


def perfect(short: Mapping[str, int]) -> list[str]:
    """Order the looks of somebody who knows: nothing but what is lacking, small gaps first."""
    return [
        name for name in sorted(short, key=lambda name: short[name]) for _ in range(short[name])
    ]


def by_score(said: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Sort what is predicted as some classes, the surest first.

    Parameters
    ----------
    said : DataFrame
        image_id, predicted, score; other columns stay.
    names : iterable of str
        The classes.
    """
    of = said[said["predicted"].isin(list(names))]
    return of.sort_values(["score", "image_id"], ascending=[False, True], ignore_index=True)


def while_short(
    predicted: Sequence[str], truth: Sequence[str], short: Mapping[str, int], sitting: int
) -> list[str]:
    """Go through photos in their order, but past those predicted as a class that passes by now.

    Parameters
    ----------
    predicted, truth : sequences of str
        What each photo was taken for, and what it shows.
    short : mapping of str to int
        How many photos each class lacks.
    sitting : int
        Looks after which it is known which classes pass.

    Returns
    -------
    list of str
        What the photos show that are looked at.
    """
    lacking = dict(short)
    seen: list[str] = []
    left = list(zip(predicted, truth, strict=True))
    while left := [pair for pair in left if lacking.get(pair[0], 0) > 0]:
        for _, shows in left[:sitting]:
            seen.append(shows)
            lacking[shows] = lacking.get(shows, 0) - 1
        left = left[sitting:]
    return seen


def curves(found: Sequence[Found], draws: int) -> dict[str, list[NDArray[np.int64]]]:
    """Give the curves of each way, one a library; of random looks, `draws` a library."""
    ways: dict[str, list[NDArray[np.int64]]] = {}
    for number, one in enumerate(found):
        for name, looks in one.ways.items():
            ways.setdefault(name, []).append(passing(looks, one.short))
        for draw in range(draws):
            order = chance.generator(number, str(draw), "looks").permutation(len(one.pool))
            looks = [one.pool[at] for at in order]
            ways.setdefault(RANDOM, []).append(passing(looks, one.short))
        ways.setdefault(LEAST, []).append(passing(perfect(one.short), one.short))
    return ways


def table(ways: Mapping[str, Sequence[NDArray[np.int64]]], classes: int) -> list[str]:
    """Give the rows of a Markdown table: a line for each way, medians and ranges."""
    head = ["", f"{-(-classes // 2)} classes", f"all {classes}", "shown in all"]
    head += [f"after {looks}" for looks in AFTER]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, passed in ways.items():
        cells = [
            _ranged([until(one, -(-classes // 2)) for one in passed]),
            _ranged([until(one, classes) for one in passed]),
            _ranged([len(one) - 1 for one in passed]),
            *(_ranged([after(one, looks) for one in passed]) for looks in AFTER),
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


def picture(ways: Mapping[str, Sequence[NDArray[np.int64]]], most: int) -> plot.Plot:
    """Draw the mean classes that pass, for each way, over the first looks."""
    lines = []
    for name, passed in ways.items():
        width = min(most, max(len(one) for one in passed) - 1) + 1
        held = [np.pad(one, (0, max(0, width - len(one))), "edge")[:width] for one in passed]
        lines.append(plot.Line(name, list(range(width)), np.mean(held, axis=0).tolist()))
    return plot.Plot("Classes over the cutoff", "looks", "classes that pass", lines)


def write(out: Path, told: Sequence[str], found: Sequence[Found], draws: int) -> None:
    """Write the report as Markdown, and the curves beside it as PNG."""
    ways = curves(found, draws)
    classes = len(found[0].short)
    facts = pd.DataFrame([one.facts for one in found]).median()
    lines = [
        *told,
        "",
        *table(ways, classes),
        "",
        *(f"- {name}: {value:.4g}" for name, value in facts.items()),
        "",
    ]
    out.write_text("\n".join(lines))
    plot.write(picture(ways, 2 * max(AFTER)), out.with_suffix(".png"))


def _ranged(values: Sequence[float]) -> str:
    """Write the middle of some values (of two, the worse), and how far they lie apart."""
    ordered = sorted(values)
    low, middle, high = (_shown(ordered[at]) for at in (0, len(ordered) // 2, -1))
    return middle if low == high else f"{middle} ({low}…{high})"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "never"
