"""Whether it is the label that is wrong, where a model denies it.

A model that denies a label is more often wrong itself, as labels are mostly right. Two things tell.

The score: a model errs less often, the surer it is; how often, a line through the odds of its
scores says. A wrong label does not depend on the score. So labels that are denied where errors have
long ceased are wrong (in psychophysics, such a floor under a curve is a rate of lapses: F. Wichmann
and N. Hill, Perception & Psychophysics 63, 2001).

And the two classes: errors of the model fall on classes that it mixes up in other images too. So it
is asked how much of the score of other labelled images goes from one of the two classes to the
other: the *kinship* of the two. What kinships the model's errors have, its second classes tell, an
error being as likely as the score says. A label is wrong by *accident*, and then the kinship is
that of two classes drawn by chance; or it is a *slip* between classes that are alike, and then the
kinship is that of an error.

How often each of the three happens, expectation maximisation finds: apart for images that the model
was trained on, as it is surer of these, and has learnt some of their wrong labels too. Where few
labels are denied, little is known, and what is said stays near one half.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.queues.expectations.logistic import line, log_odds

EDGES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Kinships between two of these count as alike."""

STEPS = 200
"""Of expectation maximisation, at most."""

_STILL = 1e-4
_FINE = 0.1
_MOST = 10.0

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def mislabelled(labelled: pd.DataFrame) -> pd.Series:
    """Estimate how likely labels are wrong that the model denies.

    Parameters
    ----------
    labelled : DataFrame
        image_id, label, predicted, score, second, second_score and split of images with a label
        that the model knows; one row an image, in any order.

    Returns
    -------
    Series of float
        By image id, of those whose label is not what is predicted: between 0 and 1.
    """
    three = [labelled[name].astype("str") for name in ("label", "predicted", "second")]
    codes, names = pd.factorize(pd.concat(three), sort=True)
    score = labelled["score"].to_numpy("float64")
    less = labelled["second_score"].fillna(0).to_numpy("float64")
    order = _order(score, less, *np.split(codes, 3))
    own, one, other = (part[order].astype(np.int64) for part in np.split(codes, 3))
    score, less = score[order], less[order]
    counts = np.bincount(own, minlength=len(names))
    kin = _Kin(len(names), counts, own, [(one, score), (other, less)])
    denied, agreed = own != one, (own == one) & (other >= 0)
    # An error would show the second class, and be taken for the first, by its own share of score.
    errors = kin.of(own[agreed], other[agreed], less[agreed])
    by_error = _shares(np.bincount(_bin(errors), less[agreed], len(EDGES) + 1).astype(np.float64))
    by_accident = _shares(kin.of_any())
    kinds = np.zeros((len(order), 2))
    found = _bin(kin.of(own[denied], one[denied], score[denied]))
    kinds[denied] = np.column_stack([by_accident[found], by_error[found]])
    trained = (labelled["split"] == "train").to_numpy(np.bool_)[order]
    wrong = np.zeros(len(order))
    for part in (trained, ~trained):
        wrong[part] = _wrong(log_odds(score[part]), denied[part], kinds[part])
    images = labelled["image_id"].iloc[order[denied]]
    return pd.Series(wrong[denied], index=images, name="mislabelled")


def _wrong(odds: _Floats, denied: NDArray[np.bool_], kinds: _Floats) -> _Floats:
    """Say how likely labels are wrong, of images whose model is of one mind about them.

    Parameters
    ----------
    odds : ndarray, shape (N,)
        Logarithms of the odds of the scores.
    denied : ndarray of bool, shape (N,)
    kinds : ndarray, shape (N, 2)
        How likely the kinship of the two classes is for an accident, and for an error or a slip.

    Returns
    -------
    ndarray, shape (N,)
        0 where the label is not denied.
    """
    # There may be very many images: the line is drawn through counts, as odds are rounded.
    at = np.rint(odds / _FINE).astype(np.int64) + round(_MOST / _FINE)
    there, at = np.unique(at, return_inverse=True)
    marks = there * _FINE - _MOST
    agreed = np.bincount(at[~denied], minlength=len(marks))
    both, right = np.tile(marks, 2), np.repeat([True, False], len(marks))
    odds_of, at_of = odds[denied], at[denied]
    # Of the three, two share a factor, which falls out.
    ratio = kinds[denied, 0] / kinds[denied, 1]
    error, accident, slip = np.full(len(ratio), 1 / 3), len(ratio) / 3, len(ratio) / 3
    for _ in range(STEPS):
        # Half an image of each: what was never seen may still be.
        accidents, slips = ((some + 0.5) / (len(odds) + 1) for some in (accident, slip))
        erred = np.bincount(at_of, error, len(marks))
        begin, slope = line(both, right, np.concatenate([agreed, erred]).astype(np.float64))
        faults = (1 - accidents - slips) / (1 + np.exp(begin + slope * odds_of))
        share = 1 / (ratio * accidents + slips + faults)
        before, error, slip = error, faults * share, slips * share.sum()
        accident = len(ratio) - slip - error.sum()
        if np.abs(error - before).max(initial=0) < _STILL:
            break
    wrong = np.zeros(len(odds))
    wrong[denied] = 1 - error
    return wrong


def _order(score: _Floats, *others: NDArray[Any]) -> _Ints:
    """Sort by scores, and equal ones by the others: so sums do not depend on the order of rows."""
    order = np.argsort(score)
    if (np.diff(score[order]) > 0).all():
        return order
    return np.lexsort((*others, score))


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
