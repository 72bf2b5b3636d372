"""Which classes and sub-classes are in, and which of their images are used.

Sub-classes come first: one that is too small is left out, of one that is too large only so many
images are used. A class counts, and keeps at most so many, of what its sub-classes leave.

What is in stays in: groups become fewer when new images tie them together, and adding images must
not throw anything out. So a class or sub-class that was assigned before stays as long as its
images, counted one by one, reach the cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.core.cutoffs import counted, units
from curate.core.errors import PolicyError
from curate.splits.groups import Ties
from curate.splits.keeping import at_most
from curate.splits.policy import SplitPolicy
from curate.splits.tables import ORIGINS, REAL, Bools, Ints, Objects, Rows, as_bools


@dataclass(frozen=True)
class Tally:
    """What each class (or sub-class) counts, one entry a class.

    Attributes
    ----------
    real, others : int arrays
        Usable real units, and those of staged and synthetic images only.
    counted : int array
        What counts towards the min-count: the real ones, and the others up to the staged share.
    passes : bool array
        Whether the class is in.
    shortage : object array of str
        Why a class is out, '' where it is in.
    """

    real: Ints
    others: Ints
    counted: Ints
    passes: Bools
    shortage: Objects


@dataclass(frozen=True)
class Cut:
    """Which images are used, and what stands against the others.

    Attributes
    ----------
    classes : Tally
        One entry a class.
    by_origin : int array, shape (classes, 3)
        Usable images by origin, in the order of `ORIGINS`, whatever the cutoffs leave of them.
    groups : int array
        Usable real groups of each class, whatever the cutoffs leave of them.
    used : bool array
        One entry an image.
    short, over : object arrays of str
        The min-count that the image's class or sub-class misses, and the max-count that it is
        over; '' where there is none.
    """

    classes: Tally
    by_origin: Ints
    groups: Ints
    used: Bools
    short: Objects
    over: Objects


def cut(rows: Rows, ties: Ties, policy: SplitPolicy) -> Cut:
    """Hold classes and sub-classes against their cutoffs, and choose the images that are used.

    Raises
    ------
    PolicyError
        No class passes, or the keep rule finds nothing to go by.
    """
    classes = len(rows.classes)
    usable = rows.eligible & as_bools(ties.barred == "")
    cells = rows.klass[usable] * len(ORIGINS) + rows.origin[usable]
    by_origin = np.bincount(cells, minlength=classes * len(ORIGINS))
    by_origin = by_origin.reshape(-1, len(ORIGINS)).astype(np.int64)
    groups, _ = units(rows.klass[usable], ties.root[usable], rows.real[usable], classes)

    left, short, over = _of_sub_classes(rows, ties, usable, policy)
    real = by_origin[:, REAL]
    singly = counted(real, by_origin.sum(1) - real, policy.min_count, policy.staged_share)
    found = _tally(
        rows, ties, rows.klass, left, usable, singly, policy, policy.min_count, rows.classes
    )
    if not found.passes.any():
        raise _nothing_left(rows.classes, found, policy)
    known = rows.klass >= 0
    unsaid = known & as_bools(short == "")
    short[unsaid] = found.shortage[rows.klass[unsaid]]
    left &= np.append(found.passes, False)[rows.klass]
    used = left
    if policy.max_count is not None:
        used = at_most(
            policy.max_count, policy.min_count, rows.klass, left, rows, ties.root, ties, policy
        )
        over[left & ~used] = f"over the max-count of {policy.max_count}"
    return Cut(found, by_origin, groups, used, short, over)


def _of_sub_classes(
    rows: Rows, ties: Ties, usable: Bools, policy: SplitPolicy
) -> tuple[Bools, Objects, Objects]:
    """What the sub-classes leave, and what stands against the rest."""
    left = usable.copy()
    short = np.full(len(usable), "", dtype=object)
    over = short.copy()
    has_one = (rows.klass >= 0) & as_bools(rows.sub_class != "")
    count = int(rows.sub.max(initial=-1)) + 1
    if policy.sub_min_count:
        here = usable & has_one
        # What a max-count cut may be shut out later, by the benchmark that was drawn from its group
        # or by a new tie: that throws out nothing that was assigned.
        there = rows.eligible & has_one
        real, others = (
            np.bincount(rows.sub[there & m], minlength=count) for m in (rows.real, ~rows.real)
        )
        singly = counted(real, others, policy.sub_min_count, policy.staged_share)
        names = np.full(count, "", dtype=object)
        names[rows.sub[has_one]] = rows.label[has_one] + " / " + rows.sub_class[has_one]
        found = _tally(
            rows, ties, rows.sub, here, here, singly, policy, policy.sub_min_count, names
        )
        short[has_one] = found.shortage[rows.sub[has_one]]
        left &= ~has_one | found.passes[rows.sub]
    if policy.sub_max_count is not None:
        within = np.where(has_one, rows.sub, -1)
        kept = at_most(
            policy.sub_max_count, policy.sub_min_count, within, left, rows, ties.root, ties, policy
        )
        over[left & ~kept] = f"over the sub-max-count of {policy.sub_max_count}"
        left = kept
    return left, short, over


def _tally(
    rows: Rows,
    ties: Ties,
    kind: Ints,
    who: Bools,
    usable: Bools,
    singly: Ints,
    policy: SplitPolicy,
    min_count: int,
    names: Objects,
) -> Tally:
    """Count the units of each kind and hold them against a min-count."""
    group = ties.root if policy.count == "groups" else np.arange(len(kind), dtype=np.int64)
    real, others = units(kind[who], group[who], rows.real[who], len(names))
    found = counted(real, others, min_count, policy.staged_share)
    was_in = np.zeros(len(names), dtype=np.bool_)
    was_in[kind[usable & ties.anchored]] = True
    passes = as_bools((found >= min_count) | (was_in & (singly >= min_count)))
    shortage = np.full(len(names), "", dtype=object)
    for i in np.flatnonzero(~passes):
        allowed = found[i] - real[i]
        capped = f" ({others[i]} staged or synthetic count as {allowed})"
        shortage[i] = (
            f"{names[i]} has {found[i]} of {min_count} usable {policy.count}"
            f"{capped if allowed < others[i] else ''}; {min_count - found[i]} short"
        )
    return Tally(real, others, found, passes, shortage)


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
        Columns class, counted (at the lower cutoff, in what the policy counts), short (of the
        policy's); the nearest first.
    """
    out = classes[classes["status"] == "out"]
    real = out["countable_real"].to_numpy(np.int64)
    others = out["countable_staged"].to_numpy(np.int64)
    found = counted(real, others, at, policy.staged_share)
    missed = pd.DataFrame({"class": out["class"], "counted": found, "short": out["short"]})
    missed = missed[missed["counted"] >= at]
    return missed.sort_values(["short", "class"], ignore_index=True)


def _nothing_left(classes: Objects, found: Tally, policy: SplitPolicy) -> PolicyError:
    value = f"min-count {policy.min_count}"
    if not (found.real + found.others).any():
        return PolicyError(
            value,
            "the library has no usable labelled image, so no class reaches it",
            "Label images first, for example with `curate scan DIR --labels folder`.",
        )
    fullest = min(classes[found.counted == found.counted.max()])
    for lower in range(policy.min_count - 1, 0, -1):
        at_it = counted(found.real, found.others, lower, policy.staged_share)
        passing = int((at_it >= lower).sum())
        if passing:
            noun = "class passes" if passing == 1 else "classes pass"
            remedy = f"At --min-count {lower}, {passing} {noun}; or label more images."
            break
    else:
        remedy = "Label real images: staged and synthetic ones alone do not make a class."
    rule = f"no class reaches it; the fullest, {fullest}, has {found.counted.max()}"
    if policy.count == "groups":
        rule += " groups"
    return PolicyError(value, rule, remedy)
