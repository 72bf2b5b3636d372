"""What is settled without a choice, and one sentence for every image."""

from __future__ import annotations

import numpy as np

from curate.splits.cutoffs import Cut
from curate.splits.groups import Ties
from curate.splits.tables import ORIGINS, TRAIN, Bools, Ints, Objects, Rows, as_bools


def settled(rows: Rows, ties: Ties, used: Bools) -> tuple[Ints, Objects]:
    """The places that leave no choice, and why: what was there before, and what only trains.

    Returns
    -------
    place : int array
        Index into the places, -1 where there is a choice.
    why : object array of str
        '' where there is a choice.
    """
    only_trains = used & ~rows.real
    mixed = np.zeros(len(used), dtype=np.bool_)
    mixed[ties.root[only_trains]] = True
    place = np.full(len(used), -1, dtype=np.int64)
    why = np.full(len(used), "", dtype=object)

    def settle(who: Bools, where: Ints | int, reasons: Objects | str) -> None:
        place[who] = where
        why[who] = reasons

    home = np.array([f"joins its group in {name}" for name in rows.places], dtype=object)
    stays = np.array([f"stays in {name}" for name in rows.places], dtype=object)
    origin = np.array([f"{name} images only train" for name in ORIGINS], dtype=object)
    settle(used & mixed[ties.root], TRAIN, "its group holds a staged or synthetic image: all train")
    settle(only_trains, TRAIN, origin[rows.origin[only_trains]])
    joins = used & ~ties.anchored & (ties.home >= 0)
    settle(joins, ties.home[joins], home[ties.home[joins]])
    remains = used & ties.anchored
    settle(remains, rows.was[remains], stays[rows.was[remains]])
    settle(rows.frozen, len(rows.places) - 1, "frozen in the benchmark")
    put = as_bools(rows.asked != "") & (place >= 0)
    why[put] = rows.asked[put]
    return place, why


def reasons(rows: Rows, ties: Ties, found: Cut, place: Ints, why_fixed: Objects) -> Objects:
    """One sentence for every image; of several that hold, the one nearest to the image."""
    drawn = np.array([f"drawn for {name}" for name in rows.places] + [""], dtype=object)
    reason = drawn[place]
    fixed = as_bools(why_fixed != "")
    reason[fixed] = why_fixed[fixed]
    # Written from the farthest to the nearest: what is written last stays.
    out = place < 0
    for said in (found.over, found.short, ties.barred, rows.why_not):
        speaks = out & as_bools(said != "")
        reason[speaks] = said[speaks]
    for i in np.flatnonzero(ties.apart & (place >= 0)):
        reason[i] = f"{reason[i]}; {ties.clash[i]}"
    for i in np.flatnonzero(rows.frozen):
        staged = "" if rows.real[i] else ORIGINS[rows.origin[i]]
        though = rows.why_not[i] or found.short[i] or staged
        if though:
            reason[i] = f"frozen in the benchmark though {though}; kept out of training"
    return reason
