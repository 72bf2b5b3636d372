"""Duplicates: images in; groups of near-duplicates out, each with a keeper and a reason."""

from curate.duplicates.embeddings import read_embeddings
from curate.duplicates.layout import Duplicates
from curate.duplicates.oneoff import Crossed, across_sources, against_library, in_folder, side_of
from curate.duplicates.policy import DuplicatePolicy
from curate.duplicates.sheet import crossing_sheet, groups_sheet
from curate.duplicates.verb import find, leaks, part

__all__ = [
    "Crossed",
    "DuplicatePolicy",
    "Duplicates",
    "across_sources",
    "against_library",
    "crossing_sheet",
    "find",
    "groups_sheet",
    "in_folder",
    "leaks",
    "part",
    "read_embeddings",
    "side_of",
]
