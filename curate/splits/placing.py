"""Where new groups go: to the place that lacks most, sub-class by sub-class.

A class wishes for so many of its used real images in each place (a split, or a fold). A group goes
to the place whose wish is furthest from filled; as wishes only shrink while groups are placed, no
place of a class whose groups are its own ends more than one group from its wish, in whatever order
the groups come. The order is therefore free to serve the sub-classes.

Groups that hold several classes come first, the largest first. Then the bursts of each class share
out the part of its wishes that bursts can fill: the place that is to receive draws from the
sub-class that it lacks most, and within that from the band of group sizes that it lacks most.
Single images come last and even out what is left. `improving` then mends what is left uneven.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

import numpy as np

from curate.core import chance
from curate.splits.improving import improve
from curate.splits.tables import TRAIN, Bools, Floats, Ints, Objects

_JITTER = 1e-6


@dataclass(frozen=True)
class Question:
    """What is to be placed, and what is wished for.

    Attributes
    ----------
    ids : object array of str, shape (n,)
        The images; the draw of a group is that of its first image.
    klass, sub, root : int arrays, shape (n,)
        Class, sub-class (numbered over all classes) and group of each image.
    who : bool array, shape (n,)
        The images that wishes are reckoned with.
    fixed : int array, shape (n,)
        The place of each image that is settled already, -1 where it is not. The images of a group
        are settled together or not at all.
    wish : float array, shape (classes, places)
        How many images each place is to have.
    allowed : bool array, shape (classes, places)
        The places that may receive images.
    holds : bool array, shape (classes, places)
        The places that have images of the class already.
    seed : int
        Decides what chance decides.
    """

    ids: Objects
    klass: Ints
    sub: Ints
    root: Ints
    who: Bools
    fixed: Ints
    wish: Floats
    allowed: Bools
    holds: Bools
    seed: int


@dataclass(frozen=True)
class Units:
    """The parts of groups that lie in one class; one entry a unit.

    Attributes
    ----------
    of_image : int array
        The unit of each image, -1 for images that no wish is reckoned with.
    root, klass, size : int arrays
        The group, the class, the number of images.
    sub : int array
        The main sub-class.
    cell_unit, cell_sub, cell_size : int arrays, shape (cells,)
        What each unit has of each sub-class: the unit (in order), the sub-class, the images.
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
    cell_unit: Ints
    cell_sub: Ints
    cell_size: Ints
    drawn: Floats
    free: Bools


@dataclass(frozen=True)
class Books:
    """What is lacking in each place; updated while groups are placed.

    Attributes
    ----------
    lacks : float array, shape (classes, places)
        Wish less what is placed, in images; its row sums are what is left to place.
    sub_lacks : float array, shape (sub-classes, places)
        The same for each sub-class, which wishes in the proportion of its class.
    allowed : bool array, shape (classes, places)
        The places that may receive images.
    vacant : bool array, shape (classes, places)
        Allowed places that hold no image of the class yet.
    """

    lacks: Floats
    sub_lacks: Floats
    allowed: Bools
    vacant: Bools


def place(question: Question) -> Ints:
    """Give every image that wishes are reckoned with a place.

    Returns
    -------
    int array, shape (n,)
        The place of each image; -1 for those that are neither settled nor reckoned with.
    """
    units = _units(question)
    books = _open_books(question, units)
    where = np.full(len(units.size), -1, dtype=np.int64)
    per_group = np.bincount(units.root[units.free], minlength=len(question.root))
    shared = units.free & (per_group[units.root] > 1)
    _place_shared(units, np.flatnonzero(shared), books, where)
    own = units.free & ~shared
    single = own & (units.size == 1)
    _place_bursts(units, np.flatnonzero(own & ~single), single, books, where)
    _place_singles(units, np.flatnonzero(single), books, where)
    improve(units, where, question.holds, books)
    split = question.fixed.copy()
    drawn = (units.of_image >= 0) & (question.fixed < 0)
    split[drawn] = where[units.of_image[drawn]]
    return split


def cross(klass: Ints, where: Ints, mask: Bools, classes: int, places: int) -> Ints:
    """Images by class and place, shape (classes, places); those without a place are left out."""
    who = mask & (where >= 0)
    cells = np.bincount(klass[who] * places + where[who], minlength=classes * places)
    return cells.reshape(classes, places).astype(np.int64)


def _units(question: Question) -> Units:
    root, classes = question.root, max(len(question.wish), 1)
    who = np.flatnonzero(question.who)
    alone = np.bincount(root[who], minlength=len(root))[root[who]] == 1
    singles, crowd = who[alone], who[~alone]
    keys, of_crowd = np.unique(root[crowd] * classes + question.klass[crowd], return_inverse=True)
    of_image = np.full(len(root), -1, dtype=np.int64)
    of_image[crowd] = of_crowd
    of_image[singles] = len(keys) + np.arange(len(singles))
    roots = np.append(keys // classes, root[singles])
    size = np.append(np.bincount(of_crowd, minlength=len(keys)), np.ones(len(singles), np.int64))
    codes = int(question.sub.max(initial=0)) + 1
    cells, times = np.unique(of_crowd * codes + question.sub[crowd], return_counts=True)
    main = _main_sub_class(cells // codes, cells % codes, times, len(keys))
    free = np.zeros(len(roots), dtype=np.bool_)
    free[of_image[who]] = question.fixed[who] < 0
    drawn = np.zeros(len(roots), dtype=np.float64)
    # Each group is drawn once: units of the same group stand beside each other.
    first = np.append(True, roots[1:] != roots[:-1])
    draws = np.flatnonzero(free & first)
    drawn[draws] = chance.fractions(question.seed, question.ids[roots[draws]], "split")
    drawn = drawn[np.maximum.accumulate(np.where(first, np.arange(len(roots)), 0))]
    return Units(
        of_image=of_image,
        root=roots,
        klass=np.append(keys % classes, question.klass[singles]),
        size=size.astype(np.int64),
        sub=np.append(main, question.sub[singles]),
        cell_unit=np.append(cells // codes, len(keys) + np.arange(len(singles))),
        cell_sub=np.append(cells % codes, question.sub[singles]),
        cell_size=np.append(times, np.ones(len(singles), np.int64)),
        drawn=drawn,
        free=free,
    )


def _main_sub_class(unit: Ints, sub: Ints, size: Ints, units: int) -> Ints:
    """The sub-class that most images of a unit have; of equals the one met first in the table."""
    main = np.zeros(units, dtype=np.int64)
    # Written from the rarest to the most frequent, the earliest last: what is written last stays.
    order = np.lexsort((-sub, size))
    main[unit[order]] = sub[order]
    return main


def _open_books(question: Question, units: Units) -> Books:
    classes, places = question.wish.shape
    have = cross(question.klass, question.fixed, question.who, classes, places)
    total = question.wish.sum(axis=1)
    lacks = question.wish - have + _JITTER * _tie_breaks(question, places)
    subs = int(question.sub.max(initial=-1)) + 1
    klass = np.zeros(subs, dtype=np.int64)
    klass[question.sub[question.who]] = question.klass[question.who]
    rate = question.wish / np.maximum(total, 1)[:, None]
    sub_total = np.bincount(question.sub[question.who], minlength=subs)
    sub_lacks = rate[klass] * sub_total[:, None]
    sub_lacks -= cross(question.sub, question.fixed, question.who, subs, places)
    vacant = question.allowed & ~question.holds
    return Books(lacks, sub_lacks, question.allowed, vacant)


def _tie_breaks(question: Question, places: int) -> Floats:
    """A draw for each class and place, so that val does not get the odd image of every class."""
    who = np.flatnonzero(question.who)[::-1]
    first = np.zeros(len(question.wish), dtype=np.int64)
    first[question.klass[who]] = who
    draws = [
        chance.fractions(question.seed, question.ids[first], f"tie {p}") for p in range(places)
    ]
    return np.stack(draws, axis=1)


def _settle(units: Units, who: Ints, books: Books, where: Ints) -> None:
    """Write in the books what has been placed."""
    klass, there = units.klass[who], where[who]
    np.subtract.at(books.lacks, (klass, there), units.size[who])
    books.vacant[klass, there] = False
    settled = np.zeros(len(units.size), dtype=np.bool_)
    settled[who] = True
    cells = np.flatnonzero(settled[units.cell_unit])
    there = where[units.cell_unit[cells]]
    np.subtract.at(books.sub_lacks, (units.cell_sub[cells], there), units.cell_size[cells])


def _place_shared(units: Units, who: Ints, books: Books, where: Ints) -> None:
    """Place the groups that hold several classes, largest first, where their classes lack most.

    Each class sets aside for these groups what they can fill of its wishes in proportion, so that
    they spread over the places like the rest. A class counts by the share of it that is at stake.
    Plain lists, because this runs once a group.
    """
    if not len(who):
        return
    at_stake = _images(units, who, len(books.lacks))
    lacks = _set_aside(books, at_stake).tolist()
    allowed, vacant = books.allowed.tolist(), books.vacant.tolist()
    vacancies = books.vacant.sum(axis=1).tolist()
    left = np.bincount(units.klass[units.free], minlength=len(books.lacks)).tolist()
    weight = (units.size[who] / at_stake[units.klass[who]]).tolist()
    klass, size = units.klass[who].tolist(), units.size[who].tolist()

    start = np.flatnonzero(np.append(True, np.diff(units.root[who]) != 0))
    ends = np.append(start[1:], len(who))
    group_size = np.add.reduceat(units.size[who], start)
    order = np.lexsort((units.drawn[who[start]], -group_size))
    begin, end = start.tolist(), ends.tolist()
    open_ = [np.flatnonzero(row).tolist() for row in books.allowed]
    alike = bool((books.allowed == books.allowed[:1]).all())
    split_of = np.zeros(len(start), dtype=np.int64)
    for g in order.tolist():
        members = range(begin[g], end[g])
        can = open_[klass[begin[g]]]
        if not alike:
            can = [p for p in can if all(allowed[klass[u]][p] for u in members)]
        pressed = [vacant[klass[u]] for u in members if left[klass[u]] <= vacancies[klass[u]]]
        if pressed:
            can = _where_missed(can, pressed)
        split, best = can[0], -np.inf
        for p in can:
            score = 0.0
            for u in members:
                score += weight[u] * lacks[klass[u]][p]
            if score > best:
                split, best = p, score
        split_of[g] = split
        for u in members:
            k = klass[u]
            lacks[k][split] -= size[u]
            left[k] -= 1
            vacancies[k] -= vacant[k][split]
            vacant[k][split] = False
    where[who] = np.repeat(split_of, ends - start)
    _settle(units, who, books, where)


def _where_missed(can: list[int], vacant: list[list[bool]]) -> list[int]:
    """The places in which most classes must be present that cannot wait; training comes first."""
    fills = [sum(row[p] for row in vacant) for p in can]
    most = max(fills)
    if not most:
        return can
    best = [p for p, fill in zip(can, fills, strict=True) if fill == most]
    return [TRAIN] if TRAIN in best else best


def _images(units: Units, who: Ints, classes: int) -> Floats:
    counts = np.bincount(units.klass[who], weights=units.size[who], minlength=classes)
    return np.asarray(counts, dtype=np.float64)


def _set_aside(books: Books, at_stake: Floats) -> Floats:
    """What groups of so many images are to fill of each class's wishes."""
    wanted = np.where(books.allowed, np.maximum(books.lacks, 0), 0)
    return np.asarray(wanted * (at_stake / np.maximum(wanted.sum(axis=1), _JITTER))[:, None])


def _place_bursts(units: Units, who: Ints, single: Bools, books: Books, where: Ints) -> None:
    """Place the groups of one class that hold several images, class by class."""
    if not len(who):
        return
    classes = len(books.lacks)
    at_stake = _images(units, who, classes)
    aside = _set_aside(books, at_stake)
    later = np.bincount(units.klass[single], minlength=classes)
    who = who[np.lexsort((units.drawn[who], units.klass[who]))]
    # Doubling bands keep large bursts from all going where most is lacking, which is train.
    doublings = np.log2(units.size[who]).astype(np.int64)
    codes, band = np.unique(units.sub[who] * 64 + doublings, return_inverse=True)
    of_band = np.bincount(band, weights=units.size[who])
    klass_of_band = np.zeros(len(codes), dtype=np.int64)
    klass_of_band[band] = units.klass[who]
    rate = aside / np.maximum(aside.sum(axis=1), _JITTER)[:, None]
    band_lacks = rate[klass_of_band] * of_band[:, None]
    bounds = np.flatnonzero(np.diff(units.klass[who])) + 1
    parts = np.split(np.arange(len(who)), bounds)
    for part in parts:
        klass = units.klass[who[part[0]]]
        bands, local = np.unique(band[part], return_inverse=True)
        subs, sub_of_band = np.unique(codes[bands] // 64, return_inverse=True)
        where[who[part]] = _fill(
            units.size[who[part]].tolist(),
            local.tolist(),
            sub_of_band.tolist(),
            aside[klass].tolist(),
            books.sub_lacks[subs].tolist(),
            band_lacks[bands].tolist(),
            np.flatnonzero(books.allowed[klass]).tolist(),
            set(np.flatnonzero(books.vacant[klass]).tolist()),
            int(later[klass]),
        )
    _settle(units, who, books, where)


def _place_singles(units: Units, who: Ints, books: Books, where: Ints) -> None:
    """Place the images that are alone: most of them at once, the odd ones class by class."""
    who = who[np.lexsort((units.drawn[who], units.sub[who]))]
    sub = units.sub[who]
    at_once = _at_once(units, who, books)
    rank = np.arange(len(who)) - np.searchsorted(sub, sub)
    there = (rank[:, None] >= np.cumsum(at_once, axis=1)[sub]).sum(axis=1)
    placed = there < at_once.shape[1]
    where[who[placed]] = there[placed]
    _settle(units, who[placed], books, where)

    who = who[~placed]
    who = who[np.argsort(units.klass[who], kind="stable")]
    for members in np.split(who, np.flatnonzero(np.diff(units.klass[who])) + 1) if len(who) else []:
        klass = units.klass[members[0]]
        subs, local = np.unique(units.sub[members], return_inverse=True)
        sub_lacks = books.sub_lacks[subs].tolist()
        where[members] = _fill(
            [1] * len(members),
            local.tolist(),
            list(range(len(subs))),
            books.lacks[klass].tolist(),
            sub_lacks,
            [row.copy() for row in sub_lacks],
            np.flatnonzero(books.allowed[klass]).tolist(),
            set(np.flatnonzero(books.vacant[klass]).tolist()),
            0,
        )
    _settle(units, who, books, where)


def _at_once(units: Units, who: Ints, books: Books) -> Ints:
    """How many single images of each sub-class can go to each place without a second thought.

    That is the whole part of what the sub-class lacks there, where the class lacks it too; fewer
    where places of the class are still empty and want one of the last images.
    """
    subs, places = books.sub_lacks.shape
    have = np.bincount(units.sub[who], minlength=subs)
    klass = np.zeros(subs, dtype=np.int64)
    klass[units.sub[who]] = units.klass[who]
    wanted = np.where(books.allowed[klass], np.maximum(books.sub_lacks, 0), 0)
    wanted *= np.minimum(1, have / np.maximum(wanted.sum(axis=1), _JITTER))[:, None]
    of_class = np.zeros_like(books.lacks)
    np.add.at(of_class, klass, wanted)
    fits = np.minimum(1, np.maximum(books.lacks, 0) / np.maximum(of_class, _JITTER))
    at_once = np.floor(wanted * fits[klass] + 1e-9).astype(np.int64)
    filled = np.zeros(books.lacks.shape, dtype=np.int64)
    np.add.at(filled, klass, at_once)
    empty = (books.vacant & (filled == 0)).any(axis=1)
    return np.asarray(np.maximum(at_once - (places - 1) * empty[klass][:, None], 0))


def _fill(
    sizes: list[int],
    band: list[int],
    sub_of_band: list[int],
    lacks: list[float],
    sub_lacks: list[list[float]],
    band_lacks: list[list[float]],
    allowed: list[int],
    vacant: set[int],
    later: int,
) -> list[int]:
    """Share the groups of one class out; plain lists, because this runs once a group.

    Parameters
    ----------
    sizes, band : list of int
        Of each group, in the order of chance.
    sub_of_band : list of int
        The sub-class of each band.
    lacks, sub_lacks, band_lacks : lists of float
        What the class, each sub-class and each band lacks in each place.
    allowed : list of int
        The places that may receive.
    vacant : set of int
        Those of them that hold nothing of the class yet.
    later : int
        How many groups of the class come after these.

    Returns
    -------
    list of int
        The place of each group.
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
    for left in range(len(sizes) + later, later, -1):
        if left <= len(vacant):
            split = TRAIN if TRAIN in vacant else max(sorted(vacant), key=lacks.__getitem__)
        else:
            split = max(allowed, key=lacks.__getitem__)
        heap = heaps[split]
        while not any(queues[b] for b in bands[heap[0][1]]):
            heappop(heap)
        lack, sub = heap[0]
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
