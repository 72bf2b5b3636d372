"""Candidates are compared, and judged by what was seen and by when and where they were taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import pandas as pd

from curate.duplicates.evidence import BURST_SECONDS, FAR_KM, Evidence
from curate.duplicates.likeness import SURE, Likeness, best_likeness
from curate.duplicates.pictures import Part, chained, inverted
from curate.duplicates.views import STARTS, Affine

LEAST_IN_BURST = 0.7
"""Similarity that is enough for two shots of one camera within moments."""

LEAST_FAR_APART = 0.93
"""Similarity that it takes for photos from two places."""

MEASURES = ["similarity", "structure", "correlation", "colour", "overlap"]
COLUMNS = ["first", "second", *MEASURES, "symmetry", "matrix"]

Parts = Mapping[str, Mapping[int, Part]]
Start = Mapping[Any, Any]


def compared(
    starts: pd.DataFrame,
    pictures: Parts,
    workers: int = 1,
    advance: Callable[[int], object] = lambda done: None,
) -> pd.DataFrame:
    """Compare the candidates.

    Parameters
    ----------
    starts : DataFrame
        As `candidates` gives them: the rows of two images follow each other.
    pictures : mapping
        The parts of each image, by image id and number.
    workers : int
        Threads.
    advance : callable
        Told how many pairs of images were just compared.

    Returns
    -------
    DataFrame
        One row a pair of images: first, second (ids, the lower one first), similarity, structure,
        correlation, colour, overlap (see `likeness.Likeness`), symmetry (how the one is turned
        against the other; '' for not at all) and matrix (list of 6 float, row by row: the unit
        square of the first image mapped to that of the second).
    """
    rows = starts.to_dict("records")
    jobs = [list(some) for _, some in groupby(rows, key=lambda row: _pair(row))]
    found = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for row in pool.map(lambda job: _best(job, pictures), jobs):
            found.append(row)
            advance(1)
    table = pd.DataFrame(found, columns=COLUMNS)
    return table.astype(dict.fromkeys(MEASURES, float))


def judged(measures: pd.DataFrame, evidence: Evidence, least: float) -> pd.DataFrame:
    """Say which compared pairs are near-duplicates, and why.

    Parameters
    ----------
    measures : DataFrame
        As `compared` gives it.
    evidence : Evidence
        Of the same images, as far as there is any.
    least : float
        The similarity that is enough where nothing else is known.

    Returns
    -------
    DataFrame
        The pairs that are alike, with a column reason; the others are left out.
    """
    seconds = evidence.seconds_apart(measures["first"], measures["second"])
    km = evidence.km_apart(measures["first"], measures["second"])
    soon, far = seconds <= BURST_SECONDS, km > FAR_KM
    needed = pd.Series(float(least), index=measures.index)
    needed[soon] = min(least, LEAST_IN_BURST)
    needed[far] = max(least, LEAST_FAR_APART)
    alike = measures[measures["similarity"] >= needed].copy()
    alike["reason"] = [
        _reason(similarity, symmetry, seconds[number])
        for number, similarity, symmetry in zip(
            alike.index, alike["similarity"], alike["symmetry"], strict=True
        )
    ]
    return alike.reset_index(drop=True)


def _reason(similarity: float, symmetry: str, seconds: float) -> str:
    what = "the same picture" if similarity >= SURE else "nearly the same picture"
    turned = f", {symmetry}" if symmetry else ""
    taken = f", {seconds:.0f} s apart" if seconds <= BURST_SECONDS else ""
    return f"{what}{turned}{taken}: similarity {shown(similarity)}"


def shown(similarity: float) -> str:
    """Write a similarity with two digits, cut off: none may seem to reach what it does not."""
    return f"{math.floor(100 * similarity) / 100:.2f}"


def _pair(start: Start) -> tuple[str, str]:
    return min(start["first"], start["second"]), max(start["first"], start["second"])


def _best(starts: Sequence[Start], pictures: Parts) -> tuple[object, ...]:
    """Compare two images from each start until one is sure, and keep the best."""
    first, second = _pair(starts[0])
    best: tuple[Likeness, Affine, str] | None = None
    for start in starts:
        seen = _compared(start, pictures, turned=start["first"] != first)
        if best is None or seen[0].similarity > best[0].similarity:
            best = seen
        if best[0].similarity >= SURE:
            break
    assert best is not None
    likeness, matrix, symmetry = best
    measures = [getattr(likeness, name) for name in MEASURES]
    return first, second, *measures, symmetry, matrix.ravel().tolist()


def _compared(start: Start, pictures: Parts, *, turned: bool) -> tuple[Likeness, Affine, str]:
    whole = pictures[start["first"]][start["first_part"]]
    seen = pictures[start["second"]][start["second_part"]]
    likeness = best_likeness(whole, seen, STARTS[start["view"]].matrix)
    matrix = chained(chained(seen.placed, likeness.matrix), inverted(whole.placed))
    return likeness, inverted(matrix) if turned else matrix, seen.symmetry
