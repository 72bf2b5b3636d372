"""Whether it is the label that is wrong, where a model denies it.

A model that denies a label is more often wrong itself, as labels are mostly right. Its own errors
fall on classes that it mixes up in other images too; a label that slipped in by accident falls on
any class. So it is asked how much of the score of other labelled images goes from one of the two
classes to the other: the *kinship* of the two. What kinships the model's errors have, its second
classes tell, an error being as likely as the score says; what kinships accidents have, two classes
drawn by chance. Between these two, the share of accidents is the one that makes what was found
likeliest (expectation maximisation).

A wrong label between classes that look alike cannot be told from an error of the model by this; it
counts as the latter, until answers to the queue say otherwise (`yields`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EDGES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Kinships between two of these count as alike."""

STEPS = 100
"""Of expectation maximisation."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def mislabelled(labelled: pd.DataFrame, sure: pd.Series) -> pd.Series:
    """Estimate how likely labels are wrong that the model denies.

    Parameters
    ----------
    labelled : DataFrame
        image_id, label, predicted, score, second and second_score of images with a label that the
        model knows; one row an image, in any order.
    sure : Series of bool
        Indexed like these: where the score is such that it is asked. A model that is sure is wrong
        less often, and so are fewer of the labels that it denies right.

    Returns
    -------
    Series of float
        By image id, of those asked for whose label is not what is predicted: between 0 and 1.
    """
    rows = labelled.assign(sure=sure).sort_values("image_id", ignore_index=True)
    asked = rows["sure"].to_numpy(np.bool_)
    label, first = (rows[name].astype(object) for name in ("label", "predicted"))
    second = rows["second"].astype(object)
    names = pd.Index(pd.unique(pd.concat([label, first, second.dropna()])))
    own, one, other = (names.get_indexer(part).astype(np.int64) for part in (label, first, second))
    score = rows["score"].to_numpy("float64")
    less = rows["second_score"].fillna(0).to_numpy("float64")
    counts = np.bincount(own, minlength=len(names))
    kin = _Kin(len(names), counts, own, [(one, score), (other, less)])
    denied, agreed = asked & (own != one), asked & (own == one) & (other >= 0)
    # An error would show the second class, and be taken for the first, by its own share of score.
    errors = kin.of(own[agreed], other[agreed], less[agreed])
    by_error = _shares(np.bincount(_bin(errors), less[agreed], len(EDGES) + 1).astype(np.float64))
    by_accident = _shares(kin.of_any())
    found = _bin(kin.of(own[denied], one[denied], score[denied]))
    accident = np.full(denied.sum(), 0.5)
    for _ in range(STEPS):
        share = (accident.sum() + 0.5) / (len(accident) + 1)
        accidents, faults = share * by_accident[found], (1 - share) * by_error[found]
        accident = accidents / (accidents + faults)
    return pd.Series(accident, index=rows.loc[denied, "image_id"], name="mislabelled")


class _Kin:
    """How much of the score of labelled images goes from one class to another, by pairs."""

    def __init__(
        self, number: int, counts: _Ints, own: _Ints, parts: list[tuple[_Ints, _Floats]]
    ) -> None:
        self._number, self._counts = number, counts
        pairs, scores = [], []
        for to, share in parts:
            away = (to >= 0) & (to != own)
            pairs.append(self._pair(own[away], to[away]))
            scores.append(share[away])
        keys, at = np.unique(np.concatenate(pairs), return_inverse=True)
        self._keys = keys
        self._sums = np.bincount(at, np.concatenate(scores), len(keys))

    def of(self, one: _Ints, other: _Ints, without: _Floats) -> _Floats:
        """Give the kinship of pairs of classes, without what one image itself adds."""
        wanted = self._pair(one, other)
        at = np.searchsorted(self._keys, wanted)
        at[at == len(self._keys)] = 0
        there = self._keys[at] == wanted if len(self._keys) else np.zeros(len(wanted), bool)
        sums = np.where(there, self._sums[at] if len(self._keys) else 0.0, 0.0)
        images = np.maximum(self._counts[one] + self._counts[other] - 1, 1)
        # What is left of a difference of floats is nothing.
        return np.asarray(np.maximum(sums - without, 0) / images, np.float64)

    def of_any(self) -> _Floats:
        """Count the kinships of two classes that are drawn by chance, by `EDGES`."""
        one, other = self._keys // self._number, self._keys % self._number
        drawn = (self._counts[one] * self._counts[other]).astype(np.float64)
        images = np.maximum(self._counts[one] + self._counts[other] - 1, 1)
        counted = np.bincount(_bin(self._sums / images), drawn, len(EDGES) + 1)
        total = self._counts.sum() ** 2 - (self._counts**2).sum()
        # Most pairs of classes share no image at all.
        counted[0] += max(total / 2 - drawn.sum(), 0.0)
        return np.asarray(counted * len(self._keys) / max(counted.sum(), 1.0), np.float64)

    def _pair(self, one: _Ints, other: _Ints) -> _Ints:
        return np.minimum(one, other) * self._number + np.maximum(one, other)


def _bin(kinship: _Floats) -> _Ints:
    return np.digitize(kinship, EDGES).astype(np.int64)


def _shares(counted: _Floats) -> _Floats:
    # Half an image more each: what was never seen may still be.
    more = counted + 0.5
    return np.asarray(more / more.sum(), np.float64)
