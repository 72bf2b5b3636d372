"""Which classes a transform turns into another, by what a model says before and after it.

Of a class, the images count that the model gets right as they are. Where a transform spoils the
label, they go to one other class, and that class's images come from it under the inverse: a left
arrow mirrored is a right one, and back. A model that merely does not know its classes upside down
loses them too, but to whichever class takes in the unfamiliar.

A model that was trained with a transform was taught to disregard it: that it does not mind says
nothing. Then, and where the images are too few, the verdict is ``unknown``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta, binom, false_discovery_control

from curate.augment.checks.rows import CLASS, SAFE, UNKNOWN, UNSAFE, row, rows_table
from curate.augment.checks.transforms import AS_IT_IS, Transform

SHARE = 0.2
"""A transform is unsafe for a class where it sends this part of its images to another class …"""

MOST = 0.5
"""… and back; or this part without a way back, under a change that leaves most photos as they
are."""

FALSE = 0.05
"""Part of the classes called unsafe, at most, for which chance alone would do."""

SURE = 0.95
"""A class is safe where, so surely, less than `SHARE` of its images are lost."""

KNOWN = 0.5
"""A model that gets less than this part of a class right can say nothing of it."""

Taught = Callable[[str], Collection[str] | None]
"""Transforms that the model was trained with, of a class; None where nobody knows."""


@dataclass(frozen=True)
class _Flow:
    """What a transform does to a class.

    Attributes
    ----------
    name, transform : str
        Of which class, under what.
    images, right : int
        Images of the class, and those that the model gets right as they are.
    lost : int
        Of the right ones, those that it gets wrong after the transform.
    to : str
        The class that takes most of them; '' for none.
    moved : int
        How many that one takes.
    chance : float
        p of so many going there, if going there and coming from there were as likely.
    back : float
        Part of that class which the inverse transform sends here.
    """

    name: str
    transform: str
    images: int
    right: int
    lost: int
    to: str
    moved: int
    chance: float
    back: float


def class_verdicts(
    seen: pd.DataFrame,
    transforms: dict[str, Transform],
    asked: Collection[str],
    taught: Taught,
) -> pd.DataFrame:
    """Say of each class and each transform whether the label survives.

    Parameters
    ----------
    seen : DataFrame
        One row an image and transform: image_id, class, transform, predicted.
    transforms : dict of str to Transform
        From `transforms_of`.
    asked : collection of str
        The transforms that the recipe may come to. Under these (and under a flip) losing most of
        a class to one other is enough; under a turn the way back must be there too.
    taught : callable
        See `Taught`.

    Returns
    -------
    DataFrame
        As `rows.COLUMNS`. `figure` is the part of the right images that goes to one other class
        (``unsafe``) or that is lost at all; NaN where no image is right.

    Notes
    -----
    Source of the statistics: McNemar's exact test, one-sided, of the images that go to one class
    against those that come from it, times the classes that could have been that one (Bonferroni);
    Benjamini and Hochberg over all classes and transforms; Clopper and Pearson's bound for safety.
    """
    flows = list(_flows(seen, transforms))
    if not flows:
        return rows_table([])
    adjusted = false_discovery_control([flow.chance for flow in flows])
    near = {*asked, "flip"}
    rows = []
    for flow, chance in zip(flows, adjusted, strict=True):
        verdict, reason, figure = _verdict(flow, chance <= FALSE, flow.transform in near, taught)
        rows.append(row(CLASS, "", flow.name, flow.transform, verdict, reason, figure))
    return rows_table(rows)


def needed(lost: int, right: int) -> int | None:
    """Say how many right images would show safety if they were lost at the same rate.

    None where the rate itself is too high.
    """
    rate = lost / right if right else 0.0
    if rate >= SHARE:
        return None
    return next(n for n in range(1, 100_000) if _bound(math.ceil(rate * n), n) < SHARE)


def _flows(seen: pd.DataFrame, transforms: dict[str, Transform]) -> Iterator[_Flow]:
    if seen.empty:
        return
    said = seen.pivot(index="image_id", columns="transform", values="predicted")
    labels = seen.groupby("image_id")["class"].first().reindex(said.index)
    before = said[AS_IT_IS]
    right = before == labels
    names = sorted(set(labels))
    number = {name: int(right[labels == name].sum()) for name in names}
    tried = [name for name in transforms if name != AS_IT_IS and name in said.columns]
    # moves[transform][(a, b)]: images of a, right before, that are taken for b after it.
    moves = {name: _moves(labels[right], said.loc[right, name]) for name in tried}
    for name in names:
        for transform in tried:
            gone = {b: n for (a, b), n in moves[transform].items() if a == name}
            # Of two that take as many, the first by name.
            to = min(gone, key=lambda b: (-gone[b], b)) if gone else ""
            back = moves.get(transforms[transform].inverse, {}).get((to, name), 0)
            mine = labels == name
            came = int((mine & (before == to) & (said[transform] == name)).sum())
            moved = gone.get(to, 0)
            once = float(binom.sf(moved - 1, moved + came, 0.5)) if moved else 1.0
            yield _Flow(
                name,
                transform,
                int(mine.sum()),
                number[name],
                sum(gone.values()),
                to,
                moved,
                min(1.0, once * max(1, len(names) - 1)),
                back / number[to] if number.get(to) else 0.0,
            )


def _moves(labels: pd.Series, after: pd.Series) -> dict[tuple[str, str], int]:
    pairs = Counter(zip(labels, after, strict=True))
    return {(a, b): count for (a, b), count in pairs.items() if a != b}


def _verdict(flow: _Flow, sure: bool, near: bool, taught: Taught) -> tuple[str, str, float]:
    if flow.right < KNOWN * flow.images or not flow.right:
        reason = f"the model gets {flow.right} of {flow.images} right as they are: it cannot say"
        return UNKNOWN, reason, np.nan
    share, lost = flow.moved / flow.right, flow.lost / flow.right
    mutual = share >= SHARE and flow.back >= SHARE
    if sure and (mutual or (near and share >= MOST)):
        # Without a way back the images need not show the other class: the model cannot tell.
        reason = (
            f"{flow.moved} of {flow.right} become {flow.to}, and {flow.back:.0%} of {flow.to} "
            "come back"
            if mutual
            else f"the model takes {flow.moved} of {flow.right} for {flow.to}"
        )
        return UNSAFE, reason, share
    given = taught(flow.name)
    if given is None or flow.transform in given:
        why = "nobody knows whether the model was" if given is None else "the model was"
        reason = f"{why} trained with it: check with one trained with --augment ''"
        return UNKNOWN, reason, lost
    if _bound(flow.lost, flow.right) < SHARE:
        return SAFE, f"{flow.right - flow.lost} of {flow.right} stay what they are", lost
    wanted = needed(flow.lost, flow.right)
    if wanted is None:
        most = f", at most {flow.moved} as one other class" if flow.lost else ""
        return UNKNOWN, f"{flow.lost} of {flow.right} are not recognised{most}", lost
    reason = f"{flow.lost} of {flow.right} are lost: about {wanted} images would tell"
    return UNKNOWN, reason, lost


def _bound(lost: int, right: int) -> float:
    """Give the upper bound of a share, with confidence `SURE`."""
    return 1.0 if lost >= right else float(beta.ppf(SURE, lost + 1, right - lost))
