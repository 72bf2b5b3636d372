"""What the library says of every image now: the decisions, laid beside each other."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Connection

from curate.core.names import UNKNOWN
from curate.store import decisions, files

GROUP_PREFIX = "group_"


def images(connection: Connection) -> pd.DataFrame:
    """Give one row an image that lies somewhere and can be read, or that ever had a label.

    Returns
    -------
    DataFrame
        Columns image_id, path (text, one of its places; '' where it has none), label and sub_class
        (missing where there is none), origin (real unless said otherwise), split (the permanent
        one, '' for none), usable (bool), unusable_reason, and a column ``group_<name>`` for each
        kind of group; sorted by image_id.
    """
    placed = files.one_path_each(connection).set_index("image_id")["path"]
    labels = decisions.current(connection, "label").set_index("image_id")
    table = pd.DataFrame(index=placed.index.union(labels.index).rename("image_id").sort_values())
    table["path"] = placed.astype(object).reindex(table.index).fillna("")
    table["label"] = _texts(labels["value"], table.index)
    table["sub_class"] = _texts(labels["detail"].map(lambda d: d.get("sub_class", "")), table.index)
    origins = decisions.current(connection, "origin").set_index("image_id")["value"]
    table["origin"] = origins.astype(object).reindex(table.index).fillna("real")
    splits = decisions.current(connection, "split").set_index("image_id")["value"]
    table["split"] = splits.astype(object).reindex(table.index).fillna("")
    rejected = decisions.current(connection, "reject").set_index("image_id")["value"]
    table["unusable_reason"] = _unusable(table, _texts(rejected, table.index))
    table["usable"] = table["unusable_reason"] == ""
    groups = decisions.current(connection, "group")
    for name, rows in groups.groupby("field"):
        table[f"{GROUP_PREFIX}{name!s}"] = _texts(rows.set_index("image_id")["value"], table.index)
    return table.reset_index()


def class_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Count usable labelled images by class and origin.

    Parameters
    ----------
    table : DataFrame
        As `images` gives it.

    Returns
    -------
    DataFrame
        Columns label, real, staged, synthetic, usable (their sum); largest first; without
        *unknown*.
    """
    named = table[table["usable"] & table["label"].notna() & (table["label"] != UNKNOWN)]
    counts = pd.crosstab(named["label"], named["origin"])
    counts = counts.reindex(columns=["real", "staged", "synthetic"], fill_value=0)
    counts["usable"] = counts.sum(axis=1)
    counts = counts.rename_axis(columns=None).reset_index()
    return counts.sort_values(["usable", "label"], ascending=[False, True], ignore_index=True)


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
