"""Any table of splits held against the rules, ours or not.

Written without looking at how `assign` works: it reads only the table, so that it can tell when
`assign` is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd

from curate.core.errors import InputError
from curate.splits.policy import SplitPolicy
from curate.splits.tables import ORIGINS, SPLITS, UNKNOWN, missing_columns

_Fault = tuple[str, str, str]


def verify(table: pd.DataFrame, policy: SplitPolicy, frozen: Collection[str] = ()) -> pd.DataFrame:
    """Find what in a table of splits breaks the rules.

    Parameters
    ----------
    table : DataFrame
        image_id, label, origin, group, split, and optionally reason. An empty or missing split
        means left out; an empty or missing group ties nothing.
    policy : SplitPolicy
        The cutoffs that the table should keep.
    frozen : collection of str, optional
        Images that were in the benchmark before. They must still be there, and may lie there
        whatever has become of their label and origin.

    Returns
    -------
    DataFrame
        One row a fault: check (duplicate, split, origin, group, staged, unknown, min-count,
        max-count, benchmark, reason), subject (the image, group or class) and reason. Empty when
        all is well.

    Raises
    ------
    InputError
        A column is missing or there twice.
    """
    faults = missing_columns(table, ("image_id", "label", "origin", "group", "split"))
    if faults:
        raise InputError("the table of splits", "; ".join(faults), "Add or rename the columns.")
    rows = table.reset_index(drop=True).copy()
    for name in ("label", "origin", "group", "split"):
        rows[name] = rows[name].astype(object).where(rows[name].notna(), "").astype(str)
    kept = rows["image_id"].isin(list(frozen)) & (rows["split"] == "benchmark")
    found = [
        *_names(rows),
        *_crossings(rows),
        *_origins(rows[~kept]),
        *_labels(rows[~kept]),
        *_cutoffs(rows, policy),
        *_benchmark(rows, frozen),
        *_silence(rows),
    ]
    return pd.DataFrame(found, columns=["check", "subject", "reason"], dtype=object)


def _names(rows: pd.DataFrame) -> Iterator[_Fault]:
    for name, times in rows["image_id"].value_counts(sort=False).items():
        if times > 1:
            yield "duplicate", str(name), f"there are {times} rows for this image"
    for image in rows[~rows["split"].isin([*SPLITS, ""])].itertuples():
        yield "split", str(image.image_id), f"{image.split!r} is none of {', '.join(SPLITS)}"
    for image in rows[~rows["origin"].isin(ORIGINS)].itertuples():
        yield "origin", str(image.image_id), f"{image.origin!r} is none of {', '.join(ORIGINS)}"


def _crossings(rows: pd.DataFrame) -> Iterator[_Fault]:
    placed = rows[(rows["group"] != "") & (rows["split"] != "")]
    pairs = placed[["group", "split"]].drop_duplicates()
    for group, several in pairs[pairs.duplicated("group", keep=False)].groupby("group"):
        yield "group", str(group), f"its images lie in {' and '.join(sorted(several['split']))}"


def _origins(rows: pd.DataFrame) -> Iterator[_Fault]:
    made = rows["origin"].isin(["staged", "synthetic"])
    for image in rows[made & ~rows["split"].isin(["train", ""])].itertuples():
        yield "staged", str(image.image_id), f"a {image.origin} image lies in {image.split}"


def _labels(rows: pd.DataFrame) -> Iterator[_Fault]:
    placed = rows[rows["split"] != ""]
    for image in placed[placed["label"].isin([UNKNOWN, ""])].itertuples():
        what = "labelled unknown" if image.label else "without a label"
        yield "unknown", str(image.image_id), f"an image {what} lies in {image.split}"


def _cutoffs(rows: pd.DataFrame, policy: SplitPolicy) -> Iterator[_Fault]:
    placed = rows[(rows["split"] != "") & ~rows["label"].isin([UNKNOWN, ""])]
    for name, images in placed.groupby("label"):
        if (images["split"] == "benchmark").all():
            # A class that was cut later: what is frozen stays, and nothing of it trains.
            continue
        real = int((images["origin"] == "real").sum())
        counted = real + min(len(images) - real, int(policy.staged_share * policy.min_count + 1e-9))
        if counted < policy.min_count:
            yield "min-count", str(name), f"{counted} images count of {policy.min_count} needed"
        if policy.max_count is not None and len(images) > policy.max_count:
            yield "max-count", str(name), f"{len(images)} images used of {policy.max_count} allowed"


def _benchmark(rows: pd.DataFrame, frozen: Collection[str]) -> Iterator[_Fault]:
    there = set(rows.loc[rows["split"] == "benchmark", "image_id"])
    for name in sorted(set(frozen) - there):
        yield "benchmark", name, "it was in the frozen benchmark and is not there now"


def _silence(rows: pd.DataFrame) -> Iterator[_Fault]:
    if "reason" in rows.columns:
        silent = rows[(rows["split"] == "") & rows["reason"].isin(["", None])]
        for name in silent["image_id"]:
            yield "reason", str(name), "it is left out and no reason is given"
