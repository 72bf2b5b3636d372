"""The assignment: every image gets a split or the reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from curate.core.cutoffs import distinct
from curate.splits.balance import balance, distance
from curate.splits.cutoffs import Cut, cut
from curate.splits.groups import Ties, tie
from curate.splits.keeping import COLUMN, check_evidence
from curate.splits.moves import moved
from curate.splits.placing import Question, cross, place
from curate.splits.policy import SplitPolicy
from curate.splits.reasons import reasons, settled
from curate.splits.tables import (
    BENCHMARK,
    ORIGINS,
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
        One row a class, sorted by name: class, usable, real, staged, synthetic (images), groups
        (usable real ones), counted (towards min-count, in what the policy counts), used, cut (by
        the max-counts and the sub-min-count: usable is used and cut), short (of min-count), train,
        val, test, benchmark, status ('in' or 'out'), note (what is odd about the class, ''
        otherwise), countable_real and countable_staged (what can count, before the staged share).
    changes : DataFrame
        image_id, was, now, reason of every image that was assigned and now is elsewhere or not.
    conflicts : DataFrame
        image_id, group, reason, ways_out of the images whose ties contradict earlier splits.
    balance : DataFrame
        class, sub_class ('' for the whole class), split, wished, placed, deviation: how many used
        real images were wished for and are there.
    distance : DataFrame
        class, deviation (from its wishes, summed over the splits), at_least (what no assignment
        of the same groups can do better than). Both sum up over classes.
    """

    table: pd.DataFrame
    classes: pd.DataFrame
    changes: pd.DataFrame
    conflicts: pd.DataFrame
    balance: pd.DataFrame
    distance: pd.DataFrame


def assign(
    images: pd.DataFrame,
    policy: SplitPolicy,
    previous: pd.DataFrame | None = None,
    moves: pd.DataFrame | None = None,
) -> Assignment:
    """Assign images to train, val, test and benchmark.

    Parameters
    ----------
    images : DataFrame
        One row an image: image_id (str, unique), label, sub_class (str or missing), origin (real,
        staged or synthetic), usable (bool), unusable_reason (str), and any number of group columns
        named ``group_<name>``, whose missing values tie nothing. The keep rules read taken (ISO
        8601 text), quality (float, higher is better) and phash (64-bit int), each or missing.
        Other columns are ignored.
    policy : SplitPolicy
        Cutoffs, shares or counts, what to keep, and seed.
    previous : DataFrame, optional
        image_id and split of images assigned before, the benchmark among them. They stay where
        they are. Rows with an empty split count as not there.
    moves : DataFrame, optional
        image_id and split of images that the user wants elsewhere; an empty split leaves out. The
        whole group of an image goes with it; what is left out takes along those of its group that
        lie in the same split. What is left out is not remembered in `previous`: ask again.

    Returns
    -------
    Assignment
        The same for the same images, whatever their order and the names of the classes.

    Raises
    ------
    InputError
        A table lacks a column, repeats an image or names what does not exist; all faults together.
    FaultsError
        Moves that cannot be made: out of the frozen benchmark, of staged images out of train, of
        images that are not used; all faults together.
    PolicyError
        No class reaches min-count, or the keep rule has nothing to go by.
    """
    rows = read_rows(images, previous, evidence=COLUMN.get(policy.keep))
    check_evidence(rows, policy)
    before = rows.was
    ties = tie(rows)
    found = cut(rows, ties, policy)
    if moves is not None and len(moves):
        rows = moved(rows, ties, found, moves)
        ties = tie(rows)
        found = cut(rows, ties, policy)
    fixed, why_fixed = settled(rows, ties, found.used)
    question = _question(rows, ties, found.used, fixed, policy)
    split = place(question)
    reason = reasons(rows, ties, found, split, why_fixed)
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
    torn = as_bools(ties.clash != "")
    return Assignment(
        table=table,
        classes=_classes(rows, ties, found, split, policy),
        changes=_changes(rows, before, names, reason),
        conflicts=table.loc[torn, ["image_id", "group"]]
        .assign(reason=ties.clash[torn], ways_out=ties.ways_out[torn])
        .reset_index(drop=True),
        balance=balance(question, split, rows.classes, rows.sub_class, SPLITS),
        distance=distance(question, split, rows.classes),
    )


def _question(rows: Rows, ties: Ties, used: Bools, fixed: Ints, policy: SplitPolicy) -> Question:
    classes = len(rows.classes)
    real = used & rows.real
    total = np.bincount(rows.klass[real], minlength=classes)
    have = cross(rows.klass, fixed, real, classes, len(SPLITS))
    holds = cross(rows.klass, fixed, rows.klass >= 0, classes, len(SPLITS)) > 0
    allowed = np.tile(np.array(policy.asked), (classes, 1))
    # A benchmark that grows by itself would not be frozen: a class that has one keeps it as it is.
    allowed[:, BENCHMARK] &= ~holds[:, BENCHMARK]
    wish = policy.wishes(total)
    wish[:, BENCHMARK] = np.where(allowed[:, BENCHMARK], wish[:, BENCHMARK], have[:, BENCHMARK])
    held_out = wish[:, TRAIN + 1 :]
    # With counts, a large old benchmark can leave less than is asked for val and test.
    fits = (total - wish[:, BENCHMARK]) / np.maximum(held_out[:, :-1].sum(axis=1), 1e-9)
    held_out[:, :-1] *= np.clip(fits, 0, 1)[:, None]
    wish[:, TRAIN] = np.maximum(total - held_out.sum(axis=1), 0)
    return Question(
        ids=rows.ids,
        klass=rows.klass,
        sub=rows.sub,
        root=ties.root,
        who=real,
        fixed=fixed,
        wish=wish,
        allowed=allowed,
        holds=holds,
        seed=policy.seed,
    )


def _classes(rows: Rows, ties: Ties, found: Cut, split: Ints, policy: SplitPolicy) -> pd.DataFrame:
    classes = found.classes
    in_split = cross(rows.klass, split, rows.klass >= 0, len(rows.classes), len(SPLITS))
    usable = found.by_origin.sum(axis=1)
    kept = np.bincount(rows.klass[found.used], minlength=len(rows.classes))
    lines = pd.DataFrame(
        {
            "class": rows.classes,
            "usable": usable,
            **{name: found.by_origin[:, i] for i, name in enumerate(ORIGINS)},
            "groups": found.groups,
            "counted": classes.counted,
            "used": in_split.sum(axis=1),
            "cut": np.where(classes.passes, usable - kept, 0),
            "short": np.maximum(policy.min_count - classes.counted, 0),
            **{name: in_split[:, i] for i, name in enumerate(SPLITS)},
            "status": np.where(classes.passes, "in", "out").astype(object),
            "note": _notes(rows, ties.root, found, in_split, policy),
            "countable_real": classes.real,
            "countable_staged": classes.others,
        }
    )
    return lines.sort_values("class", ignore_index=True)


def _notes(rows: Rows, root: Ints, found: Cut, in_split: Ints, policy: SplitPolicy) -> Objects:
    """Say what is odd about a class that is in: absent somewhere, too small, in by habit."""
    passes = found.classes.passes
    absent = (in_split == 0) & np.array(policy.asked) & passes[:, None]
    real = found.used & rows.real
    pairs = distinct(rows.klass[real] * len(root) + root[real])
    groups = np.bincount(pairs // len(root), minlength=len(passes))
    images = np.bincount(rows.klass[real], minlength=len(passes))
    asked = sum(n for n in (policy.val, policy.test, policy.benchmark) if n >= 1)
    notes = np.full(len(passes), "", dtype=object)
    odd = absent.any(axis=1) | (found.classes.counted < policy.min_count) | (images <= asked)
    for i in np.flatnonzero(odd & passes):
        said = []
        if absent[i].any():
            names = ", ".join(name for name, gone in zip(SPLITS, absent[i], strict=True) if gone)
            noun = "group" if groups[i] == 1 else "groups"
            said.append(f"none in {names}: {groups[i]} {noun} of real images to share out")
        if found.classes.counted[i] < policy.min_count:
            said.append(
                f"stays in though it counts {found.classes.counted[i]} of {policy.min_count}: "
                "its groups have become fewer"
            )
        if images[i] <= asked:
            said.append(f"has {images[i]} real images for the {asked:g} that are asked for")
        notes[i] = "; ".join(said)
    return notes


def _changes(rows: Rows, before: Ints, split: Objects, reason: Objects) -> pd.DataFrame:
    was = np.array([*SPLITS, ""], dtype=object)[before]
    other = (before >= 0) & as_bools(was != split)
    gone = rows.gone
    here = pd.DataFrame(
        {
            "image_id": np.append(rows.ids[other], gone["image_id"].to_numpy(object)),
            "was": np.append(was[other], gone["split"].to_numpy(object)),
            "now": np.append(split[other], np.full(len(gone), "", dtype=object)),
            "reason": np.append(
                reason[other], np.full(len(gone), "no longer in the library", dtype=object)
            ),
        }
    )
    return here.sort_values("image_id", ignore_index=True)
