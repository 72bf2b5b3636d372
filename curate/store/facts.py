"""What the library says of every image now: the decisions, laid beside each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Select, select

from curate.core.chunks import batched
from curate.core.components import components
from curate.core.cutoffs import units
from curate.core.names import UNKNOWN
from curate.store import decisions, duplicates, files, schema

LABEL = "label"
GROUP_PREFIX = "group_"
DUPLICATES = f"{GROUP_PREFIX}duplicates"
PARENT = "parent"
"""The kind of group that is named by an image: that of which all the others were made."""


def images(connection: Connection) -> pd.DataFrame:
    """Give one row an image that lies somewhere and can be read, or that ever had a label.

    Returns
    -------
    DataFrame
        Columns image_id, path (text, one of its places; '' where it has none), label and sub_class
        (missing where there is none), origin (real unless said otherwise), split (the permanent
        one, '' for none), taken (ISO 8601 or missing), usable (bool), unusable_reason, and a column
        ``group_<name>`` for each kind of group, ``group_duplicates`` among them (what hangs
        together by near-duplicate pairs; missing for images that are alike to no other); sorted by
        image_id. Where copies of one image lie in several groups of a
        kind, there are also ``group_<name> 2``, …: such an image shares a column and a value with
        the images of each of its groups. A ``group_parent`` is the id of an image, which belongs to
        that group too, and a synthetic image of it is only as usable as its parent: see
        `without_their_parents`. `attrs["found"]` names the columns that nobody said.
    """
    return _facts(connection, None)


def labelled(connection: Connection, image_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Give the rows of `images` that ever had a label, and what their being usable hangs on.

    `class_counts` counts the same from it, and nothing is read of a pool, however large.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    image_ids : sequence of str, optional
        Only of these, a few thousand at most; of all when not given.
    """
    ever = decisions.ever(LABEL)
    if image_ids is None:
        return _facts(connection, ever)
    return _facts(connection, ever.where(schema.decisions.c.image_id.in_(image_ids)))


def _facts(connection: Connection, of: Select[tuple[str]] | None) -> pd.DataFrame:
    said = decisions.current(connection, "group", of=of)
    placed = files.one_path_each(connection, of).set_index("image_id")["path"]
    labels = decisions.current(connection, LABEL, of=of).set_index("image_id")
    index = placed.index.union(labels.index)
    if of is not None:
        # A parent that lies in the pool has no label, so what was made of it cannot be used.
        several = [_parents_of(*row) for row in _parent_rows(said)]
        others = sorted({parent for parents in several for parent in parents} - set(index))
        for some in batched(others, 500):
            found = files.one_path_each(connection, _named(some)).set_index("image_id")["path"]
            placed = pd.concat([placed, found])
        index = index.union(placed.index)
    table = pd.DataFrame(index=index.rename("image_id").sort_values())
    table["path"] = placed.astype(object).reindex(table.index).fillna("")
    table["label"] = _texts(labels["value"], table.index)
    table["sub_class"] = _texts(labels["detail"].map(lambda d: d.get("sub_class", "")), table.index)
    origins = decisions.current(connection, "origin", of=of).set_index("image_id")["value"]
    table["origin"] = origins.astype(object).reindex(table.index).fillna("real")
    splits = decisions.current(connection, "split", of=of).set_index("image_id")["value"]
    table["split"] = splits.astype(object).reindex(table.index).fillna("")
    table["taken"] = _taken(connection, of).reindex(table.index)
    rejected = decisions.current(connection, "reject", of=of).set_index("image_id")["value"]
    table["unusable_reason"] = _unusable(table, _texts(rejected, table.index))
    table["unusable_reason"] = without_their_parents(table, said)
    table["usable"] = table["unusable_reason"] == ""
    groups = _with_parents(said, table.index)
    taken = {f"{GROUP_PREFIX}{name}" for name in groups["field"]}
    for name, rows in groups.groupby("field"):
        first, *more = _group_columns(rows)
        table[f"{GROUP_PREFIX}{name!s}"] = _texts(first, table.index)
        free = (column for n in count(2) if (column := f"{GROUP_PREFIX}{name!s} {n}") not in taken)
        for column, values in zip(free, more, strict=False):
            table[column] = _texts(values, table.index)
    near = duplicates.read(connection, of).set_index("image_id")["tie"]
    # A manifest may name a group so as well: both hold.
    name = next(name for n in count(1) if (name := DUPLICATES + f" {n}" * (n > 1)) not in table)
    table[name] = _texts(near, table.index)
    table.attrs["found"] = [name]
    return table.reset_index()


def class_counts(table: pd.DataFrame, count: str = "groups") -> pd.DataFrame:
    """Count usable labelled images by class and origin.

    Parameters
    ----------
    table : DataFrame
        As `images` gives it.
    count : str
        What counts towards a min-count: groups or images.

    Returns
    -------
    DataFrame
        Columns label, real, staged, synthetic, usable (their sum), groups (with a real image of
        the class), countable_real and countable_staged (what counts towards a min-count: groups or
        images, of the staged and synthetic ones only those without anything real); largest first;
        without *unknown*.
    """
    named = table[table["usable"] & table["label"].notna() & (table["label"] != UNKNOWN)]
    counts = pd.crosstab(named["label"], named["origin"])
    counts = counts.reindex(columns=["real", "staged", "synthetic"], fill_value=0)
    counts["usable"] = counts.sum(axis=1)
    columns = [name for name in named.columns if str(name).startswith(GROUP_PREFIX)]
    values = [pd.factorize(named[name].to_numpy(object))[0].astype(np.int64) for name in columns]
    group = components(values, np.ones(len(named), dtype=np.bool_))
    klass = counts.index.get_indexer(pd.Index(named["label"])).astype(np.int64)
    real = (named["origin"] == "real").to_numpy(np.bool_)
    groups, others = units(klass, group, real, len(counts))
    by_image = count == "images"
    counts["groups"] = groups
    counts["countable_real"] = counts["real"] if by_image else groups
    counts["countable_staged"] = counts["usable"] - counts["real"] if by_image else others
    counts = counts.rename_axis(columns=None).reset_index()
    return counts.sort_values(["usable", "label"], ascending=[False, True], ignore_index=True)


def _named(image_ids: Sequence[str]) -> Select[tuple[str]]:
    return select(schema.images.c.image_id).where(schema.images.c.image_id.in_(image_ids))


def _taken(connection: Connection, of: Select[tuple[str]] | None) -> pd.Series:
    query = select(schema.images.c.image_id, schema.images.c.taken)
    query = query.where(schema.images.c.taken.is_not(None))
    if of is not None:
        query = query.where(schema.images.c.image_id.in_(of))
    rows = connection.execute(query).all()
    return pd.DataFrame(rows, columns=["image_id", "taken"]).set_index("image_id")["taken"]


def without_their_parents(table: pd.DataFrame, groups: pd.DataFrame) -> pd.Series:
    """Say why a synthetic image cannot be used because its parent cannot.

    What cannot be used ties nothing, so a group that reaches val over a rejected parent would not
    hold back what was made of it. And whoever takes a label or an image away because it is wrong
    means the copies too. A parent that is not in the library says nothing. Another label than the
    parent's is wrong only where `curate augment write` made the image: elsewhere a horse may have
    been made into a zebra.
    """
    rows = [row for row in _parent_rows(groups) if row[0] in table.index]
    if not rows:
        return table["unusable_reason"]
    reasons, labels, origins = (
        table[name].to_dict() for name in ("unusable_reason", "label", "origin")
    )
    ties = [
        (name, parent, "recipe" in detail)
        for name, value, detail in rows
        for parent in _parents_of(name, value, detail)
        if parent != name and parent in reasons and origins[name] == "synthetic"
    ]
    while True:
        fresh = {
            name: why
            for name, parent, ours in ties
            if not reasons[name]
            and (why := _wrong_parent(parent, reasons[parent], labels[parent], labels[name], ours))
        }
        if not fresh:
            return pd.Series(reasons, dtype=object).reindex(table.index)
        # Again, for what was made of these.
        reasons.update(fresh)


def _wrong_parent(parent: str, reason: str, label: object, own: object, ours: bool) -> str:
    if reason:
        return f"its parent {parent} cannot be used: {reason}"
    if not isinstance(label, str) or label == UNKNOWN:
        return f"its parent {parent} has no label"
    if ours and isinstance(own, str) and own != label:
        return f"its parent {parent} is labelled {label}"
    return ""


def _with_parents(groups: pd.DataFrame, known: pd.Index) -> pd.DataFrame:
    """Say of every image that others were made of that it is in the group that it names."""
    values = {row[0]: _parents_of(*row) for row in _parent_rows(groups)}
    named = {value for several in values.values() for value in several} & set(known)
    more = [(name, sorted({name, *values.get(name, [])})) for name in sorted(named)]
    told = [
        {"image_id": name, "field": PARENT, "value": own[0], "detail": {"values": own[1:] and own}}
        for name, own in more
    ]
    others = groups[(groups["field"] != PARENT) | ~groups["image_id"].isin(named)]
    return pd.concat([others, pd.DataFrame(told)], ignore_index=True) if told else groups


def _parent_rows(groups: pd.DataFrame) -> list[tuple[str, str, Mapping[str, Any]]]:
    rows = groups[groups["field"] == PARENT]
    return list(zip(rows["image_id"], rows["value"], rows["detail"], strict=True))


def _parents_of(_: str, value: str, detail: Mapping[str, Any]) -> list[str]:
    return detail.get("values") or [value] * (value != "")


def _group_columns(rows: pd.DataFrame) -> list[pd.Series]:
    """Spread the groups of one kind over columns, so that all images of a group share one.

    Only an image with several groups needs more than one column. Every group has a column of its
    own among those, apart from the groups that share an image with it; the first column holds a
    group of every image, as it does where nobody has several.
    """
    single = rows.set_index("image_id")["value"].astype(object)
    listed = zip(rows["image_id"], rows["detail"], strict=True)
    several = {name: detail["values"] for name, detail in listed if detail.get("values")}
    if not several:
        return [single]
    place = _apart(several.values())
    single = single.drop(list(several))
    columns = []
    for number in range(1 + max(place.values())):
        here = single if number == 0 else single[single.map(place) == number]
        many = _in_column(several, place, number)
        columns.append(pd.concat([here, pd.Series(many, dtype=object)]))
    return columns


def _apart(lists: Collection[Sequence[str]]) -> dict[str, int]:
    """Number the columns of groups so that no two groups of one image have the same."""
    beside: dict[str, set[str]] = {}
    for groups in lists:
        for group in groups:
            beside.setdefault(group, set()).update(groups)
    place: dict[str, int] = {}
    for group in sorted(beside):
        used = {place.get(other) for other in beside[group]}
        place[group] = next(number for number in count() if number not in used)
    return place


def _in_column(
    several: Mapping[str, Sequence[str]], place: Mapping[str, int], number: int
) -> dict[str, str]:
    found = {name: groups[0] for name, groups in several.items()} if number == 0 else {}
    for name, groups in several.items():
        found.update((name, group) for group in groups if place[group] == number)
    return found


def _texts(values: pd.Series, index: pd.Index) -> pd.Series:
    """Lay texts beside the images; '' and absence are both a missing value."""
    laid = values.astype(object).reindex(index)
    return laid.where(laid.notna() & (laid != ""), None)


def _unusable(table: pd.DataFrame, rejected: pd.Series) -> pd.Series:
    reasons = pd.Series("", index=table.index, dtype=object)
    reasons[table["path"] == ""] = "no file of it can be read any more"
    given = rejected.notna()
    reasons[given] = "rejected: " + rejected[given].astype(str)
    return reasons
