"""How much a group of images is like a class: as tight as classes are, and as near to one of them.

A group that is large, dense and far from every class may be a new class, or a heap of what nobody
wants: photos from elsewhere are alike, too. What tells is what the labelled classes are like. Seen
from the others, each of them was once new: hide one, and its images still are so alike, and its
mean still lies so near to that of another class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.queues.filters.spread import directions

FEWEST = 3
"""Of fewer classes, nobody can say how much they differ."""

RARE = 0.1
"""Of rubbish, `p` is near 0: its density is RARE × p ** (RARE - 1). Where p is 0.5, a class is five
times as likely as rubbish, and where it is 0.01, six times less."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Likeness:
    """What labelled classes are like.

    Attributes
    ----------
    tight : ndarray of float, shape (K,)
        Of each class, the mean cosine of its images to the mean of its others.
    near : ndarray of float, shape (K,)
        The cosine of its mean to that of the nearest other class.
    """

    tight: NDArray[np.float64]
    near: NDArray[np.float64]

    def of(self, tight: float, near: float) -> float:
        """Say how likely it is that a group is a class and no rubbish, from 0 to 1.

        Parameters
        ----------
        tight, near : float
            The same two numbers of the group.

        Returns
        -------
        float
            One in two where neither is known (fewer than `FEWEST` classes).
        """
        odds = np.prod([_odds(value, of) for value, of in ((tight, self.tight), (near, self.near))])
        return float(odds / (1 + odds))


def learnt(taught: _Floats, numbers: NDArray[np.int64]) -> Likeness:
    """Learn from labelled images what classes are like.

    Parameters
    ----------
    taught : ndarray of float32, shape (M, D)
        Features of labelled images, of length 1; those of length 0 are passed by.
    numbers : ndarray of int64, shape (M,)
        The class of each. A class with one image says nothing.
    """
    fine = taught.any(axis=1)
    taught, numbers = taught[fine], np.unique(numbers[fine], return_inverse=True)[1]
    sums = np.zeros((numbers.max(initial=-1) + 1, taught.shape[1]), np.float32)
    np.add.at(sums, numbers, taught)
    counts = np.bincount(numbers)
    others = directions(sums[numbers] - taught)[0]
    alike = np.bincount(numbers, (others * taught).sum(axis=1)) / counts
    means = directions(sums)[0]
    between = means @ means.T
    np.fill_diagonal(between, -1)
    several = counts > 1
    return Likeness(alike[several], between.max(axis=1, initial=-1).astype(np.float64)[several])


def _odds(value: float, classes: NDArray[np.float64]) -> float:
    """How much likelier a class has so small a value, or a smaller one, than rubbish has.

    `p` is the share of classes with a smaller value, by the prediction interval of Student's t; of
    a further class every p is equally likely. That of rubbish is a beta distribution (S. Pounds and
    S. Morris, Bioinformatics 19, 2003).
    """
    if len(classes) < FEWEST:
        return 1.0
    width = classes.std(ddof=1) * np.sqrt(1 + 1 / len(classes))
    # Student's t; imported here, as most queues need none of it.
    from scipy.special import stdtr

    p = stdtr(len(classes) - 1, (value - classes.mean()) / max(width, 1e-6))
    return float(max(p, 1e-9) ** (1 - RARE) / RARE)
