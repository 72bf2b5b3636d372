"""What a training is asked to do, what it tells on the way, and what it gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from curate.augment.policy import DEFAULT
from curate.core.errors import PolicyError
from curate.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step, at most: an epoch is cut into batches of equal size, none left out.
    lr : float or None
        Largest learning rate. None: 1e-3 for random weights, 5e-4 where a body is kept.
    weight_decay : float
        Of AdamW; never on biases and norms.
    size : int or None
        Side of the model's input in pixels; None is what the model was made for.
    seed : int
        Of the first weights, the order of the images and the augmentation.
    augment : str
        Recipe of the augmentation (`curate.augment.policy`).
    workers : int or None
        Threads that read, decode and augment. None: one a core.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``.
    pretrained : bool
        Fetch the body's weights from the hub.
    throw_away : bool
        Mark the checkpoint as made only to find more images.
    min_count : int or None
        The cutoff that the classes passed; written into the checkpoint.
    """

    epochs: int = 20
    batch_size: int = 32
    lr: float | None = None
    weight_decay: float = 0.05
    size: int | None = None
    seed: int = 0
    augment: str = DEFAULT
    workers: int | None = None
    device: str = "auto"
    pretrained: bool = False
    throw_away: bool = False
    min_count: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("size", 8), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise PolicyError(f"{name} {value}", f"it is {least} or more", "Give a larger one")
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise PolicyError(f"lr {self.lr}", "it is a finite number above 0", "Try 0.001")
        if not 0 <= self.weight_decay < math.inf:
            raise PolicyError(
                f"weight_decay {self.weight_decay}", "it is 0 or a finite number above", "Try 0.05"
            )


@dataclass(frozen=True)
class Progress:
    """How far a training is: told after every batch, and with `metrics` after every epoch.

    Attributes
    ----------
    epoch, epochs : int
        The epoch that runs, from 1, and how many there will be.
    images, of : int
        Images of this epoch done, and how many it has.
    metrics : dict or None
        The epoch's row of `TrainResult.history` once it is complete.
    """

    epoch: int
    epochs: int
    images: int
    of: int
    metrics: dict[str, float] | None = None


@dataclass(frozen=True)
class Transplant:
    """What a training started from.

    Attributes
    ----------
    kept : int
        Weights (tensors) taken over from the earlier model; 0 without one.
    fresh : tuple of str
        Names of the tensors with random weights: all of them, or the head's.
    classes_kept, classes_new, classes_dropped : tuple of str
        Classes that both models have, only the new one, only the earlier one.
    """

    kept: int
    fresh: tuple[str, ...]
    classes_kept: tuple[str, ...]
    classes_new: tuple[str, ...]
    classes_dropped: tuple[str, ...]


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes
    ----------
    checkpoint : Checkpoint
        The best one, as it lies in `path`; its metrics hold the validation and the test.
    path, last : Path
        Files of the best checkpoint and of the one after the last epoch.
    best_epoch : int
        The epoch of the best one.
    stopped : bool
        Whether it was asked to stop before the last epoch.
    history : DataFrame
        One row an epoch: epoch, loss, val_loss, val_accuracy, val_recall, seconds (of the whole
        epoch), images_per_second (of training alone), lr (at its end).
    recalls : DataFrame
        One row a class on the test split with the best weights: class, images, correct, recall.
    failures : DataFrame
        One row for each image that could not be used: image_id, path, stage, reason.
    transplant : Transplant
        What was kept of an earlier model.
    """

    checkpoint: Checkpoint
    path: Path
    last: Path
    best_epoch: int
    stopped: bool
    history: pd.DataFrame
    recalls: pd.DataFrame
    failures: pd.DataFrame
    transplant: Transplant
