"""Shifts: how far odds are off, in all and for the images of one arrival.

Answers to images of one place tell most of that place: where a memory card held nothing but
rubbish, its next image is rubbish too, and the photos beside it are none the worse. So the images
of each group have a shift of their own around the common one, and a group with few answers keeps
near to that (partial pooling: A. Gelman and J. Hill, "Data Analysis Using Regression and
Multilevel/Hierarchical Models", 2007, chapter 12).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.queues.expectations.logistic import chance_of, log_odds

Floats = NDArray[np.float64]

_STEPS = 50
_STILL = 1e-8


@dataclass(frozen=True)
class Shifts:
    """What is added to the logarithm of odds; made by `shifts`.

    Attributes
    ----------
    common : float
        For all images.
    own : mapping of str to float
        By group, for its images beside the common one; a group that is not there has none.
    """

    common: float = 0.0
    own: Mapping[str, float] = field(default_factory=dict)

    def of(self, chance: pd.Series, groups: pd.Series) -> pd.Series:
        """Correct chances.

        Parameters
        ----------
        chance : Series of float
            Between 0 and 1; what is missing stays so.
        groups : Series of str
            The group of each, indexed alike.

        Returns
        -------
        Series of float
            Between 0 and 1; within a group in the same order as before.
        """
        there = chance.notna()
        own = groups[there].map(dict(self.own)).astype("float64").fillna(0.0).to_numpy()
        odds = log_odds(chance[there].to_numpy("float64")) + self.common + own
        said = pd.Series(chance_of(odds), chance.index[there], name=chance.name)
        return said.reindex(chance.index)


def shifts(chance: pd.Series, hit: pd.Series, groups: pd.Series) -> Shifts:
    """Say by how much the logarithm of odds is off, in all and in each group.

    Parameters
    ----------
    chance : Series of float
        How likely each was to hit; rows where it is missing are passed by.
    hit : Series of bool
    groups : Series of str
        All indexed alike; the order of rows does not matter.

    Returns
    -------
    Shifts
        The mode of the posterior, where the common shift and those of groups have normal priors of
        standard deviation 1 around 0.
    """
    rows = pd.DataFrame({"chance": chance, "hit": hit, "group": groups.astype(str)})
    # Sums of floats depend on their order, and the order of rows must not matter.
    rows = rows.dropna(subset="chance").sort_values(["group", "chance", "hit"])
    if rows.empty:
        return Shifts()
    names, code = np.unique(rows["group"].to_numpy(object).astype(str), return_inverse=True)
    odds, came = log_odds(rows["chance"].to_numpy("float64")), rows["hit"].to_numpy("float64")
    common, own = _mode(odds, came, code, len(names))
    return Shifts(common, dict(zip(names.tolist(), own.tolist(), strict=True)))


def _mode(odds: Floats, came: Floats, code: NDArray[np.int64], groups: int) -> tuple[float, Floats]:
    """Climb by Newton's steps; the shifts of groups touch each other only by the common one."""

    def loss(common: float, own: Floats) -> float:
        at = odds + common + own[code]
        prior = (common * common + own @ own) / 2
        return float(np.logaddexp(0, at).sum() - at @ came + prior)

    common, own = 0.0, np.zeros(groups)
    for _ in range(_STEPS):
        chance = chance_of(odds + common + own[code])
        slope = np.bincount(code, came - chance, groups)
        bend = np.bincount(code, chance * (1 - chance), groups)
        down = slope - own
        step = (slope.sum() - common - (bend * down / (1 + bend)).sum()) / (
            1 + (bend / (1 + bend)).sum()
        )
        each = (down - bend * step) / (1 + bend)
        size = max(abs(step), np.abs(each).max())
        # A whole step may jump far over the mode where the chances are near 0 or 1.
        while loss(common + step, own + each) > loss(common, own) and size > _STILL:
            step, each, size = step / 2, each / 2, size / 2
        common, own = common + float(step), own + each
        if size < _STILL:
            break
    return common, own
