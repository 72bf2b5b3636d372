"""Mend what the greedy way of placing leaves: move and swap groups while that helps.

What helps is less of the sum of squared deviations from the wishes, over classes and over
sub-classes, and less of the part of the classes alone. A move or swap that makes it less takes both
of its places nearer to each other, so that nothing gets further from its wish than the worse of the
two was. No class loses a place in which it is present. The work is bounded.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from curate.splits.tables import Bools, Floats, Ints, as_bools

ROUNDS = 12
"""How often all groups are looked at for moves, at most."""

MOVES = 5_000
"""How many moves are made in a round, at most."""

SWAPS = 8
"""How many swaps are made for one class, at most."""

TRIED = 24
"""How many groups of each side are tried for a swap."""

_EPSILON = 1e-4


class Parts(Protocol):
    """The groups by class and by sub-class, as `placing.Units` has them."""

    @property
    def root(self) -> Ints: ...
    @property
    def klass(self) -> Ints: ...
    @property
    def size(self) -> Ints: ...
    @property
    def cell_unit(self) -> Ints: ...
    @property
    def cell_sub(self) -> Ints: ...
    @property
    def cell_size(self) -> Ints: ...
    @property
    def free(self) -> Bools: ...


class Ledger(Protocol):
    """What is lacking where, as `placing.Books` has it."""

    @property
    def lacks(self) -> Floats: ...
    @property
    def sub_lacks(self) -> Floats: ...
    @property
    def allowed(self) -> Bools: ...


def improve(units: Parts, where: Ints, holds: Bools, books: Ledger) -> None:
    """Move and swap free groups between places; `where` and the books are changed.

    Parameters
    ----------
    units : Parts
        The groups; the units of one stand together.
    where : int array, shape (units,)
        The place of each free unit.
    holds : bool array, shape (classes, places)
        Places that have images of the class whatever moves.
    books : Ledger
        What is lacking where.
    """
    # A class whose places lie less than one image apart cannot be helped.
    low = books.lacks.min(axis=1, initial=np.inf, where=books.allowed)
    high = books.lacks.max(axis=1, initial=-np.inf, where=books.allowed)
    worth = units.free & (high - low > 1 + _EPSILON)[units.klass]
    chosen = np.zeros(int(units.root.max(initial=-1)) + 1, dtype=np.bool_)
    chosen[units.root[worth]] = True
    who = np.flatnonzero(units.free & chosen[units.root])
    if not len(who):
        return
    holders = holds.astype(np.int64)
    np.add.at(holders, (units.klass[units.free], where[units.free]), 1)
    board = _Board(units, who, where, holders, books)
    _move(board)
    _swap(board)
    where[who] = board.place[board.group]


class _Board:
    """The groups that may move, the books, and what it costs to move them.

    A group is a run of units (one a class) and a run of cells (one a class and sub-class).
    """

    def __init__(self, units: Parts, who: Ints, where: Ints, holders: Ints, books: Ledger) -> None:
        number = np.full(len(units.root), -1, dtype=np.int64)
        self.klass, self.size, self.holders = units.klass[who], units.size[who], holders
        self.lacks, self.sub_lacks, self.allowed = books.lacks, books.sub_lacks, books.allowed
        first = np.append(True, np.diff(units.root[who]) != 0)
        self.group = np.cumsum(first) - 1
        self.units = np.append(np.flatnonzero(first), len(who))
        self.place = where[who][first]
        number[who] = self.group
        cells = np.flatnonzero(number[units.cell_unit] >= 0)
        self.sub, self.sub_size = units.cell_sub[cells], units.cell_size[cells]
        self.group_of_cell = number[units.cell_unit[cells]]
        self.cells = np.searchsorted(self.group_of_cell, np.arange(len(self.place) + 1))

    def costs(self, groups: Ints, there: int) -> tuple[Floats, Floats]:
        """What it costs the classes, and classes and sub-classes, to move groups; a gain is < 0."""
        u, of_unit = _runs(self.units, groups)
        c, of_cell = _runs(self.cells, groups)
        of_class = _price(
            self.lacks, self.klass[u], self.size[u], self.place[groups][of_unit], there
        )
        of_sub = _price(
            self.sub_lacks, self.sub[c], self.sub_size[c], self.place[groups][of_cell], there
        )
        by_class = _sums(of_unit, of_class, len(groups))
        return by_class, by_class + _sums(of_cell, of_sub, len(groups))

    def open(self, groups: Ints, there: int) -> Bools:
        """Where a place is allowed, and no class of the group would miss the one it leaves."""
        u, of_unit = _runs(self.units, groups)
        k, here = self.klass[u], self.place[groups][of_unit]
        shut = ~self.allowed[k, there] | (self.holders[k, here] <= 1)
        return as_bools(np.bincount(of_unit, weights=shut, minlength=len(groups)) == 0)

    def classes(self, group: int) -> Ints:
        return self.klass[self.units[group] : self.units[group + 1]]

    def go(self, group: int, there: int) -> None:
        """Move a group."""
        here = int(self.place[group])
        u = slice(int(self.units[group]), int(self.units[group + 1]))
        c = slice(int(self.cells[group]), int(self.cells[group + 1]))
        for lacks, kind, size in (
            (self.lacks, self.klass[u], self.size[u]),
            (self.sub_lacks, self.sub[c], self.sub_size[c]),
        ):
            # No class or sub-class is there twice in one group.
            lacks[kind, here] += size
            lacks[kind, there] -= size
        self.holders[self.klass[u], here] -= 1
        self.holders[self.klass[u], there] += 1
        self.place[group] = there


def _price(lacks: Floats, kind: Ints, size: Ints, here: Ints, there: int) -> Floats:
    """How much the sum of squares grows when so many images leave one place for another."""
    return np.asarray(2 * size * (lacks[kind, here] - lacks[kind, there] + size))


def _sums(of: Ints, values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(of, weights=values, minlength=count), dtype=np.float64)


def _runs(bounds: Ints, groups: Ints) -> tuple[Ints, Ints]:
    """The entries of some runs, and the number among `groups` that each belongs to."""
    sizes = bounds[groups + 1] - bounds[groups]
    number = np.repeat(np.arange(len(groups)), sizes)
    start = np.cumsum(sizes) - sizes
    return bounds[groups][number] + np.arange(len(number)) - start[number], number


def _move(board: _Board) -> None:
    every = np.arange(len(board.place))
    for _ in range(ROUNDS):
        gains = np.full((len(every), board.lacks.shape[1]), np.inf)
        for there in range(board.lacks.shape[1]):
            of_class, total = board.costs(every, there)
            good = (of_class < -_EPSILON) & (total < -_EPSILON) & (board.place != there)
            good &= board.open(every, there)
            gains[good, there] = total[good]
        best = gains.min(axis=1)
        order = np.argsort(best, kind="stable")[:MOVES]
        order = order[best[order] < 0]
        if not sum(_try_move(board, int(g), int(np.argmin(gains[g]))) for g in order):
            return


def _try_move(board: _Board, group: int, there: int) -> bool:
    """Move a group if that still helps: others may have moved since it was chosen."""
    one = np.array([group])
    of_class, total = board.costs(one, there)
    if of_class[0] >= -_EPSILON or total[0] >= -_EPSILON or not board.open(one, there)[0]:
        return False
    board.go(group, there)
    return True


def _swap(board: _Board) -> None:
    """Swap groups of the fullest and the emptiest places of each class, the worst class first."""
    order = np.argsort(board.klass, kind="stable")
    classes, begin = np.unique(board.klass[order], return_index=True)
    ends = np.append(begin[1:], len(order))
    for i in np.argsort(-np.ptp(board.lacks[classes], axis=1), kind="stable").tolist():
        units = order[begin[i] : ends[i]]
        for _ in range(SWAPS):
            if not _try_swap(board, int(classes[i]), board.group[units], board.size[units]):
                break


def _try_swap(board: _Board, klass: int, groups: Ints, size: Ints) -> bool:
    lacks, open_ = board.lacks[klass], np.flatnonzero(board.allowed[klass]).tolist()
    pairs = [(lacks[q] - lacks[p], p, q) for p in open_ for q in open_]
    return any(
        _try_pair(board, groups, size, here, there)
        for apart, here, there in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))
        if apart > 1 + _EPSILON
    )


def _try_pair(board: _Board, groups: Ints, size: Ints, here: int, there: int) -> bool:
    """Swap the two groups for which that helps most, one of each place."""
    place = board.place[groups]
    leave, leave_class, leave_all, leave_size = _cheapest(
        board, groups[place == here], size[place == here], there
    )
    come, come_class, come_all, come_size = _cheapest(
        board, groups[place == there], size[place == there], here
    )
    # What both hold of this class does not move; what they share of others only helps more.
    both = 4 * leave_size[:, None] * come_size[None, :]
    of_class = leave_class[:, None] + come_class[None, :] - both
    total = leave_all[:, None] + come_all[None, :] - both
    good = (of_class < -_EPSILON) & (total < -_EPSILON)
    for flat in np.argsort(np.where(good, total, np.inf), axis=None, kind="stable")[:4].tolist():
        a, b = divmod(flat, len(come))
        if good[a, b] and _may_swap(board, int(leave[a]), int(come[b])):
            board.go(int(leave[a]), there)
            board.go(int(come[b]), here)
            return True
    return False


def _cheapest(
    board: _Board, groups: Ints, size: Ints, there: int
) -> tuple[Ints, Floats, Floats, Ints]:
    """Of these groups those that cost least to move: both costs, and their sizes in the class."""
    of_class, total = board.costs(groups, there)
    few = np.argsort(total, kind="stable")[:TRIED]
    return groups[few], of_class[few], total[few], size[few]


def _may_swap(board: _Board, one: int, other: int) -> bool:
    ours, theirs = board.classes(one), board.classes(other)
    here, there = int(board.place[one]), int(board.place[other])
    stay_here = (board.holders[ours, here] > 1) | np.isin(ours, theirs)
    stay_there = (board.holders[theirs, there] > 1) | np.isin(theirs, ours)
    free = board.allowed[ours, there].all() and board.allowed[theirs, here].all()
    return bool(free and stay_here.all() and stay_there.all())
