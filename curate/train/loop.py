"""A plain, correct training: AdamW, warm-up and cosine, validation, best and last checkpoints."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from curate.augment.policy import compile_policy
from curate.core.errors import InputError, PolicyError
from curate.models.checkpoint import Checkpoint
from curate.models.device import pick_device, to_input
from curate.models.weights import WRITERS
from curate.train.examples import Examples, examples_of
from curate.train.finish import NOVELTY_IMAGES, calibrated, novelty_of
from curate.train.keep import Keeper, Row, last_path
from curate.train.measure import Measured, measured
from curate.train.outputs import Outputs, outputs_of, some_of_each_class
from curate.train.pixels import PixelStore, augmentation, shuffled
from curate.train.settings import Progress, TrainResult, TrainSettings
from curate.train.start import Start, start

LABEL_SMOOTHING = 0.1
LR_SCRATCH = 1e-3
LR_KEPT_BODY = 5e-4
WARM_UP_EPOCHS = 1

_PACKAGES = ("curate", "torch", "timm", "numpy", "pillow", "simplejpeg", "albumentations")


def train(
    table: pd.DataFrame,
    arch: str | None,
    out: str | os.PathLike[str],
    settings: TrainSettings | None = None,
    *,
    initial: Checkpoint | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train a classifier.

    Parameters
    ----------
    table : DataFrame
        image_id, path, label, split; see `curate.train.examples.examples_of`. The benchmark is
        never opened.
    arch : str or None
        Recipe of the architecture; None takes that of `initial`.
    out : path-like
        Where the best checkpoint goes (``.pt`` or ``.safetensors``). The last one lies beside it
        with ``.last`` before the suffix. Both are written whole after every epoch.
    settings : TrainSettings, optional
        How.
    initial : Checkpoint, optional
        An earlier model whose body is kept.
    on_progress : callable, optional
        Told after every batch and every epoch.
    should_stop : callable, optional
        Asked after every epoch; True ends the training as if it had been the last.

    Returns
    -------
    TrainResult
        The best checkpoint is measured on the test split, once, at the end.

    Raises
    ------
    PolicyError
        The table leaves nothing to train on, or the training diverges.
    InputError, CheckpointError
        The table, the architecture, the device or the initial checkpoint cannot be used.
    KeyboardInterrupt
        After the checkpoints are safe: those of the last complete epoch, or in the first epoch
        the weights as they are.
    """
    settings = settings or TrainSettings()
    path, device = _target(out), pick_device(settings.device)
    compile_policy(settings.augment)
    examples = examples_of(table)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        begun = start(arch, initial, examples.classes, settings)
        store = PixelStore(examples, begun.preprocessing, settings.workers)
        try:
            training = _Training(settings, examples, begun, store, device, on_progress)
            keeper = Keeper(_plain(begun, examples, settings, initial), path)
            return _run(training, keeper, path, should_stop or (lambda: False))
        finally:
            store.close()


def lr_at(step: int, steps: int, warm_up: int, peak: float) -> float:
    """Learning rate of a step (from 0): linear to the peak, then half a cosine towards 0.

    Source: I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    ICLR 2017, equation 5, without restarts.
    """
    if step < warm_up:
        return peak * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Part the parameters: weights decay; biases and norms (one dimension or none) do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


class _Training:
    """The state of one training between its epochs."""

    def __init__(
        self,
        settings: TrainSettings,
        examples: Examples,
        begun: Start,
        store: PixelStore,
        device: torch.device,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.settings = settings
        self.examples = examples
        self.begun = begun
        self.store = store
        self.device = device
        self.tell = on_progress or (lambda progress: None)
        self.model = begun.model.to(device)
        self.peak = settings.lr or (LR_KEPT_BODY if begun.transplant.kept else LR_SCRATCH)
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.model, settings.weight_decay), lr=self.peak
        )
        self.loss = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
        self.steps = 0

    def epoch(self, number: int) -> Row:
        """Train one epoch and validate it; give its row of the history."""
        began = time.perf_counter()
        images, loss, lr = self._pass(number)
        seconds = time.perf_counter() - began
        if not images:
            raise PolicyError(
                f"{len(self.store.failures())} images that cannot be used",
                "a training needs two or more that open",
                "See their reasons, and scan again",
            )
        if not math.isfinite(loss):
            raise PolicyError(
                f"a loss of {loss} in epoch {number}",
                f"the training diverged at a learning rate of {self.peak:g}",
                "Take a smaller --lr",
            )
        val = self.measure("val")
        row: Row = {
            "epoch": number,
            "loss": loss,
            "val_loss": val.loss,
            "val_accuracy": val.accuracy,
            "val_recall": val.recall,
            "seconds": time.perf_counter() - began,
            "images_per_second": images / seconds,
            "lr": lr,
        }
        return row

    def measure(self, split: str) -> Measured:
        """Measure the network on a split."""
        said = self.outputs(self.examples.splits[split])
        return measured(said.logits, said.targets, self.examples.classes)

    def outputs(self, positions: NDArray[np.int64], features: bool = False) -> Outputs:
        """Run the network over those of these examples that open."""
        return outputs_of(
            self.model,
            self.store,
            self.examples,
            self.store.usable(positions),
            self.begun.preprocessing,
            self.settings.batch_size,
            self.device,
            features=features,
        )

    def _pass(self, number: int) -> tuple[int, float, float]:
        settings, examples = self.settings, self.examples
        positions = self.store.usable(examples.splits["train"])
        groups = shuffled(examples, positions, settings.batch_size, settings.seed, number)
        change = augmentation(settings.augment, examples, settings.seed, number)
        images, lr = 0, 0.0
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        self._train_mode()
        for index, batch in enumerate(self.store.batches(groups, change)):
            # Batch normalisation has no variance in a single image.
            if len(batch.positions) > 1:
                done = number - 1 + index / len(groups)
                lr = self._lr(done, len(groups))
                total += self._step(batch.pixels, examples.targets[batch.positions], lr)
                images += len(batch.positions)
            self.tell(Progress(number, settings.epochs, images, len(positions)))
        return images, float(total) / max(1, images), lr

    def _train_mode(self) -> None:
        self.model.train()
        if self.begun.transplant.kept:
            # A kept body keeps its statistics: docs/decisions/0011 says why.
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _lr(self, done: float, batches: int) -> float:
        # In epochs and not in counted steps: images that fail shift nothing.
        step, steps = round(done * batches), self.settings.epochs * batches
        return lr_at(step, steps, min(WARM_UP_EPOCHS * batches, steps // 2), self.peak)

    def _step(self, pixels: np.ndarray, targets: np.ndarray, lr: float) -> torch.Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        output = self.model(to_input(pixels, self.begun.preprocessing, self.device))
        loss: torch.Tensor = self.loss(output, torch.from_numpy(targets).to(self.device))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.optimiser.step()
        self.steps += 1
        return loss.detach().double() * len(targets)


def _run(
    training: _Training, keeper: Keeper, path: Path, should_stop: Callable[[], bool]
) -> TrainResult:
    history: list[Row] = []
    stopped = False
    settings = training.settings
    try:
        for number in range(1, settings.epochs + 1):
            row = training.epoch(number)
            keeper.keep(training.model, row)
            history.append(row)
            size = len(training.examples.splits["train"])
            training.tell(Progress(number, settings.epochs, size, size, row))
            if number < settings.epochs and should_stop():
                stopped = True
                break
    except KeyboardInterrupt:
        if training.steps:
            keeper.rescue(training.model)
        raise
    checkpoint, test = _finish(training, keeper)
    frame = pd.DataFrame(history)
    return TrainResult(
        checkpoint=checkpoint,
        path=path,
        last=last_path(path),
        best_epoch=int(checkpoint.metrics["epoch"]),
        stopped=stopped,
        history=frame.astype({"epoch": int}),
        recalls=test.recalls,
        failures=training.store.failures(),
        transplant=training.begun.transplant,
    )


def _finish(training: _Training, keeper: Keeper) -> tuple[Checkpoint, Measured]:
    """Measure with the best weights; they are already on disk if this is interrupted."""
    if keeper.best is None:
        raise RuntimeError("a training of no epoch")
    training.model.load_state_dict(dict(keeper.best.weights))
    examples = training.examples
    splits = examples.splits
    val, test = training.outputs(splits["val"], features=True), training.outputs(splits["test"])
    temperature, metrics = calibrated(val, test)
    found = measured(test.logits, test.targets, examples.classes)
    if found.images:
        metrics.update(
            test_images=found.images,
            test_loss=found.loss,
            test_accuracy=found.accuracy,
            test_recall=found.recall,
        )
    novelty = None
    if len(val.targets):
        some = some_of_each_class(
            examples, training.store.usable(splits["train"]), NOVELTY_IMAGES, training.settings.seed
        )
        novelty = novelty_of(training.outputs(some, features=True), val)
    return keeper.finish(metrics, temperature, novelty), found


def _plain(
    begun: Start, examples: Examples, settings: TrainSettings, initial: Checkpoint | None
) -> Checkpoint:
    kept = dataclasses.asdict(settings)
    return Checkpoint(
        arch=begun.arch,
        classes=examples.classes,
        preprocessing=begun.preprocessing,
        weights={},
        throw_away=kept.pop("throw_away"),
        min_count=kept.pop("min_count"),
        parent=None if initial is None else initial.digest,
        split=examples.split,
        data=examples.data,
        settings=kept,
        versions={"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}},
        licence=begun.licence,
    )


def _target(out: str | os.PathLike[str]) -> Path:
    """Refuse a place that cannot be written to before hours are spent, not after."""
    path = Path(out)
    if path.suffix not in WRITERS:
        raise InputError(str(path), f"a checkpoint ends in {' or '.join(WRITERS)}", "Rename it")
    if not path.parent.is_dir():
        raise InputError(str(path), f"there is no folder {path.parent}", "Make it first")
    if path.is_dir():
        raise InputError(str(path), "it is a folder", "Name a file in it")
    return path
