"""Which pairs of images are worth a comparison: all of them within a radius, exactly.

Two images are candidates when the whole of one is near to some view of the other in both its
hashes, when their gradients as a whole are near (that outlives stickers and watermarks), or when
one camera took them within moments.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.duplicates.fingerprints import Fingerprints
from curate.duplicates.hamming import pairs_between
from curate.duplicates.views import VIEWS, Hashes

WAVES_RADIUS = 12
"""Bits of the frequency hash by which a whole and a view may differ …"""

SLOPES_CHECK = 16
"""… when they differ in at most so many bits of the gradient hash."""

SLOPES_RADIUS = 10
"""Bits of the gradient hash by which two wholes may differ, whatever their frequencies."""

MOST_STARTS = 2
"""So many of the nearest views are tried for a pair of images."""

CROWD = 4096
"""Pairs of two values of a hash above which images of one value meet the others through one."""

COLUMNS = ["first", "second", "first_part", "second_part", "view", "distance"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Ids = NDArray[np.object_]


def candidates(prints: Fingerprints, fresh: Bools, others: Bools | None = None) -> pd.DataFrame:
    """Find the pairs of images to compare, one of them fresh.

    Parameters
    ----------
    prints : Fingerprints
        Of all images.
    fresh : bool array, shape (n,)
        The rows of images that were not compared yet.
    others : bool array, shape (n,), optional
        The rows with which they are compared; all when not given, the fresh ones among them.

    Returns
    -------
    DataFrame
        One row a start: first (image id; seen as a whole), second (seen under a view),
        first_part, second_part, view (index into `views.STARTS`), distance (bits). At most
        `MOST_STARTS` rows for two images, the nearest first; sorted by the two ids.
    """
    # Mirrored and turned parts are only looked *for*: twice turned is not turned at all.
    upright = prints.part < 2
    others = np.ones_like(fresh) if others is None else others
    found = []
    for view in range(len(VIEWS)):
        whole, seen, distance = _near(prints.waves, view, WAVES_RADIUS, upright, fresh, others)
        slopes = prints.slopes[whole, 0] ^ prints.slopes[seen, view]
        agree = np.bitwise_count(slopes) <= SLOPES_CHECK
        found.append(_table(prints, whole[agree], seen[agree], view, distance[agree]))
    whole, seen, distance = _near(prints.slopes, 0, SLOPES_RADIUS, upright, fresh, others)
    # Of two starts of a pair, the frequencies tell better which one is right.
    found.append(_table(prints, whole, seen, 0, distance + WAVES_RADIUS))
    return nearest_starts(pd.concat(found, ignore_index=True))


def by_hash(
    image_id: Ids, hashes: Hashes, radius: int, fresh: Bools, others: Bools | None = None
) -> pd.DataFrame:
    """Find the pairs whose hash of the table of looks is within a radius; as `candidates`.

    Parameters
    ----------
    image_id : object array of str, shape (n,)
        Unique.
    hashes : array of uint64, shape (n,)
        One of `core.hashes.HASHES`.
    radius : int
        Bits that may differ.
    fresh, others : bool arrays, shape (n,)
        The images that were not compared yet, and those with which they are compared.
    """
    everyone = np.ones(len(image_id), dtype=np.bool_)
    others = everyone if others is None else others
    whole, seen, distance = _near(hashes[:, None], 0, radius, everyone, fresh, others)
    return nearest_starts(wholes(image_id[whole], image_id[seen], distance))


def wholes(first: Ids, second: Ids, distance: Ints | int) -> pd.DataFrame:
    """Lay pairs of images, seen as wholes, out as `candidates` does."""
    columns = (first, second, 0, 0, 0, distance)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), columns=COLUMNS)


def nearest_starts(starts: pd.DataFrame, most: int = MOST_STARTS) -> pd.DataFrame:
    """Keep the nearest starts of every two images, whatever the order of the rows."""
    starts = starts[starts["first"] != starts["second"]].copy()
    swapped = starts["first"] > starts["second"]
    starts["low"] = starts["first"].where(~swapped, starts["second"])
    starts["high"] = starts["second"].where(~swapped, starts["first"])
    # Two wholes are the same start from either side.
    starts = starts[~(swapped & (starts["view"] == 0) & (starts["second_part"] < 2))]
    order = ["low", "high", "distance", "view", "first", "first_part", "second_part"]
    starts = starts.sort_values(order).drop_duplicates(COLUMNS[:5])
    return starts.groupby(["low", "high"]).head(most)[COLUMNS].reset_index(drop=True)


def _table(
    prints: Fingerprints, whole: Ints, seen: Ints, view: int, distance: Ints
) -> pd.DataFrame:
    columns = (
        prints.image_id[whole],
        prints.image_id[seen],
        prints.part[whole],
        prints.part[seen],
        view,
        distance,
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), columns=COLUMNS)


def _near(
    hashes: Hashes, view: int, radius: int, upright: Bools, fresh: Bools, others: Bools
) -> tuple[Ints, Ints, Ints]:
    """Find rows whose whole (column 0) is near to another row's view: a fresh one and another."""
    first = _between(hashes, view, radius, upright & fresh, others)
    later = _between(hashes, view, radius, upright & others & ~fresh, fresh)
    whole, seen, distance = (np.concatenate(both) for both in zip(first, later, strict=True))
    return whole, seen, distance


def _between(
    hashes: Hashes, view: int, radius: int, left: Bools, right: Bools
) -> tuple[Ints, Ints, Ints]:
    left_rows, right_rows = np.flatnonzero(left), np.flatnonzero(right)
    left_values, left_of = np.unique(hashes[left_rows, 0], return_inverse=True)
    right_values, right_of = np.unique(hashes[right_rows, view], return_inverse=True)
    pairs = pairs_between(left_values, right_values, radius)
    left_lists, right_lists = _Lists.of(left_of, left_rows), _Lists.of(right_of, right_rows)
    return _spread(
        pairs.first, pairs.second, pairs.distance.astype(np.int64), left_lists, right_lists
    )


class _Lists:
    """Rows by the number of their value."""

    def __init__(self, rows: Ints, start: Ints, count: Ints) -> None:
        self.rows, self.start, self.count = rows, start, count

    @classmethod
    def of(cls, value: Ints, rows: Ints) -> _Lists:
        order = np.argsort(value, kind="stable")
        count = np.bincount(value)
        return cls(rows[order], np.cumsum(count) - count, count)


def _spread(
    first: Ints, second: Ints, distance: Ints, left: _Lists, right: _Lists
) -> tuple[Ints, Ints, Ints]:
    """Spread pairs of values over the rows that have them."""
    many = left.count[first] * right.count[second]
    crowded = many > CROWD
    small = ~crowded
    times = many[small]
    pair = np.repeat(np.flatnonzero(small), times)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(times) - times, times)
    width = right.count[second[pair]]
    whole = [left.rows[left.start[first[pair]] + place // width]]
    seen = [right.rows[right.start[second[pair]] + place % width]]
    apart = [distance[pair]]
    for one in np.flatnonzero(crowded):
        # Thousands of frames of one scene: each meets the first, and so all of them each other.
        a = left.rows[left.start[first[one]] :][: left.count[first[one]]]
        b = right.rows[right.start[second[one]] :][: right.count[second[one]]]
        whole += [np.full(len(b), a[0]), a]
        seen += [b, np.full(len(a), b[0])]
        apart.append(np.full(len(a) + len(b), distance[one]))
    return np.concatenate(whole), np.concatenate(seen), np.concatenate(apart)
