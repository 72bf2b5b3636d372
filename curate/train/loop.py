"""A training: epochs of steps, a look at val after each, the best and the last on disk."""

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

from curate.core import chance
from curate.core.errors import InputError, PolicyError
from curate.models import checkpoint as checkpoints
from curate.models.checkpoint import Checkpoint
from curate.models.weights import WRITERS
from curate.train import resume as states
from curate.train.finish import NOVELTY_IMAGES, calibrated, novelty_of
from curate.train.keep import Keeper, Row, last_path, rank
from curate.train.loading.pixels import augmentation
from curate.train.measure import Measured, measured
from curate.train.outputs import Outputs, outputs_of, some_of_each_class, together
from curate.train.prepared import Prepared, prepared
from curate.train.ranks import ALONE, Ranks
from curate.train.recipes.schedules import schedule_of
from curate.train.settings import Progress, TrainResult, TrainSettings

_PACKAGES = ("curate", "torch", "timm", "numpy", "pillow", "simplejpeg", "albumentations")


def train(
    table: pd.DataFrame,
    arch: str | None,
    out: str | os.PathLike[str],
    settings: TrainSettings | None = None,
    *,
    initial: Checkpoint | None = None,
    resume: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
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
        with ``.last`` before the suffix, and what a later call needs to go on as ``.last.state``
        and ``.best.state``. All are written whole after every epoch.
    settings : TrainSettings, optional
        How.
    initial : Checkpoint, optional
        An earlier model whose body is kept.
    resume : str, optional
        Go on with the training of this `out` after its ``last`` or its ``best`` epoch. Learning
        rate, epochs and the like may be others than before; images, classes, architecture,
        preprocessing, optimiser, and whether a body was kept, not.
    on_progress : callable, optional
        Told after every batch and every epoch.
    should_stop : callable, optional
        Asked after every epoch; True ends the training as if it had been the last.
    ranks : Ranks
        Which of several processes this is. All get the same result; the first writes it.

    Returns
    -------
    TrainResult
        The best checkpoint is measured on the test split, once, at the end.

    Raises
    ------
    PolicyError
        The table leaves nothing to train on, or the training diverges.
    InputError, CheckpointError
        The table, the architecture, the device, the initial checkpoint or the state to go on from
        cannot be used.
    KeyboardInterrupt
        After the checkpoints are safe: those of the last complete epoch, or in the first epoch
        the weights as they are (where `out` holds a checkpoint already, as the last one only).
    """
    settings = settings or TrainSettings()
    path = _target(out)
    schedule_of(settings.schedule)
    with prepared(table, arch, settings, initial, ranks) as ready:
        training = _Training(ready, _plain(ready, initial), path, on_progress)
        if resume is not None:
            training.go_on(resume)
        training.run(should_stop or (lambda: False))
        return training.finish()


class _Training:
    """A training between two epochs."""

    def __init__(
        self,
        ready: Prepared,
        plain: Checkpoint,
        path: Path,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.ready = ready
        self.keeper = Keeper(plain, path, ready.ranks.first)
        self.path = path
        self.tell = on_progress or (lambda progress: None)
        self.schedule = schedule_of(ready.settings.schedule)
        self.history: list[Row] = []
        self.stopped = False
        self.fits = {
            "architecture": ready.begun.arch,
            "start": "a kept body" if ready.begun.transplant.kept else "random weights",
            "preprocessing": str(ready.begun.preprocessing),
            "optimizer": ready.settings.optimizer,
            "split": ready.examples.split,
            "set of images": ready.examples.data,
        }

    def go_on(self, which: str) -> None:
        """Take up what an earlier call left after its last or its best epoch."""
        state = states.read(self.path, which, self.fits)
        self.ready.learner.restore(state.learner)
        self.ready.store.leave_out(state.failures)
        self.history = list(state.history)
        self.keeper.go_on(checkpoints.load(self.path))

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Train until the epochs or steps are done, val no longer improves, or somebody says so."""
        settings, learner = self.ready.settings, self.ready.learner
        size = len(self.ready.examples.splits["train"])
        try:
            while not self._complete():
                row = self._epoch(len(self.history) + 1)
                failed = self._failures()
                if self.ready.ranks.first and not self.history:
                    states.forget(self.path)
                self.history.append(row)
                best = self.keeper.keep(learner.kept, row)
                if self.ready.ranks.first:
                    lost = dict(zip(failed["image_id"], failed["reason"], strict=True))
                    state = states.State(self.fits, self.history, learner.snapshot(), lost)
                    states.write(self.path, state, best)
                self.tell(Progress(len(self.history), settings.epochs, size, size, row))
                if not self._complete() and self.ready.ranks.agreed(should_stop()):
                    self.stopped = True
                    return
        except KeyboardInterrupt:
            if learner.steps and self.ready.ranks.first:
                self.keeper.rescue(learner.kept)
            raise

    def finish(self) -> TrainResult:
        """Measure with the best weights; they are already on disk if this is interrupted."""
        best = self.keeper.best
        if best is None:
            raise RuntimeError("a training of no epoch")
        ready = self.ready
        ready.learner.kept.load_state_dict(dict(best.weights))
        splits = ready.examples.splits
        val, test = self._outputs(splits["val"], True), self._outputs(splits["test"])
        temperature, thresholds, metrics = calibrated(val, test)
        found = measured(test.logits, test.targets, ready.examples.classes)
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
                ready.examples,
                ready.usable(splits["train"]),
                NOVELTY_IMAGES,
                ready.settings.seed,
            )
            novelty = novelty_of(self._outputs(some, True), val)
        checkpoint = self.keeper.finish(metrics, temperature, thresholds, novelty)
        return TrainResult(
            checkpoint=checkpoint,
            path=self.path,
            last=last_path(self.path),
            best_epoch=int(checkpoint.metrics["epoch"]),
            stopped=self.stopped,
            history=pd.DataFrame(self.history).astype({"epoch": int, "steps": int}),
            recalls=found.recalls,
            failures=self._failures(),
            transplant=ready.begun.transplant,
        )

    def _failures(self) -> pd.DataFrame:
        """Give one row for each image that some process could not open."""
        found = pd.concat(self.ready.ranks.gathered(self.ready.store.failures()))
        return found.drop_duplicates("image_id", ignore_index=True)

    def _complete(self) -> bool:
        settings, done = self.ready.settings, len(self.history)
        if not done:
            return False
        if settings.steps is not None and self.ready.learner.steps >= settings.steps:
            return True
        best = max(range(done), key=lambda number: rank(self.history[number]))
        waited = settings.patience is not None and done - 1 - best >= settings.patience
        return done >= settings.epochs or waited

    def _epoch(self, number: int) -> Row:
        """Train one epoch and validate it; give its row of the history."""
        ready, learner, settings = self.ready, self.ready.learner, self.ready.settings
        # Drop-out and the like: a function of the epoch, so that a later start draws the same.
        drawn = chance.generator(settings.seed, str(number), f"torch {ready.ranks.rank}")
        torch.manual_seed(int(drawn.integers(1 << 62)))
        learner.freeze(number <= settings.freeze)
        began = time.perf_counter()
        images, loss, lr, waited = self._pass(number)
        seconds = time.perf_counter() - began
        if not images:
            failed, size = len(self._failures()), settings.batch_size * settings.accumulate
            raise PolicyError(
                f"{failed} images that cannot be used"
                if failed
                else f"steps of {size} images for {ready.ranks.world} processes",
                "a step needs two or more that open, in each process",
                "See their reasons, and scan again" if failed else "Take a larger --batch-size",
            )
        if not math.isfinite(loss):
            raise PolicyError(
                f"a loss of {loss} in epoch {number}",
                f"the training diverged at a learning rate of {learner.peak:g}",
                "Take a smaller --lr (`curate lr-find` suggests one)",
            )
        val = self._measure("val")
        return {
            "epoch": number,
            "steps": learner.steps,
            "loss": loss,
            "val_loss": val.loss,
            "val_accuracy": val.accuracy,
            "val_recall": val.recall,
            "seconds": time.perf_counter() - began,
            "images_per_second": images / seconds,
            "waited": waited / seconds,
            "lr": lr,
        }

    def _pass(self, number: int) -> tuple[int, float, float, float]:
        """Train on every image once: images, mean loss, last learning rate, seconds waited."""
        ready, learner, settings = self.ready, self.ready.learner, self.ready.settings
        groups = ready.groups(number)
        change = augmentation(settings, ready.examples, number)
        images, lr = 0, 0.0
        total = torch.zeros((), dtype=torch.float64, device=ready.device)
        learner.begin()
        ready.store.waited = 0.0
        of = sum(map(len, groups))
        batches = ready.store.batches([ready.ranks.share(group) for group in groups], change)
        for index, batch in enumerate(batches):
            if settings.steps is not None and learner.steps >= settings.steps:
                break
            lr = self._lr(number - 1 + (index + 0.5) / len(groups), len(groups))
            targets = ready.examples.targets[batch.positions]
            name = f"mix {number} {ready.ranks.rank}"
            drawn = chance.generator(settings.seed, str(index), name)
            before = learner.steps
            total += len(targets) * learner.step(batch.pixels, targets, lr, drawn).double()
            # Nothing is learnt from a batch that leaves a process less than two images.
            images += len(targets) if learner.steps > before else 0
            shown = min(of, images * ready.ranks.world)
            self.tell(Progress(number, settings.epochs, shown, of))
        learner.settle()
        parts = ready.ranks.gathered((images, float(total)))
        images = sum(count for count, _ in parts)
        loss = sum(part for _, part in parts) / max(1, images)
        return images, loss, lr, ready.store.waited

    def _lr(self, done: float, batches: int) -> float:
        # In epochs and not in counted steps: images that fail shift nothing.
        settings = self.ready.settings
        limit = math.inf if settings.steps is None else settings.steps / batches
        losses = [row["val_loss"] for row in self.history]
        epochs = min(settings.epochs, limit)
        return self.schedule.lr(done, epochs, settings.warm_up, self.ready.learner.peak, losses)

    def _measure(self, split: str) -> Measured:
        said = self._outputs(self.ready.examples.splits[split])
        return measured(said.logits, said.targets, self.ready.examples.classes)

    def _outputs(self, positions: NDArray[np.int64], features: bool = False) -> Outputs:
        """Run the network over those of these examples that open, each process over its share."""
        ready = self.ready
        said = outputs_of(
            ready.learner.kept,
            ready.store,
            ready.examples,
            ready.ranks.share(ready.usable(positions)),
            ready.begun.preprocessing,
            ready.settings.batch_size,
            ready.device,
            features=features,
        )
        return together(ready.ranks.gathered(said))


def _plain(ready: Prepared, initial: Checkpoint | None) -> Checkpoint:
    kept = dataclasses.asdict(ready.settings)
    examples = ready.examples
    return Checkpoint(
        arch=ready.begun.arch,
        classes=examples.classes,
        preprocessing=ready.begun.preprocessing,
        weights={},
        throw_away=kept.pop("throw_away"),
        min_count=kept.pop("min_count"),
        parent=None if initial is None else initial.digest,
        split=examples.split,
        data=examples.data,
        settings=kept,
        versions={"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}},
        licence=ready.begun.licence,
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
