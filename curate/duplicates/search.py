"""The search on any set of images: candidates compared block by block, then grouped.

Pictures are asked for as they are needed, so that a million of them never lie in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from curate import engine
from curate.duplicates import groups, keeper
from curate.duplicates.candidates import by_hash, candidates, nearest_starts
from curate.duplicates.evidence import Evidence
from curate.duplicates.fingerprints import Fingerprints
from curate.duplicates.likeness import best_likeness
from curate.duplicates.pictures import inverted
from curate.duplicates.policy import DuplicatePolicy
from curate.duplicates.verify import COLUMNS, Parts, compared, judged, shown
from curate.duplicates.views import Affine

Fetch = Callable[[Sequence[str]], Parts]
"""Gives the parts of images; an image that cannot be shown is left out."""

BLOCK = 20_000
"""Starts whose pictures are held at a time."""

GROUPED = 5_000
"""Images whose pictures are held while they are grouped, unless more of them hang together."""

GROUPS = ["image_id", "group", "tie", "keeper", "similarity", "reason"]


def all_starts(
    prints: Fingerprints,
    images: pd.DataFrame,
    fresh: Collection[str],
    policy: DuplicatePolicy,
    others: Collection[str] | None = None,
) -> pd.DataFrame:
    """Find every candidate: by views, by named hashes, and by the moment of the shot.

    Parameters
    ----------
    prints : Fingerprints
        Of all images.
    images : DataFrame
        What `Evidence.of` wants to know of them, and the hashes of `core.hashes.HASHES`.
    fresh : collection of str
        The images that were not compared yet.
    policy : DuplicatePolicy
        What is asked.
    others : collection of str, optional
        The images with which they are compared; all when not given, the fresh ones among them.

    Returns
    -------
    DataFrame
        As `candidates.candidates` gives it.
    """
    others = set(images["image_id"]) if others is None else others
    new, old = (images["image_id"].isin(side).to_numpy() for side in (fresh, others))
    moments = Evidence.of(images).moments()
    first, second = moments["first"], moments["second"]
    found = [
        candidates(prints, *(np.isin(prints.image_id, list(side)) for side in (fresh, others))),
        moments[first.isin(fresh) & second.isin(others) | first.isin(others) & second.isin(fresh)],
    ]
    for name, radius in policy.radii.items():
        known = images[name].notna().to_numpy()
        ids = images.loc[known, "image_id"].to_numpy(object)
        hashes = images.loc[known, name].to_numpy(np.uint64)
        found.append(by_hash(ids, hashes, radius, new[known], old[known]))
    return nearest_starts(pd.concat(found, ignore_index=True))


def measured(starts: pd.DataFrame, fetch: Fetch, least: float) -> pd.DataFrame:
    """Compare candidates, and give those that are alike by `least` at the least.

    Parameters
    ----------
    starts : DataFrame
        As `candidates` gives them: the rows of two images follow each other.
    fetch : callable
        Gives the parts of images.
    least : float
        Similarity.

    Returns
    -------
    DataFrame
        As `verify.compared` gives it.
    """
    found = [pd.DataFrame(columns=COLUMNS).astype({"similarity": float})]
    with engine.progress("Comparing", len(starts), "candidates") as advance:
        for block in _blocks(starts):
            pictures = fetch(sorted({*block["first"], *block["second"]}))
            there = block["first"].isin(pictures) & block["second"].isin(pictures)
            measures = compared(block[there], pictures, engine.available_cores())
            found.append(measures[measures["similarity"] >= least])
            advance(len(block))
    return pd.concat([table for table in found if len(table)] or found[:1], ignore_index=True)


def arranged(
    measures: pd.DataFrame,
    evidence: Evidence,
    images: pd.DataFrame,
    fetch: Fetch,
    policy: DuplicatePolicy,
    apart: Collection[tuple[str, str]] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge the compared pairs, group the images, choose the keepers and give the reasons.

    Parameters
    ----------
    measures : DataFrame
        As `measured` gives it.
    evidence : Evidence
        When, by which camera and where the images were taken.
    images : DataFrame
        What `keeper.keepers` wants to know of every image, but the group.
    fetch : callable
        Gives the parts of images.
    policy : DuplicatePolicy
        What is asked.
    apart : collection of pairs of ids
        Images of which a person said that they are no duplicates.

    Returns
    -------
    table : DataFrame
        One row an image that is alike to another: image_id, group, tie (see `groups.grouped`),
        keeper (the id of the image that is kept of the group), similarity (to it) and reason.
    alike : DataFrame
        The pairs of near-duplicates: first, second, similarity, reason and what `compared` says.
    """
    alike = judged(measures, evidence, policy.similarity)
    pairs = zip(alike["first"], alike["second"], strict=True)
    alike = alike.loc[[pair not in apart for pair in pairs]].reset_index(drop=True)
    tables = [pd.DataFrame(columns=GROUPS)]
    with engine.progress("Grouping", len(alike), "pairs") as advance:
        for some in _portions(alike):
            pictures = fetch(sorted({*some["first"], *some["second"]}))
            similarity = _similarity_of(pictures)
            table = groups.grouped(some, similarity, apart, advance)
            kept = _kept(table, images, policy)
            table["keeper"] = table["group"].map(kept["keeper"])
            table["similarity"] = groups.beside(table, table["keeper"], some, similarity)
            table["reason"] = _reasons(table, some, kept["reason"])
            tables.append(table[GROUPS])
    table = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
    return table.sort_values("image_id", ignore_index=True), alike


def _blocks(starts: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Cut the starts into blocks without parting those of two images."""
    end = 0
    first = starts[["first", "second"]].min(axis=1).to_numpy(object)
    while end < len(starts):
        begin, end = end, min(end + BLOCK, len(starts))
        while end < len(starts) and first[end] == first[end - 1]:
            end += 1
        yield starts.iloc[begin:end]


def _portions(alike: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Cut alike pairs into portions of some thousand images that do not hang together."""
    ties = groups.ties(alike)
    tie = alike["first"].map(ties)
    size = ties.value_counts().sort_index()
    portion = (size.cumsum() - size) // GROUPED
    for _, some in alike.groupby(tie.map(portion), sort=True):
        yield some.reset_index(drop=True)


def _similarity_of(pictures: Parts) -> groups.Similarity:
    def similarity(first: str, second: str, matrix: Affine) -> float:
        if first not in pictures or second not in pictures:
            return 0.0
        if abs(np.linalg.det(matrix[:, :2])) > 1:
            # The second is a cut-out of the first: what the first shows beside it says nothing.
            first, second, matrix = second, first, inverted(matrix)
        return best_likeness(pictures[first][0], pictures[second][0], matrix).similarity

    return similarity


def _kept(table: pd.DataFrame, images: pd.DataFrame, policy: DuplicatePolicy) -> pd.DataFrame:
    members = table[["image_id", "group"]].merge(images, on="image_id", how="left")
    return keeper.keepers(members, policy.keeper).set_index("group")


def _reasons(table: pd.DataFrame, alike: pd.DataFrame, why_kept: pd.Series) -> list[str]:
    said = {
        frozenset(pair): reason
        for *pair, reason in zip(alike["first"], alike["second"], alike["reason"], strict=True)
    }
    alone = table["group"].map(table["group"].value_counts()) == 1
    reasons = []
    for row, single in zip(table.to_dict("records"), alone, strict=True):
        if single:
            reasons.append("alike to an image whose group looks unlike it")
        elif row["image_id"] == row["keeper"]:
            reasons.append(why_kept[row["group"]])
        else:
            through = (
                f"like others of the group: similarity {shown(row['similarity'])} to the keeper"
            )
            reasons.append(said.get(frozenset((row["image_id"], row["keeper"])), through))
    return reasons
