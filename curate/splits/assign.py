"""The assignment: every image gets a split or the reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.splits.cutoffs import Tally, keep, tally
from curate.splits.groups import Ties, tie
from curate.splits.placing import place
from curate.splits.policy import SplitPolicy
from curate.splits.tables import (
    BENCHMARK,
    ORIGINS,
    REAL,
    SPLITS,
    TRAIN,
    Bools,
    Ints,
    Objects,
    Rows,
    as_bools,
    read_rows,
)


@dataclass(frozen=True)
class Assignment:
    """What `assign` answers.

    Attributes
    ----------
    table : DataFrame
        One row for every image, sorted by image_id: image_id, label, sub_class, origin, group,
        split, reason. Nothing is missing: label, sub_class, group and split are '' where there is
        none. `group` is the smallest image_id of the group, '' for an image that is alone.
    classes : DataFrame
        One row a class, sorted by name: class, usable, real, staged, synthetic, counted (towards
        min-count), used, cut (by max-count), short (of min-count), train, val, test, benchmark,
        status ('in' or 'out'), note (where a class could not be present, '' otherwise).
    changes : DataFrame
        image_id, was, now, reason of every image that was assigned and now is not.
    conflicts : DataFrame
        image_id, group, reason of the images whose ties contradict earlier splits.
    """

    table: pd.DataFrame
    classes: pd.DataFrame
    changes: pd.DataFrame
    conflicts: pd.DataFrame


def assign(
    images: pd.DataFrame, policy: SplitPolicy, previous: pd.DataFrame | None = None
) -> Assignment:
    """Assign images to train, val, test and benchmark.

    Parameters
    ----------
    images : DataFrame
        One row an image: image_id (str, unique), label, sub_class (str or missing), origin (real,
        staged or synthetic), usable (bool), unusable_reason (str), and any number of group columns
        named ``group_<name>``, whose missing values tie nothing. Other columns are ignored.
    policy : SplitPolicy
        Cutoffs, shares and seed.
    previous : DataFrame, optional
        image_id and split of images assigned before, the benchmark among them. They stay where
        they are. Rows with an empty split count as not there.

    Returns
    -------
    Assignment
        The same for the same images, whatever their order and the names of the classes.

    Raises
    ------
    InputError
        A table lacks a column, repeats an image or names what does not exist; all faults together.
    PolicyError
        No class reaches min-count.
    """
    rows = read_rows(images, previous)
    ties = tie(rows)
    counts = tally(rows, ties, policy)
    used = keep(rows, ties, counts, policy)
    fixed, why_fixed = _settled(rows, ties, used)
    split = place(rows, ties.root, used, fixed, policy)
    reason = _reasons(rows, ties, counts, used, split, why_fixed, policy)
    names = np.array([*SPLITS, ""], dtype=object)[split]
    table = pd.DataFrame(
        {
            "image_id": rows.ids,
            "label": rows.label,
            "sub_class": rows.sub_class,
            "origin": np.array(ORIGINS, dtype=object)[rows.origin],
            "group": ties.name,
            "split": names,
            "reason": reason,
        }
    )
    return Assignment(
        table=table,
        classes=_classes(rows, ties, counts, used, split, policy),
        changes=_changes(rows, names, reason),
        conflicts=table.loc[ties.clash != "", ["image_id", "group"]]
        .assign(reason=ties.clash[ties.clash != ""])
        .reset_index(drop=True),
    )


def _settled(rows: Rows, ties: Ties, used: Bools) -> tuple[Ints, Objects]:
    """The splits that leave no choice, and why: what was there before, and what only trains."""
    only_trains = used & (rows.origin != REAL)
    mixed = np.zeros(len(used), dtype=np.bool_)
    mixed[ties.root[only_trains]] = True
    split = np.full(len(used), -1, dtype=np.int64)
    why = np.full(len(used), "", dtype=object)

    def settle(who: Bools, where: Ints | int, reasons: Objects | str) -> None:
        split[who] = where
        why[who] = reasons

    home = np.array([f"joins its group in {name}" for name in SPLITS], dtype=object)
    stays = np.array([f"stays in {name}" for name in SPLITS], dtype=object)
    origin = np.array([f"{name} images only train" for name in ORIGINS], dtype=object)
    settle(used & mixed[ties.root], TRAIN, "its group holds a staged or synthetic image: all train")
    settle(only_trains, TRAIN, origin[rows.origin[only_trains]])
    joins = used & ~ties.anchored & (ties.home >= 0)
    settle(joins, ties.home[joins], home[ties.home[joins]])
    remains = used & ties.anchored
    settle(remains, rows.was[remains], stays[rows.was[remains]])
    settle(rows.frozen, BENCHMARK, "frozen in the benchmark")
    return split, why


def _reasons(
    rows: Rows,
    ties: Ties,
    counts: Tally,
    used: Bools,
    split: Ints,
    why_fixed: Objects,
    policy: SplitPolicy,
) -> Objects:
    """One sentence for every image; of several that hold, the one nearest to the image."""
    shortage = np.append(counts.shortage, "")[rows.klass]
    why_out = _first_said(
        rows.why_not,
        ties.barred,
        shortage,
        np.where(used, "", f"over the max-count of {policy.max_count}"),
    )
    drawn = np.array([f"drawn for {name}" for name in SPLITS] + [""], dtype=object)[split]
    reason = np.where(split >= 0, _first_said(why_fixed, drawn), why_out)
    for i in np.flatnonzero(ties.apart & used):
        reason[i] = f"{reason[i]}; {ties.clash[i]}"
    staged = np.where(rows.origin == REAL, "", np.array(ORIGINS, dtype=object)[rows.origin])
    though = _first_said(rows.why_not, shortage, staged)
    for i in np.flatnonzero(rows.frozen & as_bools(though != "")):
        reason[i] = f"frozen in the benchmark though {though[i]}; kept out of training"
    return np.asarray(reason, dtype=object)


def _first_said(*reasons: Objects) -> Objects:
    said = reasons[-1]
    for earlier in reasons[-2::-1]:
        said = np.where(as_bools(earlier != ""), earlier, said)
    return said


def _classes(
    rows: Rows, ties: Ties, counts: Tally, used: Bools, split: Ints, policy: SplitPolicy
) -> pd.DataFrame:
    n = len(rows.classes)
    known = rows.klass >= 0
    in_split = np.stack(
        [np.bincount(rows.klass[known & (split == s)], minlength=n) for s in range(len(SPLITS))],
        axis=1,
    )
    usable = counts.by_origin.sum(axis=1)
    kept = np.bincount(rows.klass[used], minlength=n)
    lines = pd.DataFrame(
        {
            "class": rows.classes,
            "usable": usable,
            **{name: counts.by_origin[:, i] for i, name in enumerate(ORIGINS)},
            "counted": counts.counted,
            "used": in_split.sum(axis=1),
            "cut": np.where(counts.passes, usable - kept, 0),
            "short": np.maximum(policy.min_count - counts.counted, 0),
            **{name: in_split[:, i] for i, name in enumerate(SPLITS)},
            "status": np.where(counts.passes, "in", "out").astype(object),
            "note": _notes(rows, ties.root, counts.passes, used, in_split, policy),
        }
    )
    return lines.sort_values("class", ignore_index=True)


def _notes(
    rows: Rows, root: Ints, passes: Bools, used: Bools, in_split: Ints, policy: SplitPolicy
) -> Objects:
    """Name the splits in which a class that is in has no image, and how few groups it has."""
    absent = (in_split == 0) & (np.array(policy.shares) > 0) & passes[:, None]
    real = used & (rows.origin == REAL)
    pairs = np.unique(rows.klass[real] * len(root) + root[real])
    groups = np.bincount(pairs // len(root), minlength=len(passes))
    notes = np.full(len(passes), "", dtype=object)
    for i in np.flatnonzero(absent.any(axis=1)):
        names = ", ".join(name for name, gone in zip(SPLITS, absent[i], strict=True) if gone)
        noun = "group" if groups[i] == 1 else "groups"
        notes[i] = f"none in {names}: {groups[i]} {noun} of real images to share out"
    return notes


def _changes(rows: Rows, split: Objects, reason: Objects) -> pd.DataFrame:
    was = np.array([*SPLITS, ""], dtype=object)[rows.was]
    moved = (rows.was >= 0) & as_bools(was != split)
    gone = rows.gone
    here = pd.DataFrame(
        {
            "image_id": np.append(rows.ids[moved], gone["image_id"].to_numpy(object)),
            "was": np.append(was[moved], gone["split"].to_numpy(object)),
            "now": np.append(split[moved], np.full(len(gone), "", dtype=object)),
            "reason": np.append(
                reason[moved], np.full(len(gone), "no longer in the library", dtype=object)
            ),
        }
    )
    return here.sort_values("image_id", ignore_index=True)
