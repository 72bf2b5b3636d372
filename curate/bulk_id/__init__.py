"""Bulk identification: checkpoint + images -> one row for every file."""

from __future__ import annotations

from curate.bulk_id.api import Identifier, identify, identify_batches
from curate.bulk_id.columns import COLUMNS
from curate.bulk_id.results import Results
from curate.bulk_id.selection import Selection
from curate.bulk_id.thinking import Ask, Means
from curate.bulk_id.verb import Identified, bulk_id

__all__ = [
    "COLUMNS",
    "Ask",
    "Identified",
    "Identifier",
    "Means",
    "Results",
    "Selection",
    "bulk_id",
    "identify",
    "identify_batches",
]
