"""Like-rejected: images that are near to several rejected images and to no wanted one.

How near is near is learnt from the library's own answers: every wanted image is asked as if it lay
in the pool. An image goes only where none of those would go.
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
"""So many rejected images must be nearer than any wanted one."""

LEAST_REJECTED, LEAST_WANTED = 30, 300
"""Of fewer, nobody can say how alike they are."""

SPARSE = 0.05
"""So large a share of the rejected images lies too far from the others to say anything."""

MOST_REJECTED, MOST_WANTED, MOST_TESTED, PER_CLASS = 5_000, 20_000, 5_000, 64
"""Of more, so many are drawn by chance: to compare with, to try, and of a class to describe it."""

COLUMNS = ("image_id", "like_rejected", "like_wanted")

_BLOCK = 2048
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
    dense : float
        Rejected images are as near to each other as this (cosine), but for `SPARSE` of them.
    margin : float
        So much nearer to the rejected images than to the nearest wanted one an image must be.
    tested : int
        Wanted images that were tried; none of them would go.
    own : DataFrame
        `COLUMNS`: the rejected images that would go, were they in the pool.
    """

    described: Novelty
    rejected: _Floats
    wanted: _Floats
    dense: float
    margin: float
    tested: int
    own: pd.DataFrame

    def named(self, image_ids: NDArray[Any], features: NDArray[Any]) -> pd.DataFrame:
        """Name the images that go.

        Parameters
        ----------
        image_ids : ndarray of str, shape (N,)
            Images of the pool.
        features : ndarray of float, shape (N, D)
            Of the same model.

        Returns
        -------
        DataFrame
            `COLUMNS`: like_rejected (cosine to the third nearest rejected image) and like_wanted
            (to the nearest wanted one). Most of the pool is never compared with wanted images.
        """
        tables = [pd.DataFrame(columns=list(COLUMNS))]
        for begin in range(0, len(image_ids), _BLOCK):
            rows = self.described.whitened(features[begin : begin + _BLOCK])
            near = _near(rows, self.rejected)
            some = np.flatnonzero(near >= self.dense)
            nearest = _nearest(rows[some], self.wanted)
            goes = near[some] - nearest > self.margin + _ROUNDING
            at = some[goes]
            if len(at):
                tables.append(_table(image_ids[begin + at], near[at], nearest[goes]))
        return pd.concat(tables[1:] or tables, ignore_index=True)

    @property
    def told(self) -> str:
        """What was tried, for people."""
        high = float(bounds(np.array([0]), np.array([self.tested]))[1][0])
        return (
            f"tried on {self.tested:,} wanted images beside {len(self.rejected):,} rejected ones: "
            f"none would go, were its class new, so of others like them at most {high:.2%}"
        )


def learn(decided: pd.DataFrame, features: NDArray[Any]) -> Learnt | str:
    """Learn from the answers so far which images of the pool are surely like rejected ones.

    Parameters
    ----------
    decided : DataFrame
        image_id, label (a class or *unknown*; missing where there is none), rejected (bool) and
        group (of near-duplicates). An image that is labelled and rejected says nothing.
    features : ndarray of float, shape (len(decided), D)
        In the same order, all of one model.

    Returns
    -------
    Learnt or str
        Why nothing can be said, where the answers are too few.

    Notes
    -----
    Each wanted image is tried against all that are neither its near-duplicates nor of its class,
    as images of a class that nobody labelled yet have no like in the library. The margin is such
    that none would go.
    """
    fine = np.isfinite(features).all(axis=1) & (features != 0).any(axis=1)
    draw = chance.fractions(0, decided["image_id"].astype(str), "like-rejected")
    table = decided.assign(draw=draw, at=np.arange(len(decided)))[fine].sort_values("draw")
    away, labelled = table["rejected"].astype(bool), table["label"].notna()
    # One of a group: three frames of a moment are no three witnesses.
    rejected = table[away & ~labelled].drop_duplicates("group").head(MOST_REJECTED)
    wanted = table[labelled & ~away].head(MOST_WANTED)
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
    described = novelty.fit(known, _numbers(classes["label"]), known)
    thrown = described.whitened(features[rejected["at"]])
    kept = described.whitened(features[wanted["at"]])
    among = _near(thrown, thrown, itself=True)
    dense = max(float(np.quantile(among, SPARSE)), 0.0)
    tested = wanted.head(MOST_TESTED)
    near = _near(kept[: len(tested)], thrown)
    groups = _numbers(wanted["group"])
    # Images of the label *unknown* are of no class, and so of none that can be hidden.
    own = wanted["label"].where(wanted["label"] != UNKNOWN, "\n" + wanted["group"].astype(str))
    beyond = near - _nearest(kept[: len(tested)], kept, groups, _numbers(own))
    margin = max(0.0, float(beyond.max()))
    nearest = _nearest(thrown, kept)
    goes = (among >= dense) & (among - nearest > margin + _ROUNDING)
    ids = rejected["image_id"].to_numpy(object)
    mine = _table(ids[goes], among[goes], nearest[goes])
    return Learnt(described, thrown, kept, dense, margin, len(tested), mine)


def _near(rows: _Floats, rejected: _Floats, itself: bool = False) -> _Floats:
    """Give the cosine to the `NEAREST`-th nearest rejected image, beside the row itself."""
    away = NEAREST + itself
    found = np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), _BLOCK):
        cosines = rows[begin : begin + _BLOCK] @ rejected.T
        if itself:
            at = np.arange(len(cosines))
            cosines[at, begin + at] = 2
        found[begin : begin + _BLOCK] = np.partition(cosines, -away, axis=1)[:, -away]
    return found


def _nearest(rows: _Floats, wanted: _Floats, *parts: _Ints) -> _Floats:
    """Give the cosine to the nearest wanted image; -1 where there is none.

    With `parts`, numbers of the wanted images of which `rows` are the first: those that share one
    with a row are left out.
    """
    found = np.full(len(rows), -1, np.float32)
    for begin in range(0, len(rows), _BLOCK):
        cosines = rows[begin : begin + _BLOCK] @ wanted.T
        for part in parts:
            cosines[part[begin : begin + len(cosines), np.newaxis] == part] = -1
        found[begin : begin + _BLOCK] = cosines.max(axis=1, initial=-1)
    return found


def _numbers(values: pd.Series) -> _Ints:
    return pd.factorize(values)[0].astype(np.int64)


def _table(image_ids: NDArray[Any], near: _Floats, nearest: _Floats) -> pd.DataFrame:
    values = (image_ids, near.astype(np.float64), nearest.astype(np.float64))
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
