"""How far an assignment is from what was wished for, and how near one could get.

The bound takes each class for itself and leaves out what ties it to others: its free groups are
indivisible, so a place gets what a sum of some of their sizes can be. In each place held out take
the nearest such sums below and above the wish; the rest trains. No assignment does better, for to
put a place nearer to its wish never costs train more than it gains.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from curate.splits.placing import Question, cross
from curate.splits.tables import Bools, Floats, Ints, Objects


def balance(
    question: Question, where: Ints, classes: Objects, sub_class: Objects, places: tuple[str, ...]
) -> pd.DataFrame:
    """Hold what is placed against what was wished for.

    Parameters
    ----------
    question : Question
        What was to be placed.
    where : int array, shape (n,)
        The place of each image.
    classes, sub_class : object arrays of str
        The names of the classes by number, and the sub-class of each image.
    places : tuple of str
        Their names.

    Returns
    -------
    DataFrame
        Columns class, sub_class ('' for the whole class), split, wished, placed, deviation (placed
        less wished), by class, sub-class and place: of images that wishes are reckoned with.
    """
    have = cross(question.klass, where, question.who, len(classes), len(places))
    none = np.full(len(classes), "", dtype=object)
    whole = _lines(classes, none, question.wish, have, places)
    named = question.who & np.asarray(sub_class != "", dtype=np.bool_)
    if not named.any():
        return whole
    subs, first, of_image = np.unique(question.sub[named], return_index=True, return_inverse=True)
    klass = question.klass[named][first]
    here = np.full(len(where), 0, dtype=np.int64)
    here[named] = of_image
    placed = cross(here, where, named, len(subs), len(places))
    rate = question.wish / np.maximum(question.wish.sum(axis=1), 1)[:, None]
    wished = rate[klass] * np.bincount(of_image)[:, None]
    parts = _lines(classes[klass], sub_class[named][first], wished, placed, places)
    lines = pd.concat([whole, parts], ignore_index=True)
    order = {name: i for i, name in enumerate(places)}
    return lines.sort_values(
        ["class", "sub_class", "split"],
        key=lambda column: column.map(order) if column.name == "split" else column,
        ignore_index=True,
    )


def _lines(
    klass: Objects, sub_class: Objects, wished: Floats, placed: Ints, places: tuple[str, ...]
) -> pd.DataFrame:
    times = len(places)
    return pd.DataFrame(
        {
            "class": np.repeat(klass, times),
            "sub_class": np.repeat(sub_class, times),
            "split": np.tile(np.array(places, dtype=object), len(klass)),
            "wished": wished.ravel(),
            "placed": placed.ravel(),
            "deviation": (placed - wished).ravel(),
        }
    )


def distance(question: Question, where: Ints, classes: Objects) -> pd.DataFrame:
    """How far each class is from its wishes in all, and how far it must be at least.

    Returns
    -------
    DataFrame
        Columns class, deviation (the sum over the splits of how far what is placed is from what
        was wished, in images) and at_least (a lower bound of it, whatever the assignment, given
        what was settled before), by class. Their sums are the total and a bound of the total.
    """
    count, places = question.wish.shape
    have = cross(question.klass, where, question.who, count, places)
    settled = cross(question.klass, question.fixed, question.who, count, places)
    free = question.who & (question.fixed < 0)
    pairs, sizes = np.unique(
        question.root[free] * max(count, 1) + question.klass[free], return_counts=True
    )
    klass = pairs % max(count, 1)
    order = np.lexsort((sizes, klass))
    sizes, begin = sizes[order], np.searchsorted(klass[order], np.arange(count + 1))
    bounds = [
        _at_least(
            question.wish[k] - settled[k], sizes[begin[k] : begin[k + 1]], question.allowed[k]
        )
        for k in range(count)
    ]
    lines = pd.DataFrame(
        {
            "class": classes,
            "deviation": np.abs(have - question.wish).sum(axis=1),
            "at_least": np.array(bounds, dtype=np.float64),
        }
    )
    return lines.sort_values("class", ignore_index=True)


def _at_least(lacks: Floats, sizes: Ints, allowed: Bools) -> float:
    """The least sum of absolute deviations that groups of these sizes allow.

    Parameters
    ----------
    lacks : float array, shape (places,)
        What each place lacks before they are placed.
    sizes : int array
        The free groups, smallest first.
    allowed : bool array, shape (places,)
        The places that may receive them.
    """
    # All but one place choose freely; the one gets the rest, which is right for any of them.
    rest = int(np.flatnonzero(allowed)[0]) if allowed.any() else 0
    sums = _sums(sizes, max(lacks.max(initial=0), 0))
    chosen = []
    for p in range(len(lacks)):
        if p != rest:
            chosen.append(_around(float(lacks[p]), sums) if allowed[p] else (-float(lacks[p]),))
    over = float(lacks.sum() - sizes.sum())
    return min(sum(map(abs, off)) + abs(over + sum(off)) for off in product(*chosen))


def _around(lack: float, sums: Ints) -> tuple[float, ...]:
    """How far off the nearest sums below and above are, as placed less wished."""
    at = int(np.searchsorted(sums, lack))
    return tuple(float(sums[i]) - lack for i in (at - 1, at) if 0 <= i < len(sums))


def _sums(sizes: Ints, enough: float) -> Ints:
    """What sums of some of the sizes can be, up to the first that is enough; sorted."""
    total = int(sizes.sum())
    ones = int((sizes == 1).sum())
    most = int(sizes.max(initial=0))
    limit = min(total, int(np.ceil(enough)) + most)
    if ones >= most - 1:
        return np.arange(limit + 1)
    # Bit i of a number says whether i is such a sum; a size is added by a shift.
    bits, mask = 1, (1 << (limit + 1)) - 1
    for size in sizes.tolist():
        bits |= (bits << size) & mask
    text = np.frombuffer(bits.to_bytes(limit // 8 + 1, "little"), dtype=np.uint8)
    return np.flatnonzero(np.unpackbits(text, bitorder="little"))
