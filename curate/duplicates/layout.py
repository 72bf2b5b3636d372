"""The table of duplicates that a user sees: groups, keepers, exact copies, contradicting labels."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

COLUMNS = [
    "group",
    "image_id",
    "path",
    "label",
    "keeper",
    "similarity",
    "reason",
    "tie",
    "origin",
    "split",
]


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes
    ----------
    table : DataFrame
        One row a file of every group: group, image_id, path, label (missing where there is none),
        keeper (bool), similarity (to the keeper), reason, tie, origin, split. Exact copies are
        files of one image. The groups of most images first, in a group the keeper first.
    conflicts : DataFrame
        Groups whose images have different labels: group, labels (such as ``cat 3, dog 1``),
        images.
    compared : int
        Images that were compared with all others in this run.
    """

    table: pd.DataFrame
    conflicts: pd.DataFrame
    compared: int


def laid_out(
    table: pd.DataFrame, images: pd.DataFrame, places: pd.DataFrame, compared: int
) -> Duplicates:
    """Make the table that a user sees.

    Parameters
    ----------
    table : DataFrame
        As `search.arranged` gives it.
    images : DataFrame
        image_id, label, origin, split.
    places : DataFrame
        image_id and path, one row a file; sorted by path.
    compared : int
        Images that were compared.
    """
    rows = places[["image_id", "path"]].merge(table, on="image_id", how="left")
    several = rows["image_id"].duplicated(keep=False)
    rows = rows[several | rows["group"].notna()].copy()
    for column in ("group", "tie", "keeper"):
        rows[column] = rows[column].fillna(rows["image_id"])
    rows["similarity"] = rows["similarity"].fillna(1.0).astype(float)
    rows = rows.merge(images[["image_id", "label", "origin", "split"]], on="image_id")
    again = rows.duplicated("image_id")
    rows["reason"] = rows["reason"].fillna("kept: the first of its copies by path")
    rows["reason"] = rows["reason"].mask(again, "exact copy: the same bytes")
    alone = rows["group"].map(rows["group"].value_counts()) == 1
    rows["keeper"] = (rows["keeper"] == rows["image_id"]) & ~again
    rows["size"] = rows["group"].map(rows["group"].value_counts())
    rows = rows[~alone].sort_values(
        ["size", "group", "keeper", "similarity", "path"],
        ascending=[False, True, False, False, True],
        ignore_index=True,
    )
    return Duplicates(rows[COLUMNS], _conflicts(rows), compared)


def _conflicts(rows: pd.DataFrame) -> pd.DataFrame:
    labelled = rows[rows["label"].notna()].drop_duplicates(["group", "image_id"])
    found = []
    for group, images in labelled.groupby("group", sort=False):
        times = images["label"].value_counts()
        if len(times) > 1:
            said = ", ".join(f"{label} {number}" for label, number in times.items())
            found.append((group, said, len(images)))
    return pd.DataFrame(found, columns=["group", "labels", "images"])
