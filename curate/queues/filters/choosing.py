"""Choosing: what is taken from a queue in its order, before the limit.

The recipe orders all of its images. Of these, in this order: of images that look alike the first
stays; of a topic at most so many stay; images that are as unlike as can be are chosen; what is left
is sorted. Nothing here adds an image, and nothing but `diverse` and `sort` changes the order.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from curate.core.errors import LibraryError
from curate.queues.filters.filters import Filters
from curate.queues.filters.spread import spread

POOL = 10
"""Diverse images are chosen from so many times as many as are wanted: the first of the queue."""


def choose(
    ordered: pd.DataFrame, filters: Filters, features: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Take what filters want from a queue.

    Parameters
    ----------
    ordered : DataFrame
        `CANDIDATE_COLUMNS` and `topic`, in the order of the recipe.
    filters : Filters
        `one_per_group`, `per_class`, `diverse`, `sort` and `limit` count.
    features : DataFrame, optional
        image_id, embedding (arrays of one length).

    Returns
    -------
    DataFrame
        Some of the rows, at most `limit`.

    Raises
    ------
    LibraryError
        Diverse images are asked for, and there are no features.
    """
    chosen = ordered
    if filters.one_per_group:
        chosen = one_per_group(chosen)
    if filters.per_class is not None:
        chosen = per_class(chosen, filters.per_class)
    if filters.diverse:
        chosen = diverse(chosen, filters.limit, features)
    if filters.sort:
        chosen = sort(chosen, filters.sort)
    return chosen.head(filters.limit)


def one_per_group(ordered: pd.DataFrame) -> pd.DataFrame:
    """Keep the first image of each group; one without a group is alike to no other."""
    alone = ordered["group"].isna()
    return ordered[alone | ~ordered["group"].duplicated()]


def per_class(ordered: pd.DataFrame, most: int) -> pd.DataFrame:
    """Keep the first images of each topic; where the topic is '', of each predicted class."""
    topic = ordered["topic"].where(ordered["topic"] != "", ordered["predicted"])
    # Topics and classes do not mix: a recipe has the ones or the others.
    place = ordered.groupby([ordered["topic"] != "", topic], dropna=False).cumcount()
    return ordered[place < most]


def diverse(ordered: pd.DataFrame, limit: int, features: pd.DataFrame | None) -> pd.DataFrame:
    """Choose images that are as unlike as can be.

    The first image of the queue comes first; each further one is the farthest from all before it
    (`spread`), of the first `POOL` times as many as are wanted. Where those with features do not
    suffice, the others follow in the order of the queue.

    Parameters
    ----------
    ordered : DataFrame
        With image_id, in the order of the queue: the first of equals is chosen.
    limit : int
        How many are wanted.
    features : DataFrame or None
        image_id, embedding.
    """
    if features is None or (features.empty and len(ordered)):
        raise LibraryError(
            "--diverse",
            "there are no embeddings of these images, so nobody knows which are unlike",
            "Run `curate bulk-id --embeddings` over them first.",
        )
    pool = ordered.head(POOL * limit)
    known = features.drop_duplicates("image_id").set_index("image_id")["embedding"]
    rows = np.flatnonzero(pool["image_id"].isin(known.index))
    chosen = list(rows[:1])
    if len(rows) > 1:
        vectors = np.stack([known[image] for image in pool["image_id"].iloc[rows]])
        chosen += list(rows[1:][spread(vectors[1:], limit - 1, vectors[:1])])
    rest = np.setdiff1d(np.arange(len(pool)), chosen)
    return pool.iloc[[*chosen, *rest]].head(limit)


def sort(ordered: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sort by a column; equals keep their order, and what has no value comes last."""
    column = by.removeprefix("-")
    return ordered.sort_values(column, ascending=column == by, kind="stable", na_position="last")


def foremost(order: str, filters: Filters) -> tuple[str, list[object]]:
    """Say in SQL what `choose` takes of a queue whose order SQL knows.

    Parameters
    ----------
    order : str
        Expressions over the columns of candidates, the image id at the end: the order of a recipe
        that scores each image alone, with one topic or a topic for each predicted class.
    filters : Filters
        As in `choose`.

    Returns
    -------
    (str, list)
        What follows ``SELECT … FROM candidates``, and its values: all rows that `choose` can take,
        and such that it takes the same from them as from all.
    """
    conditions, values = [], []
    alone = _later_of_a_group(order) if filters.one_per_group else ""
    if alone:
        conditions.append(f"image_id NOT IN ({alone})")
    if filters.per_class is not None:
        left = f"WHERE image_id NOT IN ({alone})" if alone else ""
        conditions.append(
            "image_id IN (SELECT image_id FROM (SELECT image_id, row_number() OVER "
            f"(PARTITION BY predicted ORDER BY {order}) AS place FROM candidates {left}) "
            "WHERE place <= ?)"
        )
        values.append(filters.per_class)
    tail = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    if filters.sort and not filters.diverse:
        way = "DESC" if filters.sort.startswith("-") else "ASC"
        column = filters.sort.removeprefix("-")
        first = f"{_comparable(column)} {way} NULLS LAST, "
    else:
        first = ""
    return f"{tail}ORDER BY {first}{order} LIMIT ?", [
        *values,
        filters.limit * (POOL if filters.diverse else 1),
    ]


def _later_of_a_group(order: str) -> str:
    """Ask for the images before which one comes that looks alike.

    Only groups of several are numbered, which are few: in each, some image is not what names it.
    """
    several = 'SELECT "group" FROM candidates WHERE NOT alone AND "group" <> image_id'
    return (
        'SELECT image_id FROM (SELECT image_id, row_number() OVER (PARTITION BY "group" '
        f'ORDER BY {order}) AS place FROM candidates WHERE NOT alone AND "group" IN ({several})) '
        "WHERE place > 1"
    )


def _comparable(column: str) -> str:
    """A measure that could not be taken may be NaN, which DuckDB sorts as a number."""
    return column if column in ("taken", "path") else f"nullif({column}::DOUBLE, 'nan'::DOUBLE)"
