"""What a training and a test of learning rates both stand on, from the table to the first step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.engine import available_cores
from curate.models.checkpoint import Checkpoint
from curate.train.examples import Examples, examples_of
from curate.train.learner import Learner
from curate.train.loading.memory import free_memory
from curate.train.loading.pixels import (
    CACHE_SHARE,
    PixelStore,
    augmentation,
    in_batches,
    shuffled,
)
from curate.train.ranks import ALONE, Ranks, device_of, joined
from curate.train.recipes.balance import balanced
from curate.train.settings import TrainSettings
from curate.train.start import Start, start


@dataclass(frozen=True)
class Prepared:
    """A training before its first step."""

    settings: TrainSettings
    examples: Examples
    begun: Start
    store: PixelStore
    learner: Learner
    device: torch.device
    ranks: Ranks

    def groups(self, epoch: int) -> list[NDArray[np.int64]]:
        """Give the positions of each step of an epoch (from 1), for all processes together."""
        settings, examples = self.settings, self.examples
        positions = self.usable(examples.splits["train"])
        size = settings.batch_size * settings.accumulate
        if settings.balance == "sampling":
            drawn = balanced(positions, examples.targets, examples.ids, settings.seed, epoch)
            return in_batches(drawn, size)
        return shuffled(examples, positions, size, settings.seed, epoch)

    def usable(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Leave out the examples that some process could not open: all cut the same batches."""
        found = self.ranks.gathered(self.store.usable(positions))
        return positions[np.all([np.isin(positions, some) for some in found], axis=0)]


@contextmanager
def prepared(
    table: pd.DataFrame,
    arch: str | None,
    settings: TrainSettings,
    initial: Checkpoint | None = None,
    ranks: Ranks = ALONE,
) -> Iterator[Prepared]:
    """Check what a training is given, build its network, and let go of everything at the end.

    Parameters
    ----------
    table : DataFrame
        image_id, path, label, split; see `curate.train.examples.examples_of`.
    arch : str or None
        Recipe of the architecture; None takes that of `initial`.
    settings : TrainSettings
        How to train.
    initial : Checkpoint, optional
        An earlier model whose body is kept.
    ranks : Ranks
        Which of several processes this is.

    Raises
    ------
    PolicyError
        The table leaves nothing to train on.
    InputError, CheckpointError
        The table, the architecture, a recipe, the device or the checkpoint cannot be used; or the
        processes were not given the same images.
    """
    device = device_of(settings.device, ranks)
    examples = examples_of(table)
    # A wrong recipe is said now, not after the first image.
    augmentation(settings, examples, 0)
    with (
        joined(ranks, device),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
    ):
        if len(set(ranks.gathered((examples.split, examples.data)))) > 1:
            raise InputError(
                "another split or other labels in each process",
                "all processes of a training learn from the same images",
                "The library was changed just then: start the training again",
            )
        torch.manual_seed(settings.seed)
        begun = start(arch, initial, examples.classes, settings)
        counts = np.bincount(
            examples.targets[examples.splits["train"]], minlength=len(examples.classes)
        )
        learner = Learner(begun, settings, counts, device, ranks)
        workers = settings.workers or max(1, available_cores() // ranks.world)
        # Each process may keep all images, so each has its part of the memory.
        room = free_memory() // CACHE_SHARE // ranks.world
        store = PixelStore(examples, begun.preprocessing, workers, room, passes=settings.epochs)
        try:
            yield Prepared(settings, examples, begun, store, learner, device, ranks)
        finally:
            store.close()
