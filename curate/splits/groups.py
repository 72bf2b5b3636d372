"""Which images belong together, and whom that shuts out.

An image ties the values of its group columns, and images with a value in common lie in one group.
Only images that could be used tie, and those of the frozen benchmark: else an image that somebody
rejected in order to resolve a conflict would go on causing it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curate.core.components import components
from curate.splits.tables import ORIGINS, SYNTHETIC, TRAIN, Bools, Ints, Objects, Rows, as_bools

WAYS_OUT = (
    "they are no duplicates: `curate duplicates --apart {tie} {other}`, then `curate duplicates`, "
    "or correct the group column in the manifest and scan again; "
    "move one side: `curate split --move {one}={to}`; "
    "leave one side out: `curate split --move {out}=out`"
)
"""The three ways out of a conflict: what ties, one of the other side, the side that can move, and
what parts the sides by going."""


@dataclass(frozen=True)
class Ties:
    """The groups and their verdicts, one entry a row of `Rows`.

    Attributes
    ----------
    root : int array
        The row of the first image (by id) of the image's group; its own row when it is alone.
    name : object array of str
        The id of that image; '' for an image that is alone or ties nothing.
    anchored : bool array
        Images that an earlier split placed and that stay there.
    home : int array
        The place in which the image's group lies already, -1 where none or several.
    barred : object array of str
        Why the ties forbid to use the image, '' where they do not.
    clash : object array of str
        What a person must decide about the image's group, '' where nothing.
    ways_out : object array of str
        What the person can do about it, '' where nothing.
    apart : bool array
        Anchored images whose group lies in several places and stays so until somebody decides.
    whole : int array
        As `root`, with the images that tie several places counted in.
    linking : bool array
        The new images that tie several places.
    """

    root: Ints
    name: Objects
    anchored: Bools
    home: Ints
    barred: Objects
    clash: Objects
    ways_out: Objects
    apart: Bools
    whole: Ints
    linking: Bools


def tie(rows: Rows) -> Ties:
    """Find the groups, what they inherit from earlier splits, and whom that leaves out."""
    frozen_bit = 1 << (len(rows.places) - 1)
    only_trains = ~rows.real
    misplaced = rows.eligible & only_trains & rows.held_out
    tied, stray_in = _without_strays(rows, (rows.eligible & ~misplaced) | rows.frozen)
    anchored, bits = _placed(rows, tied)
    whole, linking, root = _grouped(rows, tied)
    lies_in = _gather(root, bits)

    several = _several(lies_in)
    near = tied & ~linking & ~rows.frozen & ((lies_in & frozen_bit) > 0)
    apart = anchored & several & ~near & ~rows.frozen
    home = np.where(several | (lies_in == 0), -1, np.log2(np.maximum(lies_in, 1)).astype(np.int64))
    guest = tied & ~linking & ~anchored & only_trains & (home > 0) & (home < len(rows.places) - 1)

    barred = np.full(len(rows.ids), "", dtype=object)
    clash = barred.copy()
    whole_lies_in = _gather(whole, bits)
    frozen_mate = _first_of(root, rows.frozen)
    for i in np.flatnonzero(near):
        mate = rows.ids[frozen_mate[root[i]]]
        barred[i] = f"near the benchmark (image {mate}): kept out of {_but_last(rows.places)}"
        if anchored[i]:
            clash[i] = f"was in {rows.places[rows.was[i]]} and is {barred[i]}"
    for i in np.flatnonzero(linking):
        barred[i] = f"ties groups that lie in {_names(whole_lies_in[i], rows.places)}"
        clash[i] = f"{barred[i]}, so it is left out"
    for i in np.flatnonzero(apart):
        clash[i] = f"its group lies in {_names(lies_in[i], rows.places)} and stays so"
    for i in np.flatnonzero(guest):
        barred[i] = (
            f"{ORIGINS[rows.origin[i]]} images only train, "
            f"and its group lies in {rows.places[home[i]]}"
        )
    for i in np.flatnonzero(stray_in):
        barred[i] = (
            f"synthetic images only train, and its group lies in {_names(stray_in[i], rows.places)}"
        )
    for i in np.flatnonzero(misplaced):
        barred[i] = (
            f"{ORIGINS[rows.origin[i]]} images only train, and it lay in {rows.places[rows.was[i]]}"
        )

    crowd = np.bincount(root, minlength=len(root)) > 1
    name = np.full(len(root), "", dtype=object)
    named = crowd[root]
    name[named] = rows.ids[root[named]]
    name[linking] = rows.ids[whole[linking]]
    ways_out = _ways_out(rows, anchored, root, whole, linking, clash)
    return Ties(
        root, name, anchored, home, barred, clash, ways_out, apart, whole=whole, linking=linking
    )


def _without_strays(rows: Rows, tied: Bools) -> tuple[Bools, Ints]:
    """Take away the synthetic images that train while their group has come to be held out.

    A real image stays where it was until a person decides; but a synthetic one and its parent look
    alike, and nobody can want to test with the one what was trained with the other. It goes before
    it ties: one that looks like an image of the benchmark must not take its parent along.

    Returns
    -------
    tied : bool array
        Without them.
    stray_in : int array
        The places, as bits, in which the group of each of them lies; 0 for all others.
    """
    stray_in = np.zeros(len(tied), dtype=np.int64)
    held_out = (1 << len(rows.places)) - 1 - (1 << TRAIN)
    trains = (rows.origin == SYNTHETIC) & (rows.was <= TRAIN)
    while (tied & trains).any():
        anchored, bits = _placed(rows, tied)
        whole, linking, root = _grouped(rows, tied)
        # Its parent may be the one that ties several places, and is left out for that.
        beside = _touched(rows.columns, linking, _gather(whole, bits))
        lies_in = np.where(anchored, _gather(root, bits), 0) & held_out | beside & ~(1 << TRAIN)
        lies_in = np.where(tied & trains & ~linking, lies_in, 0)
        if not lies_in.any():
            break
        stray_in |= lies_in
        tied = tied & (lies_in == 0)
    return tied, stray_in


def _placed(rows: Rows, tied: Bools) -> tuple[Bools, Ints]:
    """The images that an earlier split placed, and their places as bits."""
    anchored = tied & (rows.was >= 0)
    return anchored, np.where(anchored, 1 << np.maximum(rows.was, 0), 0)


def _grouped(rows: Rows, tied: Bools) -> tuple[Ints, Bools, Ints]:
    """The groups, the new images that tie several places, and the groups without these."""
    anchored, bits = _placed(rows, tied)
    whole = components(rows.columns, tied)
    linking = _linking(rows.columns, tied, anchored, bits, whole)
    root = components(rows.columns, tied & ~linking) if linking.any() else whole
    return whole, linking, root


def _ways_out(
    rows: Rows, anchored: Bools, root: Ints, whole: Ints, linking: Bools, clash: Objects
) -> Objects:
    """Fill in `WAYS_OUT` for each image in conflict."""
    ways = np.full(len(clash), "", dtype=object)
    torn = np.flatnonzero(as_bools(clash != ""))
    if not len(torn):
        return ways
    group = np.where(linking, whole, root)
    sides_of = {
        of: [_first_of(ties, anchored & (rows.was == p)) for p in range(len(rows.places))]
        for of, ties in ((True, whole), (False, root))
    }
    bridge = _first_of(whole, linking)
    # Near-duplicates have one value for all that hang together, so that old images can stay tied
    # when the new one between them goes: then it is a side that has to go.
    held = np.zeros(len(clash), dtype=np.bool_)
    held[whole[torn[~linking[torn]]]] = True
    for i in torn:
        first_in = sides_of[bool(linking[i])]
        sides = [p for p in range(len(rows.places)) if first_in[p][group[i]] >= 0]
        here = int(rows.was[i]) if anchored[i] else sides[0]
        # Where the benchmark is one side, the other is the one to move.
        there = sides[-1] if sides[-1] != here else sides[0]
        one = i if anchored[i] else first_in[here][group[i]]
        ways[i] = WAYS_OUT.format(
            tie=rows.ids[bridge[whole[i]] if bridge[whole[i]] >= 0 else i],
            other=rows.ids[first_in[there][group[i]]],
            one=rows.ids[one],
            to=rows.places[there],
            out=rows.ids[one if held[whole[i]] else i],
        )
    return ways


def _linking(
    columns: tuple[Ints, ...], tied: Bools, anchored: Bools, bits: Ints, root: Ints
) -> Bools:
    """New images without which groups in different places would not hang together.

    First those that touch two places themselves; only where that does not part the places, the
    whole chain of new images between them. So one bad tie does not shut out the mates of both.
    """
    fresh = tied & ~anchored
    torn = _several(_gather(root, bits))
    if not (fresh & torn).any():
        return fresh & torn
    touches = _touched(columns, tied, bits)
    direct = fresh & _several(touches)
    still = _several(_gather(components(columns, tied & ~direct), bits))
    return direct | (fresh & still)


def _touched(columns: tuple[Ints, ...], who: Bools, bits: Ints) -> Ints:
    """The bits of some images, given to all that share a value with one of them."""
    touched = np.zeros(len(who), dtype=np.int64)
    for values in columns if who.any() else ():
        there = values >= 0
        by_value = np.zeros(int(values.max(initial=-1)) + 1, dtype=np.int64)
        np.bitwise_or.at(by_value, values[who & there], bits[who & there])
        touched[there] |= by_value[values[there]]
    return touched


def _gather(root: Ints, bits: Ints) -> Ints:
    together = np.zeros(len(root), dtype=np.int64)
    who = np.flatnonzero(bits)
    np.bitwise_or.at(together, root[who], bits[who])
    return np.asarray(together[root], dtype=np.int64)


def _several(bits: Ints) -> Bools:
    return as_bools((bits & (bits - 1)) > 0)


def _first_of(root: Ints, chosen: Bools) -> Ints:
    first = np.full(len(root), -1, dtype=np.int64)
    rows = np.flatnonzero(chosen)[::-1]
    first[root[rows]] = rows
    return first


def _but_last(places: tuple[str, ...]) -> str:
    return f"{', '.join(places[:-2])} and {places[-2]}"


def _names(bits: int, places: tuple[str, ...]) -> str:
    return " and ".join(name for i, name in enumerate(places) if bits & (1 << i))
