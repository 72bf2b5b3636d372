"""Training: a split and a policy become a checkpoint.

What stands here is imported when it is first used: it loads torch, and the workers that decode a
training's images, which import other parts of this room, do without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.train.loop import train
    from curate.train.settings import Progress, TrainResult, TrainSettings, Transplant

_PLACES = {
    "Progress": "settings",
    "TrainResult": "settings",
    "TrainSettings": "settings",
    "Transplant": "settings",
    "train": "loop",
}

__all__ = ["Progress", "TrainResult", "TrainSettings", "Transplant", "train"]


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module 'curate.train' has no attribute {name!r}")
    return getattr(import_module(f"curate.train.{_PLACES[name]}"), name)
