"""Score predicted pairs or groups of duplicates against the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.duplicates_data import NEGATIVE, SOURCE
from benchmarks.edits import EDITS, STRENGTHS

UNLIKE, SCENE, FRAME, SAME = range(4)
"""What two files are to each other: strangers, photos of one scene, photos of one scene that
nobody would call different (see `scenes.SAME_FRAME`), made from one photo."""

WIDEST = 20
"""The widest Hamming radius that is tried for a peer's hash."""

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """The truth in arrays, indexed by the position of a file in `files`.

    Attributes
    ----------
    files : pd.DataFrame
        `truth.csv`.
    family : array of int, shape (files,)
    source : array of int, shape (files,)
        The position of each file's source; -1 for sources and negatives.
    relation : array of uint8, shape (families, families)
        UNLIKE, SCENE, FRAME or SAME.
    """

    files: pd.DataFrame
    family: NDArray[np.int64]
    source: NDArray[np.int64]
    relation: NDArray[np.uint8]

    @classmethod
    def of(cls, files: pd.DataFrame, bursts: pd.DataFrame) -> Truth:
        """Build from the two tables that `duplicates_data.build` writes."""
        family = files["family"].to_numpy(np.int64)
        at = {name: k for k, name in enumerate(files["file"])}
        source = np.array([at.get(name, -1) for name in files["source"]], np.int64)
        relation = np.full((family.max() + 1,) * 2, UNLIKE, np.uint8)
        for a, b, frame in bursts[["a", "b", "frame"]].itertuples(index=False):
            relation[a, b] = relation[b, a] = FRAME if frame else SCENE
        np.fill_diagonal(relation, SAME)
        return cls(files, family, source, relation)

    def relations(self, pairs: Pairs) -> NDArray[np.uint8]:
        """Give what the files of each pair are to each other."""
        return self.relation[self.family[pairs[:, 0]], self.family[pairs[:, 1]]]


@dataclass(frozen=True)
class Score:
    """How well a tool did.

    Attributes
    ----------
    counts : array of int, shape (4,)
        Predicted pairs by relation.
    ties : array of int, shape (4,)
        Pairs of families tied by at least one predicted pair, by relation: where one mistake
        ties two families of 23 files, this counts one.
    found : array of bool, shape (files,)
        Whether the file was paired with its source.
    precision_by_kind : pd.Series
        Of the pairs that touch a file of a kind, the share within a family.
    groups, unlike_groups : int or None
        Groups, and those with a pair that is UNLIKE; None for tools that give pairs.
    """

    counts: NDArray[np.int64]
    ties: NDArray[np.int64]
    found: NDArray[np.bool_]
    precision_by_kind: pd.Series
    groups: int | None = None
    unlike_groups: int | None = None

    @property
    def precision(self) -> float:
        """Share within a family; pairs of one frame count neither way."""
        return _share(self.counts[SAME], self.counts[[SAME, SCENE, UNLIKE]].sum())

    @property
    def precision_but_bursts(self) -> float:
        """The same, with no pair of one scene counted."""
        return _share(self.counts[SAME], self.counts[[SAME, UNLIKE]].sum())


def pairs_of(truth: Truth, predicted: pd.DataFrame) -> Pairs:
    """Turn a table of file names `a`, `b` into positions; each unordered pair once."""
    at = {name: k for k, name in enumerate(truth.files["file"])}
    both = np.array(
        [(at[a], at[b]) for a, b in zip(predicted["a"], predicted["b"], strict=True)], np.int64
    ).reshape(-1, 2)
    both = np.sort(both[both[:, 0] != both[:, 1]], axis=1)
    return np.unique(both, axis=0)


def pairs_in(truth: Truth, groups: Iterable[Iterable[str]]) -> Pairs:
    """Give all pairs inside groups of file names."""
    rows = [pair for group in groups for pair in combinations(sorted(set(group)), 2)]
    return pairs_of(truth, pd.DataFrame(rows, columns=["a", "b"]))


def score(truth: Truth, pairs: Pairs, groups: list[list[str]] | None = None) -> Score:
    """Score pairs of positions; with `groups`, count those with an unlike pair as well."""
    relations = truth.relations(pairs)
    families = np.sort(truth.family[pairs], axis=1)
    _, first = np.unique(families, axis=0, return_index=True)
    return Score(
        np.bincount(relations, minlength=4),
        np.bincount(relations[first], minlength=4),
        _found(truth, pairs),
        _precision_by_kind(truth, pairs, relations),
        None if groups is None else len(groups),
        None if groups is None else sum(_is_unlike(truth, group) for group in groups),
    )


def recalls(truth: Truth, found: NDArray[np.bool_]) -> pd.DataFrame:
    """Give the share found, one row a kind, one column a strength; NaN where there was none."""
    edits = truth.files.assign(found=found)[truth.source >= 0]
    table = edits.pivot_table(index="kind", columns="strength", values="found", aggfunc="mean")
    return table.astype(float).reindex(columns=list(STRENGTHS))


def recall(truth: Truth, found: NDArray[np.bool_], kinds: Iterable[str] = tuple(EDITS)) -> float:
    """Give the share found over all edits of these kinds."""
    wanted = (truth.source >= 0) & truth.files["kind"].isin(list(kinds)).to_numpy()
    return float(found[wanted].mean())


def best_radius(truth: Truth, hashes: NDArray[np.uint64]) -> tuple[int, pd.DataFrame]:
    """Try every Hamming radius from 0 to `WIDEST`, over all pairs of files.

    Parameters
    ----------
    truth : Truth
    hashes : array of uint64, shape (files,)

    Returns
    -------
    tuple
        The radius of the best F1, and one row a radius: `radius`, `recall`, `precision`, `f1`.
    """
    counts = np.zeros((WIDEST + 1, 4), np.int64)
    for row in range(len(hashes) - 1):
        distance = np.bitwise_count(hashes[row + 1 :] ^ hashes[row])
        near = distance <= WIDEST
        relations = truth.relation[truth.family[row], truth.family[row + 1 :][near]]
        np.add.at(counts, (distance[near], relations), 1)
    within = counts.cumsum(axis=0)
    apart = np.bitwise_count(hashes ^ hashes[truth.source])
    rows = []
    for radius in range(WIDEST + 1):
        share = recall(truth, (truth.source >= 0) & (apart <= radius))
        exact = _share(within[radius, SAME], within[radius, [SAME, SCENE, UNLIKE]].sum())
        rows.append((radius, share, exact, f1(share, exact)))
    table = pd.DataFrame(rows, columns=["radius", "recall", "precision", "f1"])
    return int(table["f1"].to_numpy().argmax()), table


def pairs_within(hashes: NDArray[np.uint64], radius: int) -> Pairs:
    """Give all pairs of positions whose hashes differ in at most `radius` bits."""
    rows = []
    for row in range(len(hashes) - 1):
        near = np.nonzero(np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= radius)[0]
        rows.append(np.column_stack([np.full(len(near), row), near + row + 1]))
    return np.concatenate(rows)


def f1(recalled: float, exact: float) -> float:
    """Harmonic mean of recall and precision; 0 when both are."""
    return 2 * recalled * exact / (recalled + exact) if recalled + exact else 0.0


def wrong_pairs(truth: Truth, pairs: Pairs) -> pd.DataFrame:
    """List the predicted pairs outside a family, with what the truth says of both files."""
    relations = truth.relations(pairs)
    outside = relations != SAME
    columns = ["file", "origin_path", "kind", "strength"]
    left = truth.files.iloc[pairs[outside, 0]][columns].reset_index(drop=True)
    right = truth.files.iloc[pairs[outside, 1]][columns].reset_index(drop=True)
    names = np.array(["unlike", "scene", "frame", "same"])
    both: pd.DataFrame = left.add_suffix("_a").join(right.add_suffix("_b"))
    both["relation"] = names[relations[outside]]
    return both


def _share(part: np.int64, whole: np.int64) -> float:
    return float(part / whole) if whole else 1.0


def _found(truth: Truth, pairs: Pairs) -> NDArray[np.bool_]:
    found = np.zeros(len(truth.files), np.bool_)
    for edit, other in ((0, 1), (1, 0)):
        files = pairs[:, edit]
        found[files[truth.source[files] == pairs[:, other]]] = True
    return found


def _precision_by_kind(truth: Truth, pairs: Pairs, relations: NDArray[np.uint8]) -> pd.Series:
    kinds = truth.files["kind"].to_numpy(str)
    strengths = truth.files["strength"].to_numpy(str)
    counted = relations != FRAME
    sides = pd.concat(
        [
            pd.DataFrame(
                {
                    "kind": kinds[pairs[counted, side]],
                    "strength": strengths[pairs[counted, side]],
                    "right": relations[counted] == SAME,
                }
            )
            for side in (0, 1)
        ]
    )
    edited = sides[~sides["kind"].isin([SOURCE, NEGATIVE])]
    return edited.groupby(["kind", "strength"])["right"].mean()


def _is_unlike(truth: Truth, group: list[str]) -> bool:
    return bool((truth.relations(pairs_in(truth, [group])) == UNLIKE).any())
