"""All pairs of 64-bit hashes within a Hamming radius: every one, and no other.

Two hashes that differ in at most r bits cannot differ in many bits everywhere. Cut the bits into
chunks and give chunk i a threshold t_i so that the sum of all (t_i + 1) is more than r: then at
least one chunk differs in at most t_i bits. So only hashes whose chunks nearly agree are ever
compared, and none is missed (multi-index hashing: Norouzi, Punjani, Fleet, 2012).

For each chunk the hashes are sorted by its value. All of one value, a *bucket*, are compared with
all of every value at most t_i bits away, as blocks of an outer XOR that stay in the cache. A pair
that several chunks would find is kept by the first of them, so nothing needs to be made unique.

How many chunks, how wide, with which thresholds is a question of cost alone, never of the answer:
a model with measured constants picks the cheapest from a list that holds "compare everything" too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, combinations, pairwise
from math import comb, exp
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from curate.core.chance import generator
from curate.core.errors import InputError
from curate.engine.work import available_cores

BITS = 64

# A block of XORs (1 MB) and what is made of it fit the second-level cache.
_BLOCK = 1 << 17
# Of them, what stays in the first-level cache while the rows on the left pass.
_RIGHT = 1 << 12
# Neighbouring rows gathered at a time: 2 MB of positions and hashes.
_GATHER = 1 << 17
# Parts of the work are at least that many rows.
_PART = 1 << 10
_ROW_BITS = np.uint64(32)
_ROW_MASK = np.uint64((1 << 32) - 1)

# Seconds, each measured on its own; only the choice of a plan depends on them.
_PER_COMPARISON = 0.6e-9
_PER_BUCKET = 4e-6
_PER_NEIGHBOUR = 16e-9
_PER_GATHERED = 5e-9
_PER_SORTED = 50e-9
# A process needs some tenths of a second to start.
_WORTH_A_PROCESS = 0.5
# Below this, looking for a better plan takes longer than comparing everything.
_SMALL = 2e8


@dataclass(frozen=True)
class HashPairs:
    """Pairs of rows whose hashes are near, sorted by (`first`, `second`).

    All three have shape (n,): the row numbers of a pair, and how many of its bits differ.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Chunk:
    """Some bits of the hash (their positions), and by how many of them a pair may differ."""

    bits: tuple[int, ...]
    threshold: int

    @property
    def mask(self) -> np.uint64:
        """The chunk's bits, set."""
        return np.uint64(sum(1 << bit for bit in self.bits))


@dataclass(frozen=True)
class Plan:
    """Chunks that together miss no pair, and how long one core should need for them."""

    chunks: tuple[Chunk, ...]
    seconds: float = 0.0


Shape = tuple[tuple[int, int], ...]  # width and threshold of each chunk


@dataclass(frozen=True)
class _Buckets:
    """Hashes sorted by one chunk's value; bucket v is `starts[v]:starts[v + 1]`."""

    hashes: NDArray[np.uint64]
    rows: NDArray[np.uint64]
    starts: NDArray[np.int64]


def pairs_within(hashes: NDArray[np.uint64], radius: int, workers: int = 0) -> HashPairs:
    """Every unordered pair of hashes at most `radius` bits apart, once.

    The answer is as large as the number of pairs: 100,000 blank images with one hash are 5e9 of
    them. Where equal hashes may be many, ask for the distinct values and spread the answer
    afterwards; rows of one value are at distance 0 of each other and share all their neighbours::

        values, value_of = np.unique(hashes, return_inverse=True)
        pairs = pairs_within(values, radius)    # pairs of values, at distance 1 or more

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n,)
        One hash an image; equal ones are pairs at distance 0.
    radius : int
        The most bits that may differ, 0 to 64.
    workers : int
        The most processes to use; 0 for one a core. Short work stays in this one.

    Returns
    -------
    HashPairs
        `first` < `second`, both rows of `hashes`.

    Raises
    ------
    InputError
        When `hashes` is not one row of uint64, or `radius` is not in 0 to 64.
    """
    _check(hashes, radius)
    return search(hashes, None, radius, choose_plan(hashes, None, radius), workers)


def pairs_between(
    left: NDArray[np.uint64],
    right: NDArray[np.uint64],
    radius: int,
    workers: int = 0,
) -> HashPairs:
    """Every pair of a left and a right hash at most `radius` bits apart: new ones against all.

    Parameters
    ----------
    left, right : ndarray of uint64, shapes (n,) and (m,)
        Hashes; distinct values where equal ones may be many, as for `pairs_within`.
    radius, workers : int
        As for `pairs_within`.

    Returns
    -------
    HashPairs
        `first` is a row of `left`, `second` one of `right`; errors as for `pairs_within`.
    """
    _check(left, radius)
    _check(right, radius)
    return search(left, right, radius, choose_plan(left, right, radius), workers)


def choose_plan(left: NDArray[np.uint64], right: NDArray[np.uint64] | None, radius: int) -> Plan:
    """The cheapest plan by the model, judged on a sample of the hashes; no `right`: within `left`.

    The most balanced bits are dealt to the chunks in turn, so that neighbouring bits, which tend
    to agree, fall into different chunks. What share of all pairs a chunk would compare is read
    off a million sampled pairs: skewed hashes get the plan that suits them. One chunk without
    bits is one bucket with everything in it; it is the choice where nothing else is cheaper.
    """
    other = left if right is None else right
    pairs = len(left) * len(other) / (2 if right is None else 1)
    everything = Plan((Chunk((), 0),), _PER_COMPARISON * pairs)
    if pairs <= _SMALL:
        return everything
    draw = generator(0, "hamming sample")
    one = left[draw.integers(0, len(left), 1024)]
    two = other[draw.integers(0, len(other), 1024)]
    apart = np.bitwise_xor.outer(one, two).ravel()
    bits = np.unpackbits(one.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    order = np.argsort(np.abs(bits.mean(axis=0) - 0.5), kind="stable")

    def seconds(shape: Shape, shares: Sequence[float | np.floating]) -> float:
        total = 0.0
        for (width, threshold), share in zip(shape, shares, strict=True):
            ball = _ball(width, threshold)
            buckets = min(2**width, len(left))
            gathered = len(other) * ball * (1 - exp(-len(left) / 2**width))
            total += (
                _PER_COMPARISON * pairs * share
                + _PER_BUCKET * buckets
                + _PER_NEIGHBOUR * buckets * ball
                + _PER_GATHERED * gathered / (2 if right is None else 1)
                + _PER_SORTED * (len(left) + (0 if right is None else len(right)))
            )
        return float(total)

    def at_best(shape: Shape) -> float:
        return seconds(shape, [_ball(*chunk) / 2 ** chunk[0] for chunk in shape])

    # One shape of each number and width of chunks, the best if the bits were even, is looked at
    # closely: skewed bits want wider chunks than even ones.
    shapes: dict[tuple[int, int], Shape] = {}
    for shape in sorted(_shapes(radius, max(len(left), len(other))), key=at_best):
        shapes.setdefault((len(shape), shape[-1][0]), shape)
    plans = [everything]
    for shape in list(shapes.values())[:32]:
        chunks = _deal(order, shape)
        shares = [np.mean(np.bitwise_count(apart & c.mask) <= c.threshold) for c in chunks]
        plans.append(Plan(chunks, seconds(shape, shares)))
    return min(plans, key=lambda plan: plan.seconds)


def _ball(width: int, threshold: int) -> int:
    return sum(comb(width, flips) for flips in range(min(width, threshold) + 1))


def _shapes(radius: int, rows: int) -> Iterator[Shape]:
    """(width, threshold) of each chunk: thresholds as even as they can be, the larger ones wider.

    Every shape is complete: the sum of (threshold + 1) is radius + 1.
    """
    widest = max(1, rows).bit_length() + 1
    for count in range(1, min(radius + 1, 16) + 1):
        low, larger = divmod(radius - count + 1, count)
        for narrow in range(4, min(widest, BITS // count) + 1):
            for wide in range(narrow, narrow + 7) if larger else [narrow]:
                shape = ((wide, low + 1),) * larger + ((narrow, low),) * (count - larger)
                fits = sum(width for width, _ in shape) <= BITS and wide <= widest
                if fits and all(_ball(*chunk) <= 1 << 14 for chunk in shape):
                    yield shape


def _deal(order: NDArray[np.int64], shape: Shape) -> tuple[Chunk, ...]:
    """Chunks of that shape from the first bits of `order`, dealt by position in turn."""
    hands: list[list[int]] = [[] for _ in shape]
    turn = 0
    for bit in sorted(order[: sum(width for width, _ in shape)].tolist()):
        while len(hands[turn % len(shape)]) == shape[turn % len(shape)][0]:
            turn += 1
        hands[turn % len(shape)].append(bit)
        turn += 1
    return tuple(Chunk(tuple(h), threshold) for h, (_, threshold) in zip(hands, shape, strict=True))


def _check(hashes: NDArray[np.uint64], radius: int) -> None:
    if not isinstance(radius, int | np.integer) or not 0 <= radius <= BITS:
        raise InputError(
            f"radius {radius!r}", f"a radius is a whole number from 0 to {BITS}", "Choose another"
        )
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint64 or hashes.ndim != 1:
        met = f"{getattr(hashes, 'dtype', type(hashes).__name__)} {np.shape(hashes)}"
        raise InputError(f"hashes {met}", "hashes are one row of uint64", "Convert them")
    if len(hashes) >= 1 << 32:
        met = f"{len(hashes):,} hashes"
        raise InputError(met, "row numbers have 32 bits", "Search them in parts")


def search(
    left: NDArray[np.uint64],
    right: NDArray[np.uint64] | None,
    radius: int,
    plan: Plan,
    workers: int = 0,
) -> HashPairs:
    """The pairs of `pairs_within` (no `right`) or `pairs_between`, by a plan for that radius.

    The plan decides how long they take, not which they are, as long as it misses none.
    """
    processes = max(1, min(workers or available_cores(), int(plan.seconds / _WORTH_A_PROCESS)))
    part = max(_PART, len(left) // 64 + 1)
    # Threads were measured, too: two are no faster than one, as each call into numpy is short.
    with TemporaryDirectory(prefix="curate-hamming-") as name:
        folder = Path(name)
        if processes > 1:
            np.save(folder / "left.npy", left)
            if right is not None:
                np.save(folder / "right.npy", right)
            (folder / "plan.json").write_text(json.dumps([radius, part, asdict(plan)]))
        # As in the engine: they find what their parent found, and no `numpy.py` of the user's.
        path = os.pathsep.join(path for path in sys.path if path)
        command = [
            sys.executable,
            "-P",
            "-c",
            f"import {__name__} as m; m.help_with(*m.sys.argv[1:])",
        ]
        helpers = [
            subprocess.Popen(
                [*command, name, str(number)],
                env={**os.environ, "PYTHONPATH": path},
                stderr=subprocess.PIPE,
            )
            for number in range(1, processes)
        ]
        try:
            found = [_search_unclaimed(left, right, radius, plan.chunks, part, folder)]
            for number, helper in enumerate(helpers, 1):
                _, error = helper.communicate()
                if helper.returncode:
                    raise RuntimeError(f"a search process ended: {error.decode(errors='replace')}")
                found.append(np.load(folder / f"found-{number}.npy"))
        finally:
            for helper in helpers:
                helper.kill()
                helper.wait()
    keys = np.concatenate(found)
    del found
    keys.sort()
    first = (keys >> _ROW_BITS).astype(np.int64)
    second = (keys & _ROW_MASK).astype(np.int64)
    distance = np.bitwise_count(left[first] ^ (left if right is None else right)[second])
    return HashPairs(first, second, distance)


def help_with(folder: str, number: str) -> None:
    """What a further process does: search what is left of the work in `folder`."""
    place = Path(folder)
    radius, part, plan = json.loads((place / "plan.json").read_text())
    chunks = tuple(Chunk(tuple(chunk["bits"]), chunk["threshold"]) for chunk in plan["chunks"])
    left = np.load(place / "left.npy")
    right = np.load(place / "right.npy") if (place / "right.npy").exists() else None
    found = _search_unclaimed(left, right, radius, chunks, part, place)
    np.save(place / f"found-{number}.npy", found)


def _search_unclaimed(
    left: NDArray[np.uint64],
    right: NDArray[np.uint64] | None,
    radius: int,
    chunks: tuple[Chunk, ...],
    size: int,
    folder: Path,
) -> NDArray[np.uint64]:
    """Keys (first row, second row) of the parts that no other process has claimed."""
    found = [np.empty(0, np.uint64)]
    for place, chunk in enumerate(chunks):
        one: _Buckets | None = None
        for start in range(0, len(left), size):
            # A file is made by one process only: who makes it does the part.
            try:
                (folder / f"{place}-{start}").touch(exist_ok=False)
            except FileExistsError:
                continue
            if one is None:
                one = _sort(left, chunk)
                two = None if right is None else _sort(right, chunk)
            part = slice(start, min(start + size, len(left)))
            found.append(_search_part(one, two, part, radius, chunks[: place + 1]))
    return np.concatenate(found)


def _sort(hashes: NDArray[np.uint64], chunk: Chunk) -> _Buckets:
    keys = np.zeros(len(hashes), np.uint64)
    for place, bit in enumerate(chunk.bits):
        keys |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    counts = np.bincount(keys.view(np.int64), minlength=1 << len(chunk.bits))
    # Value and row in one number: sorting plain numbers is several times quicker than argsort.
    keys <<= _ROW_BITS
    keys |= np.arange(len(hashes), dtype=np.uint64)
    keys.sort()
    rows = keys & _ROW_MASK
    return _Buckets(hashes[rows.view(np.int64)], rows, np.concatenate([[0], np.cumsum(counts)]))


def _flips(chunk: Chunk) -> NDArray[np.int64]:
    """What to XOR a chunk value with to reach all values within the threshold; 0 comes first."""
    places = range(len(chunk.bits))
    picks = (combinations(places, flips) for flips in range(chunk.threshold + 1))
    return np.array([sum(1 << place for place in pick) for pick in chain(*picks)], np.int64)


def _search_part(
    left: _Buckets, right: _Buckets | None, part: slice, radius: int, chunks: tuple[Chunk, ...]
) -> NDArray[np.uint64]:
    """Keys of the pairs of those sorted rows of `left` that the last chunk is the first to find."""
    other, within = (left, True) if right is None else (right, False)
    found = [np.empty(0, np.uint64)]
    with np.errstate():
        # By default numpy copies short rows into a buffer before the XOR, at three times the
        # cost. The setting ends with the block.
        np.setbufsize(256)
        for buckets, bounds, near in _neighbours(left, right, part, _flips(chunks[-1])):
            near_hashes = other.hashes[near]
            pieces = _pieces(left, buckets, bounds, part, within)
            for one, place in _matches(left.hashes, near_hashes, pieces, radius):
                two = near[place]
                new = one < two if within else np.ones(len(one), np.bool_)
                apart = left.hashes[one] ^ near_hashes[place]
                for chunk in chunks[:-1]:
                    new &= np.bitwise_count(apart & chunk.mask) > chunk.threshold
                first, second = left.rows[one[new]], other.rows[two[new]]
                if within:
                    first, second = np.minimum(first, second), np.maximum(first, second)
                found.append((first << _ROW_BITS) | second)
    return np.concatenate(found)


def _neighbours(
    left: _Buckets, right: _Buckets | None, part: slice, flips: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Some buckets of the part at a time, and the sorted rows of `right` that each must meet.

    Yields buckets, bounds and rows: `rows[bounds[i]:bounds[i + 1]]` are bucket i's. Within one
    table they are the bucket's own rows in the part and after it, then those of higher buckets:
    each pair of buckets comes up once.
    """
    other = left if right is None else right
    first = int(np.searchsorted(left.starts, part.start, side="right")) - 1
    last = int(np.searchsorted(left.starts, part.stop, side="left"))
    filled = first + np.flatnonzero(np.diff(left.starts[first : last + 1]))
    step = max(1, _GATHER // len(flips))
    for group in (filled[place : place + step] for place in range(0, len(filled), step)):
        values = group[:, None] ^ flips
        starts = other.starts[values]
        counts = other.starts[values + 1] - starts
        if right is None:
            counts[values < group[:, None]] = 0
            done = np.maximum(part.start - starts[:, 0], 0)
            starts[:, 0] += done
            counts[:, 0] -= done
        filling = np.cumsum(counts.sum(axis=1)) // _GATHER
        edges = [0, *(np.flatnonzero(np.diff(filling)) + 1).tolist(), len(group)]
        for low, high in pairwise(edges):
            sizes = counts[low:high].ravel()
            ends = np.cumsum(sizes)
            shift = np.repeat(starts[low:high].ravel() - (ends - sizes), sizes)
            bounds = np.concatenate([[0], ends[len(flips) - 1 :: len(flips)]])
            yield group[low:high], bounds, shift + np.arange(len(shift))


def _pieces(
    left: _Buckets, buckets: NDArray[np.int64], bounds: NDArray[np.int64], part: slice, within: bool
) -> Iterator[tuple[int, int, int, int]]:
    """Rectangles of at most a block: rows of `left` from, to; neighbours from, to."""
    starts = np.maximum(left.starts[buckets], part.start).tolist()
    stops = np.minimum(left.starts[buckets + 1], part.stop).tolist()
    lows = bounds.tolist()
    for start, stop, low, high in zip(starts, stops, lows[:-1], lows[1:], strict=True):
        if (stop - start) * (high - low) <= _BLOCK:
            yield start, stop, low, high
            continue
        width = min(_RIGHT, high - low)
        height = _BLOCK // width
        for row in range(start, stop, height):
            # The neighbours begin with the bucket itself: what lies before has met this row.
            begin = low + row - start if within else low
            for column in range(begin, high, width):
                yield row, min(row + height, stop), column, min(column + width, high)


def _matches(
    left: NDArray[np.uint64],
    near: NDArray[np.uint64],
    pieces: Iterable[tuple[int, int, int, int]],
    radius: int,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places in `left` and in `near` of what is within the radius, block by block."""
    apart, counts = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint8)
    column = left[:, None]
    block: list[tuple[int, int, int, int]] = []
    used = 0
    for piece in pieces:
        start, stop, low, high = piece
        size = (stop - start) * (high - low)
        if used + size > _BLOCK:
            yield _within_block(apart[:used], counts[:used], block, radius)
            block, used = [], 0
        np.bitwise_xor(
            column[start:stop],
            near[low:high],
            out=apart[used : used + size].reshape(stop - start, high - low),
        )
        block.append(piece)
        used += size
    yield _within_block(apart[:used], counts[:used], block, radius)


def _within_block(
    apart: NDArray[np.uint64],
    counts: NDArray[np.uint8],
    block: list[tuple[int, int, int, int]],
    radius: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the matches lie, given the XORs of a block's pieces one after another."""
    np.bitwise_count(apart, out=counts)
    flat = np.flatnonzero(np.less_equal(counts, radius, out=counts.view(np.bool_)))
    if not len(flat):
        return flat, flat
    starts, stops, lows, highs = np.array(block).T
    widths = highs - lows
    ends = np.cumsum((stops - starts) * widths)
    piece = np.searchsorted(ends, flat, side="right")
    row, column = np.divmod(flat - ends[piece - 1] * (piece > 0), widths[piece])
    return starts[piece] + row, lows[piece] + column
