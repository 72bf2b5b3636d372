"""Any table of splits held against the rules, ours or not.

Written without looking at how `assign` works: it reads only the table, so that it can tell when
`assign` is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pandas as pd

from curate.core.errors import InputError
from curate.splits.policy import SplitPolicy
from curate.splits.tables import (
    GROUP_PREFIX,
    ORIGINS,
    SPLITS,
    UNKNOWN,
    group_columns,
    missing_columns,
    text,
)

Fault = tuple[str, str, str]


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
    for name in {"label", "origin", "split", "sub_class", *grouping(rows)} & {*rows.columns}:
        rows[name] = [str(value) for value in text(rows[name])]
    kept = rows["image_id"].isin(list(frozen)) & (rows["split"] == "benchmark")
    found = [
        *_twice(rows),
        *misnamed(rows),
        *crossings(rows),
        *staged(rows[~kept]),
        *unlabelled(rows[~kept]),
        *cutoffs(rows, policy),
        *_benchmark(rows, frozen),
        *silent(rows),
    ]
    return fault_table(found)


def fault_table(found: Iterable[Fault]) -> pd.DataFrame:
    """Lay faults out as a table: check, subject, reason."""
    return pd.DataFrame(list(found), columns=["check", "subject", "reason"], dtype=object)


def grouping(rows: pd.DataFrame) -> list[str]:
    """The columns that name groups: `group` and ``group_<name>``."""
    return ["group"] * ("group" in rows) + group_columns(rows)


def misnamed(rows: pd.DataFrame) -> Iterator[Fault]:
    """Splits and origins that are none."""
    for image in rows[~rows["split"].isin([*SPLITS, ""])].itertuples():
        yield "split", str(image.image_id), f"{image.split!r} is none of {', '.join(SPLITS)}"
    for image in rows[~rows["origin"].isin(ORIGINS)].itertuples():
        yield "origin", str(image.image_id), f"{image.origin!r} is none of {', '.join(ORIGINS)}"


def crossings(rows: pd.DataFrame) -> Iterator[Fault]:
    """Groups whose images lie in several splits, with one image of each; any group column."""
    for column in grouping(rows):
        placed = rows[(rows[column] != "") & (rows["split"] != "")]
        one_each = placed.drop_duplicates([column, "split"])
        torn = one_each[one_each.duplicated(column, keep=False)].sort_values([column, "split"])
        kind = "" if column == "group" else f"{column.removeprefix(GROUP_PREFIX)} "
        lies: dict[str, list[tuple[str, str]]] = {}
        for group, split, image in zip(torn[column], torn["split"], torn["image_id"], strict=True):
            lies.setdefault(group, []).append((split, image))
        for group, places in lies.items():
            splits = " and ".join(split for split, _ in places)
            images = ", ".join(f"{image} in {split}" for split, image in places)
            yield "group", f"{kind}{group}", f"its images lie in {splits}: {images}"


def staged(rows: pd.DataFrame) -> Iterator[Fault]:
    """Staged and synthetic images that do not train."""
    made = rows["origin"].isin(["staged", "synthetic"])
    for image in rows[made & ~rows["split"].isin(["train", ""])].itertuples():
        yield "staged", str(image.image_id), f"a {image.origin} image lies in {image.split}"


def unlabelled(rows: pd.DataFrame) -> Iterator[Fault]:
    """Images that are used though nobody knows what they show."""
    placed = rows[rows["split"] != ""]
    for image in placed[placed["label"].isin([UNKNOWN, ""])].itertuples():
        what = "labelled unknown" if image.label else "without a label"
        yield "unknown", str(image.image_id), f"an image {what} lies in {image.split}"


def cutoffs(rows: pd.DataFrame, policy: SplitPolicy) -> Iterator[Fault]:
    """Classes and sub-classes with less than a min-count needs, or more than a max-count allows."""
    named = rows[~rows["label"].isin([UNKNOWN, ""])]
    used = named["split"] != ""
    # What was cut by a max-count is not used, and has carried its class over the min-count.
    cut = named["reason"].str.startswith("over the ") if "reason" in named else ~used & used
    counts = named[used | cut]
    yield from _cutoff("", counts, counts["label"], policy.min_count, policy.max_count, policy)
    if "sub_class" in named and (policy.sub_min_count or policy.sub_max_count is not None):
        parts = named[(used | cut | _shut_out(named)) & (named["sub_class"] != "")]
        both = parts["label"] + " / " + parts["sub_class"]
        yield from _cutoff("sub-", parts, both, policy.sub_min_count, policy.sub_max_count, policy)


def _shut_out(rows: pd.DataFrame) -> pd.Series:
    """What only its ties keep from being used; it counts for what was in before."""
    if "reason" not in rows:
        return pd.Series(False, index=rows.index)
    return rows["reason"].str.contains(
        r"^near the benchmark|^ties groups|images only train, and its group"
    )


def _cutoff(
    what: str,
    rows: pd.DataFrame,
    kinds: pd.Series,
    low: int,
    high: int | None,
    policy: SplitPolicy,
) -> Iterator[Fault]:
    # A class that was cut later: what is frozen stays, and nothing of it trains.
    judged = kinds.isin(kinds[~rows["split"].isin(["", "benchmark"])])
    rows, kinds = rows[judged], kinds[judged]
    unit = rows["image_id"]
    if policy.count == "groups":
        unit = rows["group"].where(rows["group"] != "", "alone: " + rows["image_id"])
    if "reason" in rows:
        # What was in stays in while its images reach the cutoff, however few groups they become.
        settled = rows["reason"].str.startswith(("stays in", "moved to", "frozen in"))
        stays = kinds.isin(kinds[settled])
        counts = stays | ~_shut_out(rows)
        unit = unit.where(~stays, rows["image_id"])[counts]
        rows, kinds = rows[counts], kinds[counts]
    every = unit.groupby(kinds).nunique()
    real = unit[rows["origin"] == "real"].groupby(kinds).nunique().reindex(every.index).fillna(0)
    used = (rows["split"] != "").groupby(kinds).sum()
    # The nudge keeps 0.29 * 100 from counting as 28.
    most = int(policy.staged_share * low + 1e-9)
    for name in every.index:
        counted = int(real[name] + min(every[name] - real[name], most))
        if counted < low:
            reason = f"counts {counted} of {low} {policy.count} needed"
            yield f"{what}min-count", str(name), reason
        if high is not None and used[name] > high:
            yield f"{what}max-count", str(name), f"{used[name]} images used of {high} allowed"


def silent(rows: pd.DataFrame) -> Iterator[Fault]:
    """Images that are left out without a reason, where reasons are given."""
    if "reason" in rows.columns:
        left_out = rows[(rows["split"] == "") & rows["reason"].isin(["", None])]
        for name in left_out["image_id"]:
            yield "reason", str(name), "it is left out and no reason is given"


def _twice(rows: pd.DataFrame) -> Iterator[Fault]:
    for name, times in rows["image_id"].value_counts(sort=False).items():
        if times > 1:
            yield "duplicate", str(name), f"there are {times} rows for this image"


def _benchmark(rows: pd.DataFrame, frozen: Collection[str]) -> Iterator[Fault]:
    there = set(rows.loc[rows["split"] == "benchmark", "image_id"])
    for name in sorted(set(frozen) - there):
        yield "benchmark", name, "it was in the frozen benchmark and is not there now"
