"""Standing for others: an order of images in which each covers many that none before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.queues.filters.spread import directions

if TYPE_CHECKING:
    from scipy import sparse

NEIGHBOURS = 64
"""An image can stand for another when it is among so many of its nearest."""

_BLOCK = 1024


def standing(features: NDArray[Any], start: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Order rows so that each is the one that stands for most of what is not covered before it.

    Parameters
    ----------
    features : ndarray of float, shape (N, D)
        One row an image, in an order that does not depend on chance: the first of equals leads.
    start : ndarray of float, shape (M, D), optional
        Images that stand for others already: the labelled ones.

    Returns
    -------
    ndarray of int64, shape (at most N,)
        Row numbers; without the rows that are zero or not finite. Those that cover nothing more,
        as one just like them came before, are at the end.

    Notes
    -----
    Greedy facility location (G. Cornuéjols, M. Fisher and G. Nemhauser, Management Science 23,
    1977): at any length, it covers at least 63 % of what the best choice of as many would,
    evaluated lazily (M. Minoux, 1978). An image in a dense place covers many, which is the
    typicality of G. Hacohen et al., ICML 2022, without a number of clusters. Memory is N x
    `NEIGHBOURS`, time that of N (N + M) products of features.
    """
    raw, usable = directions(features)
    centre = raw[usable].mean(axis=0) if usable.any() else np.zeros(raw.shape[1], np.float32)
    # What all images share tells none apart.
    rows = directions(np.where(usable[:, np.newaxis], raw - centre, 0))[0]
    covered = np.full(len(rows), np.float32(-1))
    for begin in range(0, 0 if start is None else len(start), _BLOCK):
        unit, fine = directions(np.asarray(start)[begin : begin + _BLOCK])
        if fine.any():
            moved = directions(unit[fine] - centre)[0]
            covered = np.maximum(covered, (rows @ moved.T).max(axis=1))
    chosen = _greedy(_gains(rows, covered, usable))
    return np.concatenate([chosen, np.setdiff1d(np.flatnonzero(usable), chosen)])


def _gains(
    rows: NDArray[np.float32], covered: NDArray[np.float32], usable: NDArray[np.bool_]
) -> sparse.csc_matrix:
    """Say how much better each image (row) would be stood for by each of its nearest (column)."""
    from scipy import sparse  # most queues need none of it, and it takes long to import

    nearest = min(NEIGHBOURS, len(rows))
    parts = []
    for begin in range(0, len(rows), _BLOCK):
        cosines = rows[begin : begin + _BLOCK] @ rows.T
        cosines[:, ~usable] = -2
        least = np.partition(cosines, -nearest, axis=1)[:, -nearest]
        floor = np.maximum(least, covered[begin : begin + _BLOCK])
        gained = np.maximum(cosines - floor[:, np.newaxis], 0)
        gained[~usable[begin : begin + _BLOCK]] = 0
        parts.append(sparse.csr_matrix(gained))
    empty = sparse.csr_matrix((0, 0), dtype=np.float32)
    return sparse.vstack(parts, "csc") if parts else empty.tocsc()


def _greedy(gains: sparse.csc_matrix) -> NDArray[np.int64]:
    had = np.zeros(gains.shape[0], np.float32)
    # What a column can gain only shrinks, so an old sum is a bound.
    bound = np.asarray(gains.sum(axis=0)).ravel().astype(np.float64)
    chosen: list[int] = []
    while len(chosen) < len(bound):
        at = int(bound.argmax())
        part = slice(gains.indptr[at], gains.indptr[at + 1])
        images, gained = gains.indices[part], gains.data[part]
        now = float(np.maximum(gained - had[images], 0).sum(dtype=np.float64))
        if now < bound[at] - 1e-9:
            bound[at] = now
            continue
        if now <= 1e-6:
            break
        had[images] = np.maximum(had[images], gained)
        bound[at] = -np.inf
        chosen.append(at)
    return np.array(chosen, np.int64)
