"""Where new groups go: to the split that lacks most, sub-class by sub-class.

A class wishes for its share of used real images in each split. A group goes to the split whose
wish is furthest from filled; as wishes only shrink while groups are placed, no split of a class
whose groups are its own ends more than one group from its wish, in whatever order the groups come.
The order is therefore free to serve the sub-classes: the split that is to receive draws from the
sub-class that it lacks most, and within that from the band of group sizes that it lacks most, so
that bursts and single images spread alike.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

import numpy as np

from curate.core import chance
from curate.splits.policy import SplitPolicy
from curate.splits.tables import BENCHMARK, REAL, SPLITS, TRAIN, Bools, Floats, Ints, Rows, as_bools

_JITTER = 1e-6


@dataclass(frozen=True)
class Units:
    """The parts of groups that lie in one class; one entry a unit, real used images only.

    Attributes
    ----------
    of_image : int array
        The unit of each image, -1 for images that no share is reckoned with.
    root, klass, size : int arrays
        The group, the class, the number of images.
    sub, band : int arrays
        The main sub-class, and the band of sizes within it, both numbered over all classes.
    drawn : float array
        The draw of the group, which decides the order among equals.
    free : bool array
        Whether the unit's group still has to be placed.
    """

    of_image: Ints
    root: Ints
    klass: Ints
    size: Ints
    sub: Ints
    band: Ints
    drawn: Floats
    free: Bools


@dataclass(frozen=True)
class Books:
    """What each class lacks in each split; updated while groups are placed.

    Attributes
    ----------
    rate : float array, shape (classes, 4)
        The wish as a share of the class's real used images.
    lacks : float array, shape (classes, 4)
        Wish less what is placed, in images; its row sums are what is left to place.
    allowed : bool array, shape (classes, 4)
        The splits that may receive new images.
    vacant : bool array, shape (classes, 4)
        Allowed splits that hold no image of the class yet.
    """

    rate: Floats
    lacks: Floats
    allowed: Bools
    vacant: Bools


def place(rows: Rows, root: Ints, used: Bools, fixed: Ints, policy: SplitPolicy) -> Ints:
    """Give every used image a split.

    Parameters
    ----------
    rows : Rows
        The images.
    root : int array
        The group of each image.
    used : bool array
        The images to place.
    fixed : int array
        The splits that are settled already, -1 where none is. The images of a group are settled
        together or not at all.
    policy : SplitPolicy
        Shares and seed.

    Returns
    -------
    int array
        Index into `SPLITS`, -1 for images that are not used and not settled.
    """
    units = _units(rows, root, used, fixed, policy.seed)
    books = _open_books(rows, used, fixed, policy)
    where = np.full(len(units.size), -1, dtype=np.int64)
    per_group = np.bincount(units.root[units.free], minlength=len(root))
    shared = units.free & (per_group[units.root] > 1)
    _place_shared(units, np.flatnonzero(shared), books, where)
    _place_own(units, np.flatnonzero(units.free & ~shared), fixed, books, where)
    split = fixed.copy()
    drawn = (units.of_image >= 0) & (fixed < 0)
    split[drawn] = where[units.of_image[drawn]]
    return split


def _units(rows: Rows, root: Ints, used: Bools, fixed: Ints, seed: int) -> Units:
    who = np.flatnonzero(used & (rows.origin == REAL))
    classes = max(len(rows.classes), 1)
    keys, of_who = np.unique(root[who] * classes + rows.klass[who], return_inverse=True)
    of_image = np.full(len(root), -1, dtype=np.int64)
    of_image[who] = of_who
    size = np.bincount(of_who, minlength=len(keys))
    roots = keys // classes
    free = np.zeros(len(keys), dtype=np.bool_)
    free[of_who[fixed[who] < 0]] = True
    drawn = np.zeros(len(keys), dtype=np.float64)
    groups, of_free = np.unique(roots[free], return_inverse=True)
    drawn[free] = chance.fractions(seed, rows.ids[groups], "split")[of_free]
    _, sub = np.unique(_main_sub_class(rows.sub[who], of_who, len(keys)), return_inverse=True)
    # Doubling bands keep bursts from all going where most is lacking, which is train.
    doublings = np.log2(np.maximum(size, 1)).astype(np.int64)
    _, band = np.unique(sub * 64 + doublings, return_inverse=True)
    return Units(of_image, roots, keys % classes, size, sub, band, drawn, free)


def _main_sub_class(sub: Ints, unit: Ints, units: int) -> Ints:
    """The sub-class that most images of a unit have; of equals the one met first in the table."""
    codes = int(sub.max(initial=0)) + 1
    pairs, times = np.unique(unit * codes + sub, return_counts=True)
    main = np.zeros(units, dtype=np.int64)
    # Written from the rarest to the most frequent, the earliest last: what is written last stays.
    order = np.lexsort((-pairs, times))
    main[pairs[order] // codes] = pairs[order] % codes
    return main


def _open_books(rows: Rows, used: Bools, fixed: Ints, policy: SplitPolicy) -> Books:
    classes = len(rows.classes)
    real = used & (rows.origin == REAL)
    total = np.bincount(rows.klass[real], minlength=classes)
    have = _cross(rows.klass, fixed, real, classes)
    holds = _cross(rows.klass, fixed, rows.klass >= 0, classes) > 0
    allowed = np.tile(np.array(policy.shares) > 0, (classes, 1))
    # A benchmark that grows by itself would not be frozen: a class that has one keeps it as it is.
    allowed[:, BENCHMARK] &= ~holds[:, BENCHMARK]
    wish = total[:, None] * np.array(policy.shares)
    wish[:, BENCHMARK] = np.where(allowed[:, BENCHMARK], wish[:, BENCHMARK], have[:, BENCHMARK])
    wish[:, TRAIN] = total - wish[:, TRAIN + 1 :].sum(axis=1)
    rate = wish / np.maximum(total, 1)[:, None]
    lacks = wish - have + _JITTER * _tie_breaks(rows, used, policy.seed)
    return Books(rate, lacks, allowed, allowed & ~holds)


def _tie_breaks(rows: Rows, used: Bools, seed: int) -> Floats:
    """A draw for each class and split, so that val does not get the odd image of every class."""
    who = np.flatnonzero(used)[::-1]
    first = np.zeros(len(rows.classes), dtype=np.int64)
    first[rows.klass[who]] = who
    return np.stack([chance.fractions(seed, rows.ids[first], f"tie {s}") for s in SPLITS], axis=1)


def _cross(klass: Ints, split: Ints, mask: Bools, classes: int) -> Ints:
    """Images by class and split, shape (classes, 4)."""
    who = mask & (split >= 0)
    cells = np.bincount(klass[who] * len(SPLITS) + split[who], minlength=classes * len(SPLITS))
    return cells.reshape(classes, len(SPLITS)).astype(np.int64)


def _place_shared(units: Units, who: Ints, books: Books, where: Ints) -> None:
    """Place the groups that hold several classes, largest first, where their classes lack most.

    Each class sets aside for these groups what they can fill of its wishes in proportion, so that
    they spread over the splits like the rest. A class counts by the share of it that is at stake.
    """
    if not len(who):
        return
    classes = len(books.lacks)
    at_stake = np.bincount(units.klass[who], weights=units.size[who], minlength=classes)
    wanted = np.where(books.allowed, np.maximum(books.lacks, 0), 0)
    sums = np.maximum(wanted.sum(axis=1), _JITTER)
    lacks = wanted * (at_stake / sums)[:, None]
    left = np.bincount(units.klass[units.free], minlength=classes)

    groups, of_unit = np.unique(units.root[who], return_inverse=True)
    group_size = np.bincount(of_unit, weights=units.size[who])
    first = np.full(len(groups), -1)
    first[of_unit[::-1]] = who[::-1]
    order = np.lexsort((units.drawn[first], -group_size))
    by_group = who[np.argsort(of_unit, kind="stable")]
    ends = np.cumsum(np.bincount(of_unit))
    for g in order:
        members = by_group[ends[g - 1] if g else 0 : ends[g]]
        klass, size = units.klass[members], units.size[members]
        score = (size / at_stake[klass]) @ lacks[klass]
        split = _choose(score, books.allowed[klass], books.vacant[klass], left[klass])
        where[members] = split
        lacks[klass, split] -= size
        books.lacks[klass, split] -= size
        books.vacant[klass, split] = False
        left[klass] -= 1


def _choose(score: Floats, allowed: Bools, vacant: Bools, left: Ints) -> int:
    """The split of a group of several classes: the best score, unless a class must be present."""
    can = as_bools(allowed.all(axis=0))
    # Classes with just as many groups left as they have empty splits cannot wait.
    pressed = as_bools(left <= vacant.sum(axis=1))
    fills = np.where(can, vacant[pressed].sum(axis=0), 0)
    if fills.any():
        can &= fills == fills.max()
        if can[TRAIN]:
            return TRAIN
    return int(np.argmax(np.where(can, score, -np.inf)))


def _place_own(units: Units, who: Ints, fixed: Ints, books: Books, where: Ints) -> None:
    """Place the groups that hold one class, class by class."""
    who = who[np.lexsort((units.drawn[who], units.klass[who]))]
    sub_lacks = _lacks_of(units.sub, units, fixed, books, where)
    band_lacks = _lacks_of(units.band, units, fixed, books, where)
    bounds = np.flatnonzero(np.diff(units.klass[who])) + 1
    for members in np.split(who, bounds) if len(who) else []:
        klass = units.klass[members[0]]
        bands, first, band = np.unique(units.band[members], return_index=True, return_inverse=True)
        subs, sub_of_band = np.unique(units.sub[members[first]], return_inverse=True)
        where[members] = _fill(
            units.size[members].tolist(),
            band.tolist(),
            sub_of_band.tolist(),
            books.lacks[klass].tolist(),
            sub_lacks[subs].tolist(),
            band_lacks[bands].tolist(),
            np.flatnonzero(books.allowed[klass]).tolist(),
            set(np.flatnonzero(books.vacant[klass]).tolist()),
        )


def _lacks_of(part: Ints, units: Units, fixed: Ints, books: Books, where: Ints) -> Floats:
    """What each part of a class (sub-class or band) lacks in each split, shape (parts, 4)."""
    who = np.flatnonzero(units.of_image >= 0)
    unit = units.of_image[who]
    parts = int(part.max(initial=-1)) + 1
    total = np.bincount(part, weights=units.size, minlength=parts)
    klass = np.zeros(parts, dtype=np.int64)
    klass[part] = units.klass
    settled = np.where(fixed[who] >= 0, fixed[who], where[unit])
    have = _cross(part[unit], settled, as_bools(settled >= 0), parts)
    return np.asarray(books.rate[klass] * total[:, None] - have, dtype=np.float64)


def _fill(
    sizes: list[int],
    band: list[int],
    sub_of_band: list[int],
    lacks: list[float],
    sub_lacks: list[list[float]],
    band_lacks: list[list[float]],
    allowed: list[int],
    vacant: set[int],
) -> list[int]:
    """Share the groups of one class out; plain lists, because this runs once a group.

    Parameters
    ----------
    sizes, band : list of int
        Of each group, in the order of chance.
    sub_of_band : list of int
        The sub-class of each band.
    lacks, sub_lacks, band_lacks : lists of float
        What the class, each sub-class and each band lacks in each split.
    allowed : list of int
        The splits that may receive.
    vacant : set of int
        Those of them that hold nothing of the class yet.

    Returns
    -------
    list of int
        The split of each group.
    """
    queues: list[deque[int]] = [deque() for _ in band_lacks]
    for position, b in enumerate(band):
        queues[b].append(position)
    bands: list[list[int]] = [[] for _ in sub_lacks]
    for b, sub in enumerate(sub_of_band):
        bands[sub].append(b)
    heaps = {s: [(-row[s], sub) for sub, row in enumerate(sub_lacks)] for s in allowed}
    for heap in heaps.values():
        heapify(heap)
    placed = [TRAIN] * len(sizes)
    for left in range(len(sizes), 0, -1):
        if left <= len(vacant):
            split = TRAIN if TRAIN in vacant else max(sorted(vacant), key=lacks.__getitem__)
        else:
            split = max(allowed, key=lacks.__getitem__)
        heap = heaps[split]
        while not any(queues[b] for b in bands[heap[0][1]]):
            heappop(heap)
        lack, sub = heap[0]
        # Weighed by size, so that single images come last and even out what bursts leave.
        b = max(
            (b for b in bands[sub] if queues[b]),
            key=lambda b: band_lacks[b][split] * sizes[queues[b][0]],
        )
        position = queues[b].popleft()
        size = sizes[position]
        heapreplace(heap, (lack + size, sub))
        lacks[split] -= size
        band_lacks[b][split] -= size
        vacant.discard(split)
        placed[position] = split
    return placed
