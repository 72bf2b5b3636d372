"""Splits: labels, groups and a policy in; an assignment out, with a reason for every image."""

from curate.splits.assign import Assignment, assign
from curate.splits.check import Checked, check
from curate.splits.cross_validation import LeakFreeKFold, LeakFreeShuffleSplit
from curate.splits.cutoffs import near_misses
from curate.splits.explain import explain
from curate.splits.folds import assign_folds
from curate.splits.keeping import KEEP
from curate.splits.lock import Lock, digest, read_lock, write_lock
from curate.splits.policy import SplitPolicy, lowered
from curate.splits.tables import ORIGINS, SPLITS, UNKNOWN
from curate.splits.verb import (
    OUT,
    last_policy,
    preview,
    split,
    split_and_lock,
    split_folds,
    split_from_lock,
)
from curate.splits.verify import verify

__all__ = [
    "KEEP",
    "ORIGINS",
    "OUT",
    "SPLITS",
    "UNKNOWN",
    "Assignment",
    "Checked",
    "LeakFreeKFold",
    "LeakFreeShuffleSplit",
    "Lock",
    "SplitPolicy",
    "assign",
    "assign_folds",
    "check",
    "digest",
    "explain",
    "last_policy",
    "lowered",
    "near_misses",
    "preview",
    "read_lock",
    "split",
    "split_and_lock",
    "split_folds",
    "split_from_lock",
    "verify",
    "write_lock",
]
