"""Choosing: what is taken from a queue in its order, before the limit.

The recipe orders all of its images. Of these, in this order: of images that look alike the first
stays; of a topic at most so many stay; images that are as unlike as can be are chosen; what is left
is sorted. Nothing here adds an image, and nothing but `diverse` and `sort` changes the order.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def foremost(
    key: str,
    filters: Filters,
    *,
    join: str = "",
    where: str = "",
    values: Sequence[object] = (),
    topic: str = "predicted",
    order: str = "",
) -> tuple[str, list[object]]:
    """Say in SQL what `choose` takes of a queue whose order SQL knows.

    Parameters
    ----------
    key : str
        An expression over the columns of candidates that is never missing: the least comes first,
        and between equals the image id decides. So it orders a recipe that scores each image alone.
    filters : Filters
        As in `choose`.
    join : str
        What follows ``FROM candidates``: tables that have a row for each image that fits.
    where : str
        What images must fulfil.
    values : sequence
        Of `where`.
    topic : str
        The topic of an image; where a recipe has none, its predicted class.
    order : str
        What orders as `key` does, where that is a column: DuckDB then leaves whole blocks unread,
        as it cannot do with an expression.

    Returns
    -------
    (str, list)
        What follows ``SELECT … FROM candidates``, and its values: all rows that `choose` can take,
        and such that it takes the same from them as from all.
    """
    conditions, bound = [where or "true"], [*values]
    if filters.one_per_group:
        later = f'row_number() OVER (PARTITION BY "group" ORDER BY {key}, number) > 1'
        alike = f"FROM candidates {join} WHERE {conditions[0]} AND NOT alone"
        conditions.append(f"place NOT IN (SELECT place {alike} QUALIFY {later})")
        bound += values
    if filters.per_class is not None:
        each = min(filters.per_class, MOST - 1)
        few = f"SELECT unnest(arg_min(place, ({key}, number), {each})) FROM candidates {join}"
        conditions = [f"place IN ({few} WHERE {' AND '.join(conditions)} GROUP BY {topic})"]
    rank = f"{ranked(order or key, filters)}, number"
    tail = f"{join} WHERE {' AND '.join(conditions)} ORDER BY {rank} LIMIT ?"
    return tail, [*bound, reach(filters)]


def ranked(order: str, filters: Filters) -> str:
    """Say in SQL by what the first rows are taken, where a recipe orders them so."""
    return f"{sorting(filters)} NULLS LAST, {order}" if sorting(filters) else order


MOST = 1_000_000
"""DuckDB gathers fewer than so many of a group; no queue holds so many."""


def reach(filters: Filters) -> int:
    """Say of how many images, in the order of a queue, `choose` takes what it takes."""
    return filters.limit * (POOL if filters.diverse else 1)


def sorting(filters: Filters) -> str:
    """Say in SQL by what `choose` sorts a queue; '' where the order of the recipe stays."""
    if not filters.sort or filters.diverse:
        return ""
    column = filters.sort.removeprefix("-")
    return f"{column} {'DESC' if filters.sort.startswith('-') else 'ASC'}"


def among_first(filters: Filters, table: str) -> str:
    """Say in SQL which rows `choose` can reach when it sorts them.

    Parameters
    ----------
    filters : Filters
        With `sort`.
    table : str
        Has `place`, `sorted` (what `sorting` sorts by) and `certain` (whether `choose` takes the
        row, unless the limit keeps it out).

    Returns
    -------
    str
        A condition over a row of the table.
    """
    way, within = ("DESC", ">=") if filters.sort.startswith("-") else ("ASC", "<=")
    last = (
        f"(SELECT sorted FROM {table} WHERE certain ORDER BY sorted {way} NULLS LAST "
        f"LIMIT 1 OFFSET {filters.limit - 1})"
    )
    first = f"coalesce(sorted {within} {last}, {last} IS NULL)"
    if not filters.one_per_group:
        return first
    # Of images that look alike one stays, and it may be sorted behind: without it another would.
    return (
        f"({first} OR place IN (SELECT mate.place FROM candidates AS mate "
        'WHERE NOT mate.alone AND mate."group" IN (SELECT "group" FROM candidates '
        f"WHERE NOT alone AND place IN (SELECT place FROM {table} WHERE {first}))))"
    )
