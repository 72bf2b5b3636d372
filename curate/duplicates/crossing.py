"""Near-duplicates on both sides of a line: leaks between splits, arrivals that are known."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from curate.duplicates.candidates import nearest_starts, wholes
from curate.duplicates.evidence import Evidence
from curate.duplicates.fingerprints import Fingerprints
from curate.duplicates.policy import LEAST, DuplicatePolicy
from curate.duplicates.search import Fetch, all_starts, measured
from curate.duplicates.verify import judged

COLUMNS = [
    "first_side", "first_path", "second_side", "second_path", "similarity", "reason", "first",
    "second",
]  # fmt: skip
_SWAPPED = [
    "second_side", "second_path", "first_side", "first_path", "similarity", "reason", "second",
    "first",
]  # fmt: skip

SPLITS = ("train", "val", "test", "benchmark")


def crossings(
    files: pd.DataFrame,
    images: pd.DataFrame,
    prints: Fingerprints,
    fetch: Fetch,
    policy: DuplicatePolicy,
    apart: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Find the pairs of duplicates whose files lie on different sides.

    Parameters
    ----------
    files : DataFrame
        One row a file: image_id, path, side ('' for none, which leaks nowhere).
    images : DataFrame
        What `Evidence.of` wants to know of every image.
    prints : Fingerprints
        Of all images.
    fetch : callable
        Gives the parts of images.
    policy : DuplicatePolicy
        What is asked.
    apart : collection of pairs of ids
        Images of which a person said that they are no duplicates.

    Returns
    -------
    DataFrame
        As `across` gives it.
    """
    placed = files[files["side"] != ""]
    prints = prints.rows(np.isin(prints.image_id, placed["image_id"].unique()))
    images = images[images["image_id"].isin(placed["image_id"])]
    # Side by side, so that of a crowd with one hash each image meets one of every other side.
    sides = [set(some["image_id"]) for _, some in placed.groupby("side", sort=True)]
    found = [
        all_starts(prints, images, side, policy, set().union(*sides[number:]))
        for number, side in enumerate(sides[:-1], start=1)
    ]
    # A library whose every file lies in the folder itself leaves one side alone.
    nothing = wholes(prints.image_id[:0], prints.image_id[:0], 0)
    starts = nearest_starts(pd.concat([nothing, *found], ignore_index=True))
    measures = measured(starts, fetch, LEAST)
    alike = judged(measures, Evidence.of(images), policy.similarity)
    return across(placed, alike, apart)


def across(
    files: pd.DataFrame, alike: pd.DataFrame, apart: Collection[tuple[str, str]] = ()
) -> pd.DataFrame:
    """Lay the alike pairs out whose files lie on different sides.

    Parameters
    ----------
    files : DataFrame
        As for `crossings`.
    alike : DataFrame
        Pairs of near-duplicates: first, second, similarity, reason.
    apart : collection of pairs of ids
        Images of which a person said that they are no duplicates.

    Returns
    -------
    DataFrame
        One row two images on two sides: first_side, first_path, second_side, second_path (the
        first file by path of each image there), similarity (1 for exact copies), reason, first and
        second (image ids). The first side is the earlier one by `ordered`; the most alike stand
        first.
    """
    placed = files[files["side"] != ""].sort_values("path")
    places = placed.drop_duplicates(["image_id", "side"])[["image_id", "side", "path"]]
    pairs = alike.loc[
        [pair not in apart for pair in zip(alike["first"], alike["second"], strict=True)],
        ["first", "second", "similarity", "reason"],
    ]
    several = places.loc[places["image_id"].duplicated(), "image_id"].unique()
    copies = pd.DataFrame(
        {"first": several, "second": several, "similarity": 1.0, "reason": "exact copies"}
    )
    pairs = pd.concat([copies, pairs], ignore_index=True) if len(copies) else pairs
    found = pairs.merge(
        places.rename(columns={"image_id": "first", "side": "first_side", "path": "first_path"}),
        on="first",
    ).merge(
        places.rename(columns={"image_id": "second", "side": "second_side", "path": "second_path"}),
        on="second",
    )
    rank = {side: place for place, side in enumerate(ordered(files["side"]))}
    ranks = [found[f"{end}_side"].map(rank).astype(int) for end in ("first", "second")]
    swapped = (ranks[0] > ranks[1]) & (found["first"] != found["second"])
    found.loc[swapped, COLUMNS] = found.loc[swapped, _SWAPPED].to_numpy()
    found = found[swapped | (ranks[0] < ranks[1])]
    order = ["similarity", "first_path", "second_path", "first_side", "second_side"]
    rising = [name != "similarity" for name in order]
    return found.sort_values(order, ascending=rising, ignore_index=True)[COLUMNS]


def ordered(sides: pd.Series) -> list[str]:
    """Give each side once: splits in the order of their use, then others as they come."""
    found = [side for side in sides.unique() if side != ""]
    return sorted(found, key=lambda side: SPLITS.index(side) if side in SPLITS else len(SPLITS))
