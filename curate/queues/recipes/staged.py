"""Staged: images that may give a class real ones, where it lives on staged or synthetic images.

A class is on stage when it has fewer real groups (or images, where the split counts images) than
min-count, and staged or synthetic ones that make up for some of them. A model that is taught by
these knows how the class looks when it is arranged, drawn or rendered; photos of the pool show
whether it knows more. Its candidates are found and put in order as `low-count` does it.
"""

from __future__ import annotations

import pandas as pd

from curate.queues.recipe import Aim
from curate.queues.recipes import portions


def on_stage(classes: pd.DataFrame, min_count: int, _: int = 0) -> pd.DataFrame:
    """Find the classes that staged and synthetic images make up for.

    Parameters
    ----------
    classes : DataFrame
        As `facts.class_counts` gives it.
    min_count : int
        The cutoff.

    Returns
    -------
    DataFrame
        By class name: real, unit, short and wanted as `portions` has them, staged and synthetic
        (images).
    """
    known = classes.set_index("label")
    counted = portions.counted(classes).join(known[["staged", "synthetic"]])
    found = counted[(counted["real"] < min_count) & (known["countable_staged"] > 0)]
    short = min_count - found["real"]
    return found.assign(short=short, wanted=short)


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Say where the class stands, on what it lives, and what the image is worth.

    Such as ``gazelle: 12 of 40 real images, 28 short, beside 30 staged; score 0.83 (61 candidates,
    about 34 expected right)``.
    """
    return [
        f"{portions.standing(row, aim.min_count)}, beside "
        f"{_others(row['staged'], row['synthetic'])}; {portions.chance(row)}"
        for row in chosen.to_dict("records")
    ]


def _others(staged: int, synthetic: int) -> str:
    numbers = {"staged": staged, "synthetic": synthetic}
    return " and ".join(f"{number:,} {kind}" for kind, number in numbers.items() if number)
