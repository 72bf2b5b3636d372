"""Homes: how much images are at home where a model puts them, known ones and all others.

Affinities (`affinity`) of known images and of others are two normal distributions. Held-out images
tell what the first is like. The second begins with labelled images of classes that the model lacks,
and is found with what else the pool is made of (`makeup`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.queues.expectations.normal import Floats, Normal, fitted

AT_HOME = 0.1
"""Above this, an affinity tells nothing more: the pool has few images of that class."""

FEW = 30
"""With fewer held-out images that have an affinity nothing is told."""

APART = 2.0
"""Before any is known, others are believed to be less at home by so many standard deviations."""

_ANYWHERE = Normal(np.zeros(1), np.full((1, 1), 0.01))


@dataclass(frozen=True, eq=False)
class Homes:
    """How much images are at home; made by `homes`.

    Attributes
    ----------
    known, others : Normal
        Of affinities.
    """

    known: Normal = _ANYWHERE
    others: Normal = _ANYWHERE

    def speak_for_known(self, rows: pd.DataFrame) -> Floats:
        """Give the logarithm of how much likelier an affinity is of a known image than of another.

        Parameters
        ----------
        rows : DataFrame
            affinity of images.

        Returns
        -------
        ndarray, shape (N,)
            0 where the affinity is missing.
        """
        near, told = _affinity(rows)
        logs = np.zeros(len(rows))
        logs[told] = self.known.log_density(near) - self.others.log_density(near)
        return logs

    def again(self, lacks: pd.DataFrame, pool: pd.DataFrame, others: Floats) -> Homes:
        """Look at the others anew.

        Parameters
        ----------
        lacks, pool : DataFrame
            affinity of images of classes that the model lacks, and of the pool.
        others : ndarray, shape (len(pool),)
            How likely each of the pool is not known.
        """
        if self.known is _ANYWHERE:
            return self
        near, told = _affinity(pd.concat([lacks[["affinity"]], pool[["affinity"]]]))
        weights = np.concatenate([np.ones(len(lacks)), others])[told]
        apart = self.known.mean - APART * np.sqrt(self.known.spread[0])
        return Homes(self.known, fitted(near, weights, Normal(apart, self.known.spread)))


def homes(held: pd.DataFrame, weights: Floats, lacks: pd.DataFrame) -> Homes:
    """Begin with what labelled images tell.

    Parameters
    ----------
    held, lacks : DataFrame
        affinity of held-out images, and of those of classes that the model lacks.
    weights : ndarray, shape (len(held),)
        How much each held-out image counts.

    Returns
    -------
    Homes
        The same for known images and others where few have an affinity.
    """
    near, told = _affinity(held)
    if len(near) < FEW:
        return Homes()
    known = fitted(near, weights[told], _ANYWHERE)
    return Homes(known, known).again(lacks, held, np.zeros(len(held)))


def _affinity(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """Give the affinities that are there, shape (M, 1), and where they are."""
    near = np.minimum(rows["affinity"].to_numpy("float64", na_value=np.nan), AT_HOME)
    told = np.isfinite(near)
    return near[told, None], told
