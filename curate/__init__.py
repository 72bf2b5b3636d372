"""Keep an image classifier alive for years.

The verbs of the loop, for Python. Importing this package loads none of them, and nothing heavy:

>>> import curate
>>> with curate.open_library("photos-library", make=True) as library:  # doctest: +SKIP
...     curate.scan_folder(library, "photos/", labels="folder")
...     curate.make_split(library, curate.SplitPolicy(min_count=40))
>>> curate.identify("ckpt.pt", "photos/")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.bulk_id import Identifier, identify, identify_batches
    from curate.bulk_id import bulk_id as bulk_identify
    from curate.cleanup.applying import apply as apply_cleanup
    from curate.cleanup.forgetting import forget as forget_root
    from curate.cleanup.purging import purge as purge_cleanup
    from curate.cleanup.restoring import restore as restore_cleanup
    from curate.cli.cleanup_rules import plan_cleanup
    from curate.core.errors import CurateError
    from curate.duplicates import DuplicatePolicy
    from curate.duplicates import across_sources as find_leaks
    from curate.duplicates import find as find_duplicates
    from curate.labels import export_labels, import_answers
    from curate.queues import Filters
    from curate.queues import queue as make_queue
    from curate.scan import scan as scan_folder
    from curate.splits import LeakFreeKFold, LeakFreeShuffleSplit, SplitPolicy
    from curate.splits import split as make_split
    from curate.status import status as read_status
    from curate.store.library import opened as open_library
    from curate.train import TrainSettings
    from curate.train import train as train_model

_VERBS = {
    "CurateError": "curate.core.errors:CurateError",
    "DuplicatePolicy": "curate.duplicates:DuplicatePolicy",
    "Filters": "curate.queues:Filters",
    "Identifier": "curate.bulk_id:Identifier",
    "LeakFreeKFold": "curate.splits:LeakFreeKFold",
    "LeakFreeShuffleSplit": "curate.splits:LeakFreeShuffleSplit",
    "SplitPolicy": "curate.splits:SplitPolicy",
    "TrainSettings": "curate.train:TrainSettings",
    "apply_cleanup": "curate.cleanup.applying:apply",
    "bulk_identify": "curate.bulk_id:bulk_id",
    "export_labels": "curate.labels:export_labels",
    "find_duplicates": "curate.duplicates:find",
    "find_leaks": "curate.duplicates:across_sources",
    "forget_root": "curate.cleanup.forgetting:forget",
    "identify": "curate.bulk_id:identify",
    "identify_batches": "curate.bulk_id:identify_batches",
    "import_answers": "curate.labels:import_answers",
    "make_queue": "curate.queues:queue",
    "make_split": "curate.splits:split",
    "open_library": "curate.store.library:opened",
    "plan_cleanup": "curate.cli.cleanup_rules:plan_cleanup",
    "purge_cleanup": "curate.cleanup.purging:purge",
    "read_status": "curate.status:status",
    "restore_cleanup": "curate.cleanup.restoring:restore",
    "scan_folder": "curate.scan:scan",
    "train_model": "curate.train:train",
}

__all__ = [
    "CurateError",
    "DuplicatePolicy",
    "Filters",
    "Identifier",
    "LeakFreeKFold",
    "LeakFreeShuffleSplit",
    "SplitPolicy",
    "TrainSettings",
    "apply_cleanup",
    "bulk_identify",
    "export_labels",
    "find_duplicates",
    "find_leaks",
    "forget_root",
    "identify",
    "identify_batches",
    "import_answers",
    "make_queue",
    "make_split",
    "open_library",
    "plan_cleanup",
    "purge_cleanup",
    "read_status",
    "restore_cleanup",
    "scan_folder",
    "train_model",
]


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used."""
    if name not in _VERBS:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    module, _, attribute = _VERBS[name].partition(":")
    return getattr(import_module(module), attribute)
