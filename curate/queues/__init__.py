"""Queues: predictions and decisions -> images for a person to look at, in order, with reasons."""

from __future__ import annotations

from curate.queues.expectations.planning import plan
from curate.queues.filters.filters import Filters
from curate.queues.page import html_sheet, sheet
from curate.queues.recipe import QUEUE_COLUMNS, Recipe
from curate.queues.recipes import RECIPES
from curate.queues.removing import sheets as bucket_sheets
from curate.queues.removing import write_cleanup
from curate.queues.saving import forget
from curate.queues.saving import names as saved_queues
from curate.queues.saving import report as yields
from curate.queues.verb import Following, follow, queue, refresh, saved

__all__ = [
    "QUEUE_COLUMNS",
    "RECIPES",
    "Filters",
    "Following",
    "Recipe",
    "bucket_sheets",
    "follow",
    "forget",
    "html_sheet",
    "plan",
    "queue",
    "refresh",
    "saved",
    "saved_queues",
    "sheet",
    "write_cleanup",
    "yields",
]
