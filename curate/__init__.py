"""Keep an image classifier alive for years.

The verbs of the loop, for Python. Importing this package loads none of them, and nothing heavy:

>>> import curate
>>> with curate.open_library("photos-library", make=True) as library:  # doctest: +SKIP
...     curate.scan_folder(library, "photos/", labels="folder")
...     curate.make_split(library, curate.SplitPolicy(min_count=40))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.core.errors import CurateError
    from curate.identify import bulk_id as bulk_identify
    from curate.labels import export_labels, import_answers
    from curate.queues import Filters
    from curate.queues import queue as make_queue
    from curate.scan import scan as scan_folder
    from curate.splits import SplitPolicy
    from curate.splits import split as make_split
    from curate.status import status as read_status
    from curate.store.library import opened as open_library
    from curate.train import TrainSettings
    from curate.train import train as train_model

_VERBS = {
    "CurateError": "curate.core.errors:CurateError",
    "Filters": "curate.queues:Filters",
    "SplitPolicy": "curate.splits:SplitPolicy",
    "TrainSettings": "curate.train:TrainSettings",
    "bulk_identify": "curate.identify:bulk_id",
    "export_labels": "curate.labels:export_labels",
    "import_answers": "curate.labels:import_answers",
    "make_queue": "curate.queues:queue",
    "make_split": "curate.splits:split",
    "open_library": "curate.store.library:opened",
    "read_status": "curate.status:status",
    "scan_folder": "curate.scan:scan",
    "train_model": "curate.train:train",
}

__all__ = [
    "CurateError",
    "Filters",
    "SplitPolicy",
    "TrainSettings",
    "bulk_identify",
    "export_labels",
    "import_answers",
    "make_queue",
    "make_split",
    "open_library",
    "read_status",
    "scan_folder",
    "train_model",
]


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used."""
    if name not in _VERBS:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    module, _, attribute = _VERBS[name].partition(":")
    return getattr(import_module(module), attribute)
