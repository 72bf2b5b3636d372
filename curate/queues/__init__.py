"""Queues: predictions and decisions -> images for a person to look at, in order, with reasons."""

from __future__ import annotations

from curate.queues.filters import Filters
from curate.queues.page import sheet
from curate.queues.recipe import QUEUE_COLUMNS, Recipe
from curate.queues.recipes import RECIPES
from curate.queues.verb import Following, follow, queue

__all__ = [
    "QUEUE_COLUMNS",
    "RECIPES",
    "Filters",
    "Following",
    "Recipe",
    "follow",
    "queue",
    "sheet",
]
