"""Groups of near-duplicates that do not chain.

Two groups become one where two of their images are alike, the most alike first, unless an image
of the one looks unlike an image of the other: in a long burst the first frame and the last may
show two scenes though each frame is like the next. What would have chained stays a tie between
groups, and splits keep tied images together all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from curate.duplicates.pictures import chained, inverted
from curate.duplicates.views import Affine

UNLIKE = 0.5
"""Similarity below which two images never share a group."""

Similarity = Callable[[str, str, Affine], float]
"""Compares two images; the map takes the whole of the first to that of the second, roughly."""

CROWD = 100
"""Images from which on not every pair of a group is asked about: thousands of frames of one scene
would take hours. Such a group grows only while a chain of alike pairs vouches for all of them."""

_SURELY_LIKE = 45.0
"""Degrees: a correlation is a cosine, and over so many degrees two images are still alike (0.7)."""

_HERE: Affine = np.eye(2, 3)


def grouped(
    alike: pd.DataFrame,
    similarity: Similarity,
    apart: Iterable[tuple[str, str]] = (),
    advance: Callable[[int], object] = lambda done: None,
) -> pd.DataFrame:
    """Put alike images into groups.

    Parameters
    ----------
    alike : DataFrame
        Pairs of alike images in any order: first, second, similarity, matrix (see
        `verify.compared`).
    similarity : callable
        Asked about pairs that `alike` lacks, when their groups would become one.
    apart : iterable of pairs of ids
        Images of which a person said that they are no duplicates of each other.
    advance : callable
        Told the number of alike pairs that were just settled.

    Returns
    -------
    DataFrame
        One row an image that is alike to another: image_id, group (the lowest id in it; of itself
        where the image is alone in its group), tie (the lowest id of all images that hang
        together by alike pairs) and matrix (maps a frame that the group has in common to the
        whole of the image); sorted by image_id. The same whatever the order of the rows.
    """
    edges = _edges(alike, {frozenset(pair) for pair in apart})
    groups = _Groups(edges, similarity, {frozenset(pair) for pair in apart})
    for first, second, matrix in zip(edges["first"], edges["second"], edges["matrix"], strict=True):
        groups.join(first, second, np.reshape(matrix, (2, 3)))
        advance(1)
    tie = ties(edges)
    table = pd.DataFrame({"image_id": tie.index, "tie": tie.to_numpy()}, dtype=object)
    table["group"] = [min(groups.mates(image_id)) for image_id in tie.index]
    frames = [groups.frame.get(image_id, _HERE) for image_id in tie.index]
    table["matrix"] = pd.Series(frames, index=table.index, dtype=object)
    return table


def beside(
    table: pd.DataFrame, keeper: pd.Series, alike: pd.DataFrame, similarity: Similarity
) -> list[float]:
    """Give each image's similarity to the keeper of its group.

    Parameters
    ----------
    table : DataFrame
        As `grouped` gives it.
    keeper : Series
        The keeper of each row's group.
    alike, similarity
        As for `grouped`.
    """
    known = _known(alike)
    frame = dict(zip(table["image_id"], table["matrix"], strict=True))

    def one(image_id: str, kept: str) -> float:
        if image_id == kept:
            return 1.0
        first, second = min(image_id, kept), max(image_id, kept)
        if (first, second) in known:
            return known[first, second]
        return similarity(first, second, chained(frame[second], inverted(frame[first])))

    return [one(*pair) for pair in zip(table["image_id"], keeper, strict=True)]


class _Groups:
    """The groups as they grow: their members, and how each lies in the frame of its group."""

    def __init__(
        self,
        edges: pd.DataFrame,
        similarity: Similarity,
        apart: Collection[frozenset[str]],
    ) -> None:
        self.known = _known(edges)
        self.similarity = similarity
        self.apart = apart
        self.frame: dict[str, Affine] = {}
        # Degrees from the image about which the group grew, at most.
        self.far: dict[str, float] = {}
        self._of: dict[str, set[str]] = {}

    def mates(self, image_id: str) -> set[str]:
        """The images of the image's group, itself among them."""
        return self._of.setdefault(image_id, {image_id})

    def join(self, first: str, second: str, matrix: Affine) -> None:
        """Make one group of two, unless some of their images look unlike each other."""
        if len(self.mates(first)) < len(self.mates(second)):
            first, second, matrix = second, first, inverted(matrix)
        ours, theirs = self.mates(first), self.mates(second)
        if ours is theirs:
            return
        # From our frame to the first image, to the second, to their frame.
        here = chained(matrix, self._lies(first))
        across = chained(inverted(self._lies(second)), here)
        moved = {image_id: chained(self._lies(image_id), across) for image_id in theirs}
        step = _angle(self.known[min(first, second), max(first, second)])
        between = self._far(first) + step + self._far(second)
        if len(ours) + len(theirs) > CROWD:
            furthest = max(map(self._far, ours)) + between + max(map(self._far, theirs))
            if furthest > _SURELY_LIKE or self._parted(ours, theirs):
                return
        else:
            for mine in sorted(ours):
                back = inverted(self._lies(mine))
                for other in sorted(theirs):
                    if self._unlike(mine, other, chained(moved[other], back)):
                        return
        self.frame.update(moved)
        self.far.update({image_id: between + self._far(image_id) for image_id in theirs})
        ours |= theirs
        self._of.update(dict.fromkeys(theirs, ours))

    def _parted(self, ours: set[str], theirs: set[str]) -> bool:
        return any(pair & ours and pair & theirs for pair in self.apart)

    def _far(self, image_id: str) -> float:
        return self.far.get(image_id, 0.0)

    def _lies(self, image_id: str) -> Affine:
        return self.frame.get(image_id, _HERE)

    def _unlike(self, mine: str, other: str, matrix: Affine) -> bool:
        if self.apart and frozenset((mine, other)) in self.apart:
            return True
        if mine > other:
            mine, other, matrix = other, mine, inverted(matrix)
        if (mine, other) not in self.known:
            self.known[mine, other] = self.similarity(mine, other, matrix)
        return self.known[mine, other] < UNLIKE


def _angle(similarity: float) -> float:
    return math.degrees(math.acos(min(1.0, similarity)))


def _edges(alike: pd.DataFrame, apart: Collection[frozenset[str]]) -> pd.DataFrame:
    """Sort the pairs, the most alike first, without those that a person parted."""
    pairs = zip(alike["first"], alike["second"], strict=True)
    kept = alike.loc[[frozenset(pair) not in apart for pair in pairs]]
    order = ["similarity", "first", "second"]
    return kept.sort_values(order, ascending=[False, True, True])


def _known(alike: pd.DataFrame) -> dict[tuple[str, str], float]:
    pairs = zip(alike["first"], alike["second"], strict=True)
    return dict(zip(pairs, alike["similarity"].astype(float), strict=True))


def ties(alike: pd.DataFrame) -> pd.Series:
    """Name what hangs together by alike pairs.

    Returns
    -------
    Series
        The lowest id of all images that hang together, by image id; sorted.
    """
    ids = sorted({*alike["first"], *alike["second"]})
    number = pd.Index(ids, dtype=object)
    ends = number.get_indexer(alike["first"]), number.get_indexer(alike["second"])
    graph = coo_array((np.ones(len(alike)), ends), shape=(len(ids), len(ids)))
    _, component = connected_components(graph, directed=False)
    # The ids are sorted, so the first of a component is its lowest.
    _, lowest = np.unique(component, return_index=True)
    return pd.Series([ids[lowest[one]] for one in component], index=number, dtype=object)
