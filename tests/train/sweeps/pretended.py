"""Trainings that take no time, for the tests of sweeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from curate.core.errors import PolicyError
from curate.train import Progress, TrainSettings

Made = list[TrainSettings]


def quality(settings: TrainSettings, epoch: int) -> float:
    """How good a training is after an epoch: best at a learning rate of 1e-3."""
    return (1 - 0.1 * abs(math.log10(settings.lr or 1e-3) + 3)) * epoch / settings.epochs


def pretending(
    made: Made, *, interrupt_at: int | None = None, judge: Callable[..., float] = quality
) -> Callable[..., Any]:
    """Give a `train` that notes its settings and writes files of a few bytes.

    Parameters
    ----------
    made : list
        Gets the settings of every call.
    interrupt_at : int, optional
        The call, from 0, that ends as with Ctrl-C.
    judge : callable
        ``judge(settings, epoch)`` gives the accuracy on val.
    """

    def train(
        table: pd.DataFrame,
        arch: str | None,
        out: Path,
        settings: TrainSettings,
        *,
        initial: object,
        on_progress: Callable[[Progress], None],
    ) -> Any:
        made.append(settings)
        out.write_bytes(repr(settings).encode())
        out.with_name(f"{out.stem}.last{out.suffix}").write_bytes(b"last")
        if interrupt_at == len(made) - 1:
            raise KeyboardInterrupt
        if settings.lr and settings.lr > 1:
            raise PolicyError("a loss of nan in epoch 1", "the training diverged", "Take less")
        for epoch in range(1, settings.epochs + 1):
            value = judge(settings, epoch)
            row = {
                "epoch": float(epoch),
                "steps": float(epoch),
                "val_accuracy": value,
                "val_recall": value,
                "val_loss": 1 - value,
            }
            on_progress(Progress(epoch, settings.epochs, 1, 2))
            on_progress(Progress(epoch, settings.epochs, 2, 2, row))
        checkpoint = SimpleNamespace(
            metrics=row, digest=f"digest {settings.lr}", parent=None, throw_away=False
        )
        recalls = pd.DataFrame({"class": ["a"], "images": [1], "correct": [1], "recall": [1.0]})
        return SimpleNamespace(checkpoint=checkpoint, best_epoch=settings.epochs, recalls=recalls)

    return train
