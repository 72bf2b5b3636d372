"""What a training is asked to do, what it tells on the way, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from curate.augment.policy import DEFAULT
from curate.core.errors import PolicyError
from curate.models.checkpoint import Checkpoint

_LEAST = {
    "epochs": 1,
    "batch_size": 2,
    "accumulate": 1,
    "freeze": 0,
    "patience": 1,
    "steps": 1,
    "size": 8,
    "workers": 1,
}
_CHOICES = {
    "head": ("fresh", "map"),
    "balance": ("none", "sampling", "effective", "logits"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
}


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a forward pass, at most: an epoch is cut into batches of equal size, none left out.
        With several processes, all of theirs together.
    accumulate : int
        Batches whose gradients are added up for one step of the optimiser.
    lr : float or None
        Largest learning rate. None: 1e-3 for random weights, 5e-4 where a body is kept.
    weight_decay : float
        Never on biases and norms.
    optimizer : str
        Recipe (`curate.train.recipes.optimizers`): ``adamw``, ``sgd(momentum=0.9)``, ``lamb`` ….
    schedule : str
        Recipe (`curate.train.recipes.schedules`): ``cosine``, ``one-cycle``, ``step(every=5)`` ….
    warm_up : float
        Epochs in which the learning rate rises from 0; never more than half of the training.
    freeze : int
        First epochs in which only the head learns.
    head : str
        ``fresh``: random rows for all classes; ``map``: classes that the earlier model had keep
        their rows.
    rename : tuple of (str, str)
        Classes of the earlier model and what they are called now.
    balance : str
        Against classes of unlike size (`curate.train.recipes.balance`): ``none``, ``sampling``,
        ``effective``, ``logits``.
    smoothing : float
        Of the labels, from 0 to below 1.
    mix : str
        Recipe (`curate.train.recipes.mixing`): ``mixup(alpha=0.2)``, ``cutmix(alpha=1.0)``, or
        empty.
    precision : str
        ``auto`` (bf16 on a GPU that has it, fp16 on others, fp32 on the CPU), ``fp32``, ``bf16``,
        ``fp16``.
    compile : bool
        Through ``torch.compile``: pays off in long trainings on a GPU.
    ema : float
        Decay a step of the moving average of the weights that is validated and kept; 0 is none.
    patience : int or None
        Epochs without a better one on val after which the training stops; None never.
    steps : int or None
        Most steps of the optimiser, whatever the epochs; None is no limit.
    size : int or None
        Side of the model's input in pixels; None is what the model was made for.
    seed : int
        Of the first weights, the order of the images, the augmentation and the mixing.
    augment : str
        Recipe of the augmentation (`curate.augment.policy`).
    augment_classes : mapping of str to str
        Recipes of the classes that have one of their own.
    workers : int or None
        Processes or threads that read, decode and augment. None: one a core.
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
    accumulate: int = 1
    lr: float | None = None
    weight_decay: float = 0.05
    optimizer: str = "adamw"
    schedule: str = "cosine"
    warm_up: float = 1.0
    freeze: int = 0
    head: str = "fresh"
    rename: tuple[tuple[str, str], ...] = ()
    balance: str = "none"
    smoothing: float = 0.1
    mix: str = ""
    precision: str = "auto"
    compile: bool = False
    ema: float = 0.0
    patience: int | None = None
    steps: int | None = None
    size: int | None = None
    seed: int = 0
    augment: str = DEFAULT
    augment_classes: Mapping[str, str] = field(default_factory=dict)
    workers: int | None = None
    device: str = "auto"
    pretrained: bool = False
    throw_away: bool = False
    min_count: int | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise PolicyError(f"{name} {value}", f"it is {least} or more", "Give a larger one")
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise PolicyError(f"lr {self.lr}", "it is a finite number above 0", "Try 0.001")
        for name, usual in (("weight_decay", 0.05), ("warm_up", 1)):
            if not 0 <= getattr(self, name) < math.inf:
                raise PolicyError(
                    f"{name} {getattr(self, name)}",
                    "it is 0 or a finite number above",
                    f"Try {usual}",
                )
        for name, usual in (("smoothing", 0.1), ("ema", 0.999)):
            if not 0 <= getattr(self, name) < 1:
                raise PolicyError(
                    f"{name} {getattr(self, name)}", "it lies from 0 to below 1", f"Try {usual}"
                )
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise PolicyError(
                    f"{name} {getattr(self, name)!r}", f"known are {', '.join(known)}", "Take one"
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
        Classes that both models have, only the new one, only the earlier one. A renamed class is
        kept, under its name of now.
    classes_renamed : tuple of (str, str)
        Classes that had another name in the earlier model: that one, and that of now.
    """

    kept: int
    fresh: tuple[str, ...]
    classes_kept: tuple[str, ...]
    classes_new: tuple[str, ...]
    classes_dropped: tuple[str, ...]
    classes_renamed: tuple[tuple[str, str], ...] = ()


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
