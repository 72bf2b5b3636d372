"""Like rejected: how much nearer to rejected images than to wanted ones an image lies.

How much is enough is learnt from the library's own answers: every wanted image is asked as if it
lay in the pool and nobody had labelled its class. Nothing goes where one of those would go; and
nothing goes where too few people have looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.core import chance
from curate.core.losses import bounds
from curate.core.names import UNKNOWN
from curate.models import novelty
from curate.models.novelty import Novelty

NEAREST = 3
"""So many rejected images must be near: the nearest ones count no more than this one."""

SHARP = 30.0
"""A cosine that is higher by its inverse counts e times as much: the nearest images decide."""

LEAST_REJECTED, LEAST_WANTED = 30, 300
"""Of fewer, nobody can say how alike they are."""

SPARSE = 0.02
"""So large a share of the rejected images lies too far from the others to say anything."""

TAIL, ONE_IN = 30, 20_000
"""The border: of so many wanted images of new classes one would go, by a tail fitted to the `TAIL`
that come nearest to rejected images."""

LOOKS = 30
"""So many looks at images that lie together, at most four times as many with them."""

MOST_REJECTED, MOST_WANTED, MOST_TESTED, PER_CLASS = 5_000, 20_000, 5_000, 64
"""Of more, so many are drawn by chance: to compare with, to try, and of a class to describe it."""

_BLOCK = 1024
_ROUNDING = 1e-5

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Learnt:
    """What the answers so far say of images like those that were rejected.

    Attributes
    ----------
    described : Novelty
        What differs between images of one class, and so does not count.
    rejected, wanted : ndarray of float32, shapes (R, D) and (M, D)
        Features of decided images, whitened, of length 1.
    even : float
        Makes up for there being more wanted images than rejected ones.
    dense : float
        Rejected images are as near to each other as this (cosine), but for `SPARSE` of them.
    border : float
        An image must score more than this: than every wanted image that was tried.
    tested : int
        Wanted images that were tried.
    own : DataFrame
        image_id, score and looked (bool): the rejected images beyond the border, were they in the
        pool.
    """

    described: Novelty
    rejected: _Floats
    wanted: _Floats
    even: float
    dense: float
    border: float
    tested: int
    own: pd.DataFrame

    def scores(self, features: NDArray[Any]) -> _Floats:
        """Say how much nearer to rejected images than to wanted ones images lie.

        Parameters
        ----------
        features : ndarray of float, shape (N, D)
            Of the same model.

        Returns
        -------
        ndarray of float32, shape (N,)
            A difference of cosines, softened. -inf for what is near to no rejected image: most of
            a pool is never compared with wanted images.
        """
        found = np.full(len(features), -np.inf, np.float32)
        for begin in range(0, len(features), _BLOCK):
            rows = self.described.whitened(features[begin : begin + _BLOCK])
            near, third = _near(rows, self.rejected)
            some = np.flatnonzero(third >= self.dense)
            away = near[some] - _wanted(rows[some], self.wanted)
            found[begin + some] = away + self.even - _ROUNDING
        return found

    @property
    def told(self) -> str:
        """What was tried, for people."""
        high = float(bounds(np.array([0]), np.array([self.tested]))[1][0])
        return (
            f"tried on {self.tested:,} wanted images beside {len(self.rejected):,} rejected ones: "
            f"none would go, were its class new, so of others like them at most {high:.2%}"
        )


def learn(decided: pd.DataFrame, features: NDArray[Any]) -> Learnt | str:
    """Learn from the answers so far which images are surely like rejected ones.

    Parameters
    ----------
    decided : DataFrame
        image_id, label (a class or *unknown*; missing where there is none), rejected (bool), group
        (of near-duplicates), run_id (that predicted it) and label_run (that decided it). An image
        that is labelled and rejected says nothing.
    features : ndarray of float, shape (len(decided), D)
        In the same order, all of one model.

    Returns
    -------
    Learnt or str
        Why nothing can be said, where the answers are too few.

    Notes
    -----
    The score is the difference of two log-sums of ``exp(SHARP * cosine)``, as of a kernel density
    of each kind. Each wanted image is tried against all that are neither its near-duplicates nor of
    its class, as images of a class that nobody labelled yet have no like in the library. Beyond the
    highest of these an exponential tail is assumed (J. Pickands, "Statistical Inference Using
    Extreme Order Statistics", Annals of Statistics 3, 1975, with shape 0).
    """
    fine = np.isfinite(features).all(axis=1) & (features != 0).any(axis=1)
    draw = chance.fractions(0, decided["image_id"].astype(str), "like-rejected")
    group = pd.factorize(decided["group"])[0]
    table = decided.assign(draw=draw, at=np.arange(len(decided)), group=group)[fine]
    table = table.sort_values("draw")
    away, labelled = table["rejected"].astype(bool), table["label"].notna()
    # One of a group: three frames of a moment are no three witnesses.
    rejected = table[away & ~labelled].drop_duplicates("group").head(MOST_REJECTED)
    # What people saw and kept is always among those that are tried.
    kept_now = (table["label_run"] > table["run_id"]).rename("kept_now")
    wanted = table[labelled & ~away]
    wanted = wanted.loc[kept_now[wanted.index].sort_values(ascending=False, kind="stable").index]
    wanted = wanted.head(MOST_WANTED)
    for found, least, what in (
        (rejected, LEAST_REJECTED, "rejected images, near-duplicates counted once,"),
        (wanted, LEAST_WANTED, "labelled images"),
    ):
        if len(found) < least:
            return f"{len(found):,} {what} have features, and it takes {least:,}"
    classes = wanted[wanted["label"] != UNKNOWN].groupby("label").head(PER_CLASS)
    known = features[classes["at"]]
    if not len(known):
        return "no image has a class, and it takes some"
    described = novelty.fit(known, pd.factorize(classes["label"])[0].astype(np.int64), known)
    thrown = described.whitened(features[rejected["at"]])
    kept = described.whitened(features[wanted["at"]])
    even = float(np.log(len(kept) / len(thrown)) / SHARP)
    groups, of_thrown = (part["group"].to_numpy(np.int64) for part in (wanted, rejected))
    among, third = _near(thrown, thrown, of_thrown, of_thrown)
    dense = max(float(np.quantile(third, SPARSE)), 0.0)
    # Images of the label *unknown* are of no class, and so of none that can be hidden.
    own = wanted["label"].where(wanted["label"] != UNKNOWN, "\n" + wanted["group"].astype(str))
    tried = kept[:MOST_TESTED]
    near, _ = _near(tried, thrown, groups, of_thrown)
    beyond = near - _wanted(tried, kept, groups, pd.factorize(own)[0].astype(np.int64)) + even
    border = _border(beyond)
    score = among - _wanted(thrown, kept) + even - _ROUNDING
    goes = (third >= dense) & (score > border)
    mine = pd.DataFrame(
        {
            "image_id": rejected["image_id"].to_numpy(object)[goes],
            "score": score[goes].astype(np.float64),
            "looked": (rejected["label_run"] > rejected["run_id"]).to_numpy(bool)[goes],
        }
    )
    return Learnt(described, thrown, kept, even, dense, border, len(tried), mine)


def reached(pool: NDArray[Any], looked: NDArray[Any]) -> tuple[float, int]:
    """Say how deep the looks of people reach: no image goes below.

    Parameters
    ----------
    pool, looked : ndarray of float, shapes (N,) and (L,)
        Scores beyond the border: of images of the pool, and of those that people looked at, all of
        which they rejected.

    Returns
    -------
    lowest : float
        The lowest score that goes; inf where nothing does. It is the lowest look of the first
        `LOOKS` that lie among four times as many images. Were the place chosen before the looks,
        at most 10 % of it would be wanted (rule of three), and less of what is above.
    lacking : int
        So many more looks right above the border would have all go.
    """
    scores = np.concatenate([pool, looked])
    order = np.argsort(scores, kind="stable")
    seen = np.concatenate([[0], np.cumsum((np.arange(len(scores)) >= len(pool))[order])])
    begin = np.arange(len(scores))
    inside = seen[np.minimum(begin + 4 * LOOKS, len(scores))] - seen[begin]
    enough = np.flatnonzero(inside >= LOOKS)
    lowest = float(np.sort(looked)[seen[enough[0]]]) if len(enough) else np.inf
    waits = bool((pool < lowest).any())
    return lowest, max(1, LOOKS - int(inside[0])) if waits else 0


def _border(beyond: _Floats) -> float:
    """Give the score that one of `ONE_IN` wanted images would have, or the highest of these."""
    ordered = np.sort(beyond.astype(np.float64))[::-1]
    if not np.isfinite(ordered[0]):
        return np.inf
    tail = min(TAIL, len(ordered) // 10)
    excess = float((ordered[:tail] - ordered[tail]).mean())
    return float(max(ordered[0], ordered[tail] + excess * np.log(ONE_IN * tail / len(ordered))))


def _near(
    rows: _Floats, rejected: _Floats, own: _Ints | None = None, theirs: _Ints | None = None
) -> tuple[_Floats, _Floats]:
    """Say how near rows are to rejected images, and the cosine to the `NEAREST`-th nearest one.

    With the groups of the rows and of the rejected images, those of its own do not count.
    """
    near, last = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), _BLOCK):
        cosines = rows[begin : begin + _BLOCK] @ rejected.T
        part = slice(begin, begin + len(cosines))
        if own is not None and theirs is not None:
            cosines[own[part, np.newaxis] == theirs] = -np.inf
        last[part] = np.partition(cosines, -NEAREST, axis=1)[:, -NEAREST]
        near[part] = _summed(np.minimum(cosines, last[part, np.newaxis]))
    return near, last


def _wanted(rows: _Floats, wanted: _Floats, *parts: _Ints) -> _Floats:
    """Say how near rows are to wanted images; -inf where there is none.

    With `parts`, numbers of the wanted images of which `rows` are the first: those that share one
    with a row do not count.
    """
    found = np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), _BLOCK):
        cosines = rows[begin : begin + _BLOCK] @ wanted.T
        for part in parts:
            cosines[part[begin : begin + len(cosines), np.newaxis] == part] = -np.inf
        found[begin : begin + len(cosines)] = _summed(cosines)
    return found


def _summed(cosines: _Floats) -> _Floats:
    """Give the log of the sum over each row, in the unit of cosines; overwrites them."""
    cosines *= np.float32(SHARP)
    sums = np.exp(cosines, out=cosines).sum(axis=1)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(sums) / np.float32(SHARP), np.float32)
