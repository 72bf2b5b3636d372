"""Which images are kept of a class (or sub-class) that has more than its max-count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core import chance
from curate.core.cutoffs import distinct, most_staged
from curate.core.errors import InputError, PolicyError
from curate.splits.groups import Ties
from curate.splits.policy import SplitPolicy
from curate.splits.tables import Bools, Floats, Ints, Rows, as_bools

_Hashes = NDArray[np.uint64]

_FARTHEST = 64
_OLD_REAL, _OLD_STAGED, _NEW_REAL, _NEW_STAGED = range(4)


@dataclass(frozen=True)
class Candidates:
    """The images of the classes that have too many, less the frozen ones; one entry an image.

    Attributes
    ----------
    kind : int array
        The class or sub-class.
    tier : int array
        What comes first whatever the rule: old before new, then real before staged.
    group : int array
        The group.
    drawn : float array
        The draw of the group, in [0, 1).
    room : int array
        How many images of the candidate's class can be kept.
    evidence : Series or None
        The column that the rule reads, of the candidates.
    settled : tuple of int array and Series or None
        The class of each frozen image, and its evidence.
    """

    kind: Ints
    tier: Ints
    group: Ints
    drawn: Floats
    room: Ints
    evidence: pd.Series | None
    settled: tuple[Ints, pd.Series | None]


def diverse(candidates: Candidates) -> Floats:
    """One image of every group before a second of any; where hashes are, the unlike ones first."""
    order = np.lexsort((candidates.tier,))
    turn = np.empty(len(order), dtype=np.int64)
    pair = _codes(candidates.kind, candidates.group)
    turn[order] = _rank(pair[order])
    fallback = turn + candidates.drawn
    if candidates.evidence is None or not candidates.evidence.notna().any():
        return fallback
    hashes, hashed = _hashes(candidates.evidence)
    place = fallback + candidates.room
    kinds, evidence = candidates.settled
    frozen, frozen_hashed = _hashes(evidence) if evidence is not None else (hashes[:0], hashed[:0])
    for members in _by(candidates.kind):
        kind = candidates.kind[members[0]]
        place[members] = _farthest_first(
            hashes[members],
            hashed[members],
            frozen[(kinds == kind) & frozen_hashed],
            candidates.tier[members],
            candidates.group[members],
            place[members],
            int(candidates.room[members[0]]),
        )
    return place


def newest(candidates: Candidates) -> Floats:
    """The latest first; those without a time last."""
    taken = _present(candidates.evidence)
    times = pd.to_datetime(taken, errors="coerce", utc=True, format="ISO8601")
    odd = taken[taken.notna() & times.isna()]
    if len(odd):
        raise InputError(
            f"taken {odd.iloc[0]!r}",
            f"{len(odd)} images have a time that is not written as ISO 8601 says",
            "Write it like 2024-05-31T14:00:00, or leave it empty.",
        )
    seconds = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return _last_first(np.asarray(seconds, dtype=np.float64), candidates.drawn)


def quality(candidates: Candidates) -> Floats:
    """The best first; those without a quality last."""
    values = pd.to_numeric(_present(candidates.evidence))
    return _last_first(values.to_numpy(np.float64, na_value=np.nan), candidates.drawn)


def random(candidates: Candidates) -> Floats:
    """By chance, group by group, so that a group is kept whole if possible."""
    return candidates.drawn


KEEP: Mapping[str, Callable[[Candidates], Floats]] = {
    "diverse": diverse,
    "newest": newest,
    "quality": quality,
    "random": random,
}
"""The rules: candidates in, a number for each out; of equals in class and tier the lowest stays."""

COLUMN = {"diverse": "phash", "newest": "taken", "quality": "quality"}
"""The column of the table of images that a rule reads."""

_REMEDY = {
    "newest": "Scan photos that carry their time in EXIF, or give --keep diverse.",
    "quality": "Scan again to have the quality measured, or give --keep diverse.",
}


def check_evidence(rows: Rows, policy: SplitPolicy) -> None:
    """Refuse a rule whose column is absent or holds nothing.

    Raises
    ------
    PolicyError
        It is.
    """
    if policy.keep in _REMEDY and (rows.evidence is None or not rows.evidence.notna().any()):
        raise PolicyError(
            f"keep {policy.keep}",
            f"no image has a value in the column {COLUMN[policy.keep]!r}",
            _REMEDY[policy.keep],
        )


def at_most(
    cap: int,
    floor: int,
    kind: Ints,
    left: Bools,
    rows: Rows,
    group: Ints,
    ties: Ties,
    policy: SplitPolicy,
) -> Bools:
    """Keep at most so many images of each kind.

    The frozen benchmark comes first (it is never cut); then one image each of as many units as the
    min-count needs; then what was assigned before, then real before staged and synthetic, and
    among equals what the policy's rule puts first.

    Parameters
    ----------
    cap, floor : int
        The max-count, and the min-count that what is kept must go on reaching.
    kind : int array
        The class or sub-class of each image; where -1, it is not capped.
    left : bool array
        The images to choose from.
    rows, group, ties, policy
        As they are; `group` is the group of each image.

    Returns
    -------
    bool array
        The images that are kept, a part of `left`.
    """
    kinds = int(kind.max(initial=-1)) + 1
    frozen = rows.frozen & (kind >= 0)
    room = np.maximum(cap - np.bincount(kind[frozen], minlength=kinds), 0)
    wanted = np.bincount(kind[left & ~rows.frozen & (kind >= 0)], minlength=kinds)
    who = np.flatnonzero(left & ~rows.frozen & np.append(wanted > room, False)[kind])
    if not len(who):
        return left
    groups, of_group = np.unique(group[who], return_inverse=True)
    real, old = rows.real[who], ties.anchored[who]
    tier = np.select(
        [old & real, old, real], [_OLD_REAL, _OLD_STAGED, _NEW_REAL], default=_NEW_STAGED
    )
    evidence = rows.evidence
    candidates = Candidates(
        kind=kind[who],
        tier=tier,
        group=group[who],
        drawn=chance.fractions(policy.seed, rows.ids[groups], "keep")[of_group],
        room=room[kind[who]],
        evidence=None if evidence is None else evidence.iloc[who],
        settled=(kind[frozen], None if evidence is None else evidence[frozen]),
    )
    place = KEEP[policy.keep](candidates)
    urgent = np.zeros(len(who), dtype=np.bool_)
    if floor:
        unit = group if policy.count == "groups" else np.arange(len(group), dtype=np.int64)
        counts = frozen & left & rows.real
        most = most_staged(floor, policy.staged_share)
        singly = np.bincount(kind[counts], minlength=kinds)
        pairs = distinct(_pairs(kind[counts], unit[counts]))
        has = np.bincount(pairs // _WIDE, minlength=kinds)
        here = ~np.isin(_pairs(kind[who], unit[who]), _pairs(kind[counts], unit[counts]))
        needed, lacking = floor - has, floor - singly
        urgent = _urgent(candidates, place, unit[who], here, needed, lacking, most)
    first = np.where(urgent, -1, tier)
    kept = left.copy()
    order = np.lexsort((place, first, candidates.kind))
    kept[who[order]] = _rank(candidates.kind[order]) < candidates.room[order]
    return kept


def _urgent(
    candidates: Candidates,
    place: Floats,
    unit: Ints,
    fresh: Bools,
    needed: Ints,
    lacking: Ints,
    most: int,
) -> Bools:
    """One image each of the units that bring a class to its min-count.

    Old staged images must not crowd out the new real ones that carry the class over it, and several
    images of one group must not crowd out another group. But new images are only urgent where the
    old ones, counted one by one, do not suffice: what was assigned stays.
    """
    kind, tier = candidates.kind, candidates.tier
    old = as_bools(tier <= _OLD_STAGED)
    staged = as_bools((tier == _OLD_STAGED) | (tier == _NEW_STAGED))
    # The first image of a unit stands for it.
    order = np.lexsort((place, tier, unit, kind))
    pair = _pairs(kind[order], unit[order])
    heads = order[np.append(True, pair[1:] != pair[:-1])]
    heads = heads[fresh[heads]]
    heads = heads[np.lexsort((place[heads], tier[heads], kind[heads]))]
    heads = heads[~staged[heads] | (_rank(kind[heads] * 2 + staged[heads]) < most)]

    real, others = (np.bincount(kind[old & m], minlength=len(needed)) for m in (~staged, staged))
    missing = lacking - real - np.minimum(others, most)
    allowed = np.where(old[heads], needed[kind[heads]], missing[kind[heads]])
    urgent = np.zeros(len(kind), dtype=np.bool_)
    urgent[heads[_rank(kind[heads] * 2 + old[heads]) < allowed]] = True
    return urgent


def _farthest_first(
    hashes: _Hashes,
    hashed: Bools,
    frozen: _Hashes,
    tier: Ints,
    group: Ints,
    fallback: Floats,
    room: int,
) -> Floats:
    """The order in which images are taken, each the farthest from all that are taken already.

    Tiers come one after the other, and groups in turns: an image waits while another group has
    been drawn on less often. Among equals the fallback decides, and it places what is left over.
    """
    n = len(hashes)
    _, mates, size = np.unique(group, return_inverse=True, return_counts=True)
    crowd = size[mates] > 1
    ranked = np.empty(n, dtype=np.int64)
    ranked[np.argsort(fallback, kind="stable")] = np.arange(n)
    nearest = np.where(hashed, np.uint8(_FARTHEST + 1), np.uint8(0)).astype(np.uint8)
    for one in frozen:
        np.minimum(nearest, np.bitwise_count(hashes ^ one), out=nearest)
    # One number holds tier, turn, likeness and rank, so that one minimum finds the next image.
    step = np.int64(n) * 128
    waits = tier * (step * (n + 1)) + ranked + (_FARTHEST + 1) * np.int64(n)
    place = fallback.copy()
    for taken in range(min(room, n)):
        i = int(np.argmin(waits - nearest * np.int64(n)))
        place[i] = taken
        if crowd[i]:
            waits[mates == mates[i]] += step
        waits[i] = np.iinfo(np.int64).max
        if hashed[i]:
            np.minimum(nearest, np.bitwise_count(hashes ^ hashes[i]), out=nearest)
    return place


def _hashes(evidence: pd.Series) -> tuple[_Hashes, Bools]:
    hashed = evidence.notna().to_numpy()
    values = np.zeros(len(evidence), dtype=np.uint64)
    values[hashed] = [int(value) % 2**64 for value in evidence[hashed]]
    return values, hashed


def _present(evidence: pd.Series | None) -> pd.Series:
    if evidence is None:
        raise ValueError("check_evidence comes first")
    return evidence


def _last_first(values: Floats, drawn: Floats) -> Floats:
    """Places by falling value, missing values last; groups by chance among equals."""
    missing = np.isnan(values)
    order = np.lexsort((drawn, -np.where(missing, 0.0, values), missing))
    place = np.empty(len(values), dtype=np.float64)
    place[order] = np.arange(len(values))
    return place


_WIDE = 1 << 31


def _pairs(kind: Ints, other: Ints) -> Ints:
    """One number for two; rows and classes are fewer than two thousand million."""
    return kind * _WIDE + other


def _codes(kind: Ints, other: Ints) -> Ints:
    return np.asarray(np.unique(_pairs(kind, other), return_inverse=True)[1], dtype=np.int64)


def _rank(within: Ints) -> Ints:
    """The place of each entry among the equal ones; stable, and `within` need not be sorted."""
    order = np.argsort(within, kind="stable")
    ordered = within[order]
    rank = np.empty(len(within), dtype=np.int64)
    rank[order] = np.arange(len(within)) - np.searchsorted(ordered, ordered)
    return rank


def _by(kind: Ints) -> list[Ints]:
    """The entries of each kind."""
    order = np.argsort(kind, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(kind[order])) + 1)
