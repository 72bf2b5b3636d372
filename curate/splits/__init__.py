"""Splits: labels, groups and a policy in; an assignment out, with a reason for every image."""

from curate.splits.assign import Assignment, assign
from curate.splits.cutoffs import near_misses
from curate.splits.explain import explain
from curate.splits.policy import SplitPolicy, lowered
from curate.splits.tables import ORIGINS, SPLITS, UNKNOWN
from curate.splits.verb import digest, preview, split
from curate.splits.verify import verify

__all__ = [
    "ORIGINS",
    "SPLITS",
    "UNKNOWN",
    "Assignment",
    "SplitPolicy",
    "assign",
    "digest",
    "explain",
    "lowered",
    "near_misses",
    "preview",
    "split",
    "verify",
]
