"""Which images belong together, and whom that shuts out.

An image ties the values of its group columns, and images with a value in common lie in one group.
Only images that could be used tie, and those of the frozen benchmark: else an image that somebody
rejected in order to resolve a conflict would go on causing it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curate.splits.tables import (
    BENCHMARK,
    ORIGINS,
    REAL,
    SPLITS,
    TEST,
    VAL,
    Bools,
    Ints,
    Objects,
    Rows,
    as_bools,
)

WAYS_OUT = (
    "clear or change the group value in the manifest and scan again, "
    "reject the image with a label import to leave it out, or keep it as it is"
)
_BENCHMARK_BIT = 1 << BENCHMARK


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
        The split in which the image's group lies already, -1 where none or several.
    barred : object array of str
        Why the ties forbid to use the image, '' where they do not.
    clash : object array of str
        What a person must decide about the image's group, '' where nothing.
    apart : bool array
        Anchored images whose group lies in several splits and stays so until somebody decides.
    """

    root: Ints
    name: Objects
    anchored: Bools
    home: Ints
    barred: Objects
    clash: Objects
    apart: Bools


def tie(rows: Rows) -> Ties:
    """Find the groups, what they inherit from earlier splits, and whom that leaves out."""
    only_trains = rows.origin != REAL
    held_out = (rows.was == VAL) | (rows.was == TEST)
    misplaced = rows.eligible & only_trains & held_out
    tied = (rows.eligible & ~misplaced) | rows.frozen
    anchored = tied & (rows.was >= 0)
    bits = np.where(anchored, 1 << np.maximum(rows.was, 0), 0)

    first_root = components(rows.columns, tied)
    linking = _linking(rows.columns, tied, anchored, bits, first_root)
    root = components(rows.columns, tied & ~linking)
    lies_in = _gather(root, bits)

    several = _several(lies_in)
    near = tied & ~linking & ~rows.frozen & ((lies_in & _BENCHMARK_BIT) > 0)
    apart = anchored & several & ~near & ~rows.frozen
    home = np.where(several | (lies_in == 0), -1, np.log2(np.maximum(lies_in, 1)).astype(np.int64))
    guest = tied & ~linking & ~anchored & only_trains & ((home == VAL) | (home == TEST))

    first_lies_in = _gather(first_root, bits)
    barred = np.full(len(rows.ids), "", dtype=object)
    clash = barred.copy()
    frozen_mate = _first_of(root, rows.frozen)
    for i in np.flatnonzero(near):
        mate = rows.ids[frozen_mate[root[i]]]
        barred[i] = f"near the benchmark (image {mate}): kept out of train, val and test"
        if anchored[i]:
            clash[i] = f"was in {SPLITS[rows.was[i]]} and is {barred[i]}; {WAYS_OUT}"
    for i in np.flatnonzero(linking):
        barred[i] = f"ties groups that lie in {_names(first_lies_in[i])}"
        clash[i] = f"{barred[i]}, so it is left out; {WAYS_OUT}"
    for i in np.flatnonzero(apart):
        clash[i] = f"its group lies in {_names(lies_in[i])} and stays so; {WAYS_OUT}"
    for i in np.flatnonzero(guest):
        barred[i] = (
            f"{ORIGINS[rows.origin[i]]} images only train, and its group lies in {SPLITS[home[i]]}"
        )
    for i in np.flatnonzero(misplaced):
        barred[i] = (
            f"{ORIGINS[rows.origin[i]]} images only train, and it lay in {SPLITS[rows.was[i]]}"
        )

    crowd = np.bincount(root, minlength=len(root)) > 1
    name = np.where(crowd[root], rows.ids[root], "")
    name = np.where(linking, rows.ids[first_root], name)
    return Ties(root, name.astype(object), anchored, home, barred, clash, apart)


def components(columns: tuple[Ints, ...], tied: Bools) -> Ints:
    """Number the connected components: images that share a value, directly or through others.

    Parameters
    ----------
    columns : tuple of int arrays, shape (n,)
        Value numbers, -1 where missing; a missing value ties nothing.
    tied : bool array, shape (n,)
        The images that take part; any other is alone.

    Returns
    -------
    int array, shape (n,)
        For each image the lowest row of its component. Roots hook to the lowest root that a value
        of theirs touches and paths are halved until nothing changes, a few rounds in practice.
    """
    root = np.arange(len(tied), dtype=np.int64)
    links = [_links(values, tied) for values in columns]
    while True:
        before = root
        for who, value in links:
            lowest = np.full(int(value.max(initial=-1)) + 1, len(root), dtype=np.int64)
            np.minimum.at(lowest, value, root[who])
            root = root.copy()
            np.minimum.at(root, root[who], lowest[value])
        while not np.array_equal(root, root[root]):
            root = root[root]
        if np.array_equal(root, before):
            return root


def _links(values: Ints, tied: Bools) -> tuple[Ints, Ints]:
    who = np.flatnonzero(tied & (values >= 0))
    value = values[who]
    shared = (np.bincount(value) > 1)[value] if len(value) else as_bools(value)
    return who[shared], value[shared]


def _linking(
    columns: tuple[Ints, ...], tied: Bools, anchored: Bools, bits: Ints, root: Ints
) -> Bools:
    """New images without which groups in different splits would not hang together.

    First those that touch two splits themselves; only where that does not part the splits, the
    whole chain of new images between them. So one bad tie does not shut out the mates of both.
    """
    fresh = tied & ~anchored
    torn = _several(_gather(root, bits))
    if not (fresh & torn).any():
        return fresh & torn
    touches = np.zeros(len(root), dtype=np.int64)
    for values in columns:
        who = np.flatnonzero(tied & (values >= 0))
        lies_in = np.zeros(int(values.max(initial=-1)) + 1, dtype=np.int64)
        np.bitwise_or.at(lies_in, values[who], bits[who])
        touches[who] |= lies_in[values[who]]
    direct = fresh & _several(touches)
    still = _several(_gather(components(columns, tied & ~direct), bits))
    return direct | (fresh & still)


def _gather(root: Ints, bits: Ints) -> Ints:
    together = np.zeros(len(root), dtype=np.int64)
    np.bitwise_or.at(together, root, bits)
    return np.asarray(together[root], dtype=np.int64)


def _several(bits: Ints) -> Bools:
    return as_bools((bits & (bits - 1)) > 0)


def _first_of(root: Ints, chosen: Bools) -> Ints:
    first = np.full(len(root), -1, dtype=np.int64)
    rows = np.flatnonzero(chosen)[::-1]
    first[root[rows]] = rows
    return first


def _names(bits: int) -> str:
    return " and ".join(name for i, name in enumerate(SPLITS) if bits & (1 << i))
