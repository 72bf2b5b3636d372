"""Queues: predictions and decisions -> images for a person to look at, in order, with reasons.

Importing this package loads none of its parts: a queue is made in less time than pictures, tables
and statistics take to import, and most commands need few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from curate.queues.verb import Following, follow, queue, refresh, saved, unseen

_PARTS = {
    "QUEUE_COLUMNS": "recipe:QUEUE_COLUMNS",
    "RECIPES": "recipes:RECIPES",
    "Filters": "filters.filters:Filters",
    "Following": "verb:Following",
    "Recipe": "recipe:Recipe",
    "bucket_sheets": "removing:sheets",
    "follow": "verb:follow",
    "forget": "saving:forget",
    "html_sheet": "page:html_sheet",
    "plan": "expectations.planning:plan",
    "queue": "verb:queue",
    "refresh": "verb:refresh",
    "saved": "verb:saved",
    "saved_queues": "saving:names",
    "sheet": "page:sheet",
    "unseen": "verb:unseen",
    "write_cleanup": "removing:write_cleanup",
    "yields": "saving:report",
}

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
    "unseen",
    "write_cleanup",
    "yields",
]


def __getattr__(name: str) -> Any:
    """Import a part when it is first used."""
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PARTS[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)
