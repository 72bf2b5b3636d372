"""Which classes are in, and which of their images are used: min-count and max-count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.core import chance
from curate.core.cutoffs import counted, most_staged
from curate.core.errors import PolicyError
from curate.splits.groups import Ties
from curate.splits.policy import SplitPolicy
from curate.splits.tables import ORIGINS, REAL, Bools, Floats, Ints, Objects, Rows, as_bools


@dataclass(frozen=True)
class Tally:
    """What each class has, one entry a class.

    Attributes
    ----------
    by_origin : int array, shape (classes, 3)
        Usable images by origin, in the order of `ORIGINS`.
    counted : int array
        What counts towards min-count: the real ones, and the others up to the staged share.
    passes : bool array
        Whether the class is in.
    shortage : object array of str
        Why a class is out, '' where it is in.
    """

    by_origin: Ints
    counted: Ints
    passes: Bools
    shortage: Objects


def tally(rows: Rows, ties: Ties, policy: SplitPolicy) -> Tally:
    """Count the usable images of each class and hold them against min-count.

    Raises
    ------
    PolicyError
        No class passes.
    """
    usable = rows.eligible & as_bools(ties.barred == "")
    cells = rows.klass[usable] * len(ORIGINS) + rows.origin[usable]
    by_origin = np.bincount(cells, minlength=len(rows.classes) * len(ORIGINS))
    by_origin = by_origin.reshape(-1, len(ORIGINS)).astype(np.int64)
    real, others = by_origin[:, REAL], by_origin.sum(axis=1) - by_origin[:, REAL]
    counted = count(real, others, policy, policy.min_count)
    passes = as_bools(counted >= policy.min_count)
    if not passes.any():
        raise _nothing_left(rows.classes, real, others, policy)
    shortage = np.full(len(rows.classes), "", dtype=object)
    for i in np.flatnonzero(~passes):
        allowed = counted[i] - real[i]
        capped = f" ({others[i]} staged or synthetic count as {allowed})"
        shortage[i] = (
            f"{rows.classes[i]} has {counted[i]} of {policy.min_count} usable images"
            f"{capped if allowed < others[i] else ''}; {policy.min_count - counted[i]} short"
        )
    return Tally(by_origin, counted, passes, shortage)


def count(real: Ints, others: Ints, policy: SplitPolicy, min_count: int) -> Ints:
    """What counts towards a min-count: real images, and others up to the staged share of it."""
    return counted(real, others, min_count, policy.staged_share)


def keep(rows: Rows, ties: Ties, counts: Tally, policy: SplitPolicy) -> Bools:
    """The images that are used: those of the classes that are in, at most max-count of each.

    The frozen benchmark comes first (it is never cut), then what was assigned before, then real
    before staged and synthetic, then chance by group, so that a group is kept whole if possible.
    """
    classes = len(rows.classes)
    inside = as_bools(np.append(counts.passes, False)[rows.klass])
    usable = rows.eligible & as_bools(ties.barred == "") & inside
    if policy.max_count is None:
        return usable
    frozen = np.bincount(rows.klass[rows.frozen & (rows.klass >= 0)], minlength=classes)
    room = np.maximum(policy.max_count - frozen, 0)
    wanted = np.bincount(rows.klass[usable & ~rows.frozen], minlength=classes)
    who = np.flatnonzero(usable & ~rows.frozen & np.append(wanted > room, False)[rows.klass])
    groups, of_group = np.unique(ties.root[who], return_inverse=True)
    drawn = chance.fractions(policy.seed, rows.ids[groups], "keep")[of_group]
    klass, real, old = rows.klass[who], rows.origin[who] == REAL, ties.anchored[who]

    # Old staged images must not crowd out the new real ones that carry the class over min-count.
    settled = usable & ties.anchored & (rows.origin == REAL)
    has = np.bincount(rows.klass[settled], minlength=classes)
    needed = policy.min_count - has - most_staged(policy.min_count, policy.staged_share)
    tier = np.select([real & old, old, real], [0, 2, 3], default=4)
    urgent = _rank(klass * 5 + tier, drawn, who) < needed[klass]
    tier[(tier == 3) & urgent] = 1

    used = usable.copy()
    used[who] = _rank(klass, tier, drawn, who) < room[klass]
    return used


def _rank(within: Ints, *keys: Ints | Floats) -> Ints:
    """The place of each entry among those with the same `within`, sorted by the keys in turn."""
    order = np.lexsort((*keys[::-1], within))
    sorted_within = within[order]
    rank = np.empty(len(within), dtype=np.int64)
    rank[order] = np.arange(len(within)) - np.searchsorted(sorted_within, sorted_within)
    return rank


def near_misses(classes: pd.DataFrame, policy: SplitPolicy, at: int) -> pd.DataFrame:
    """The classes that are out but would pass at a lower cutoff.

    Parameters
    ----------
    classes : DataFrame
        The `classes` of an assignment.
    policy : SplitPolicy
        The policy that it was made with.
    at : int
        The lower min-count.

    Returns
    -------
    DataFrame
        Columns class, counted (at the lower cutoff), short (of the policy's); the nearest first.
    """
    out = classes[classes["status"] == "out"]
    real = out["real"].to_numpy(np.int64)
    others = out["usable"].to_numpy(np.int64) - real
    missed = pd.DataFrame(
        {"class": out["class"], "counted": count(real, others, policy, at), "short": out["short"]}
    )
    missed = missed[missed["counted"] >= at]
    return missed.sort_values(["short", "class"], ignore_index=True)


def _nothing_left(classes: Objects, real: Ints, others: Ints, policy: SplitPolicy) -> PolicyError:
    value = f"min-count {policy.min_count}"
    if not (real + others).any():
        return PolicyError(
            value,
            "the library has no usable labelled image, so no class reaches it",
            "Label images first, for example with `curate scan DIR --labels folder`.",
        )
    counted = count(real, others, policy, policy.min_count)
    fullest = min(classes[counted == counted.max()])
    for lower in range(policy.min_count - 1, 0, -1):
        passing = int((count(real, others, policy, lower) >= lower).sum())
        if passing:
            noun = "class passes" if passing == 1 else "classes pass"
            remedy = f"At --min-count {lower}, {passing} {noun}; or label more images."
            break
    else:
        remedy = "Label real images: staged and synthetic ones alone do not make a class."
    return PolicyError(
        value, f"no class reaches it; the fullest, {fullest}, has {counted.max()}", remedy
    )
