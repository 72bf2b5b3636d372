"""Find a learning rate: train for some steps at ever larger ones, and look at the loss."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from curate.core import chance
from curate.core.errors import PolicyError
from curate.models.checkpoint import Checkpoint
from curate.train.learner import Learner
from curate.train.loading.pixels import augmentation
from curate.train.prepared import Prepared, prepared
from curate.train.settings import TrainSettings
from curate.train.suggest import settled, smoothed, suggestions

LOW, HIGH = 1e-7, 100.0
STEPS = 113
"""From `LOW` to `HIGH` by fastai's factor, 10 ** 0.08 a step: smoothing lags by steps, so that
another factor would suggest other learning rates."""

DIVERGED = 4
"""The smoothed loss has diverged at more than so many times its lowest; fastai's figure too."""

_LEAST_STEPS = 20

Lesson = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""A batch: pixels (n, height, width, 3) and the index of each one's class (n,)."""


@dataclass(frozen=True)
class LrFound:
    """What a range test found.

    Attributes
    ----------
    curve : DataFrame
        One row a step: step (from 1), lr, loss (of its batch), smooth.
    suggestions : DataFrame
        name, lr, loss, reason; see `curate.train.suggest.suggestions`.
    stopped : str
        Why it ended where it did.
    failures : DataFrame
        One row for each image that could not be used: image_id, path, stage, reason.
    """

    curve: pd.DataFrame
    suggestions: pd.DataFrame
    stopped: str
    failures: pd.DataFrame


def find_lr(
    table: pd.DataFrame,
    arch: str | None,
    settings: TrainSettings | None = None,
    initial: Checkpoint | None = None,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    on_progress: Callable[[int, float], None] | None = None,
) -> LrFound:
    """Suggest a learning rate for a training.

    Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section
    3.3 (the range test), with rates that grow by a factor as in fastai.

    Parameters
    ----------
    table : DataFrame
        image_id, path, label, split, as `curate.train.train` takes it; only ``train`` is opened.
    arch : str or None
        Recipe of the architecture; None takes that of `initial`.
    settings : TrainSettings, optional
        How to train. All of the network learns, also where the first epochs freeze it.
    initial : Checkpoint, optional
        An earlier model whose body is kept.
    low, high : float
        The first and the last learning rate.
    steps : int
        How many, both bounds included. As many batches are read, epoch after epoch.
    on_progress : callable, optional
        Told after every step: how many are done, and the smoothed loss.

    Returns
    -------
    LrFound
        The same for the same arguments on a CPU.

    Raises
    ------
    PolicyError
        The bounds do not rise, the steps are too few, or no image can be used.
    InputError, CheckpointError
        As for a training.
    """
    settings = settings or TrainSettings()
    lrs = _rates(low, high, steps)
    with prepared(table, arch, settings, initial) as ready:
        generator = chance.generator(settings.seed, "", "lr-find")
        curve, stopped = range_test(ready.learner, _batches(ready), lrs, generator, on_progress)
        failures = ready.store.failures()
    part = settled(curve, steps)
    return LrFound(curve, suggestions(part["lr"], part["smooth"]), stopped, failures)


def range_test(
    learner: Learner,
    batches: Iterable[Lesson],
    lrs: NDArray[np.float64],
    generator: np.random.Generator,
    on_progress: Callable[[int, float], None] | None = None,
) -> tuple[pd.DataFrame, str]:
    """Take one step at each learning rate until the loss diverges; then undo them all.

    Weights, buffers, the optimiser and torch's random state are what they were, bit for bit,
    however it ends.

    Parameters
    ----------
    learner : Learner
        What learns.
    batches : iterable
        Pixels and targets of each step; no more than needed are taken.
    lrs : ndarray of float64
        Learning rates of the steps.
    generator : numpy.random.Generator
        Of the mixing.
    on_progress : callable, optional
        See `find_lr`.

    Returns
    -------
    curve : DataFrame
        step, lr, loss, smooth. A loss that is not finite has no row.
    stopped : str
        Why it ended.
    """
    device = next(learner.model.parameters()).device
    before = learner.snapshot()
    losses: list[float] = []
    smooth = np.empty(0)
    stopped = "the upper bound was reached"
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            learner.begin()
            for lr, (pixels, targets) in zip(lrs.tolist(), batches, strict=False):
                loss = float(learner.step(pixels, targets, lr, generator))
                if not math.isfinite(loss):
                    stopped = f"diverged at {lr:.2g}: a loss of {loss}"
                    break
                losses.append(loss)
                smooth = smoothed(losses)
                if on_progress is not None:
                    on_progress(len(losses), float(smooth[-1]))
                if smooth[-1] > DIVERGED * smooth.min():
                    stopped = f"diverged at {lr:.2g}: {DIVERGED} times the lowest loss"
                    break
        finally:
            learner.restore(before)
    made = len(losses)
    columns = {"step": np.arange(1, made + 1), "lr": lrs[:made], "loss": losses, "smooth": smooth}
    return pd.DataFrame(columns).astype({"loss": float}), stopped


def _rates(low: float, high: float, steps: int) -> NDArray[np.float64]:
    if not 0 < low < high < math.inf:
        raise PolicyError(
            f"learning rates from {low:g} to {high:g}",
            "they are finite and rise from above 0",
            f"Try {LOW:g} to {HIGH:g}",
        )
    if steps < _LEAST_STEPS:
        raise PolicyError(f"{steps} steps", f"{_LEAST_STEPS} or more make a curve", f"Try {STEPS}")
    return np.geomspace(low, high, steps)


def _batches(ready: Prepared) -> Iterator[Lesson]:
    """Give the batches that a training would, epoch after epoch, without an end."""
    for epoch in itertools.count(1):
        change = augmentation(ready.settings, ready.examples, epoch)
        served = False
        for batch in ready.store.batches(ready.groups(epoch), change):
            # Batch normalisation has no variance in a single image.
            if len(batch.positions) > 1:
                served = True
                yield batch.pixels, ready.examples.targets[batch.positions]
        if not served:
            raise PolicyError(
                f"{len(ready.store.failures())} images that cannot be used",
                "a training needs two or more that open",
                "See their reasons, and scan again",
            )
