"""A checkpoint at work, as a plan says: prepared pixels in, logits and features out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from curate.core.errors import CurateError, InputError
from curate.core.names import nearest
from curate.models.backends import BACKENDS, Plan
from curate.models.checkpoint import Checkpoint
from curate.models.device import pick_device
from curate.models.network import DTYPES
from curate.models.scores import energy, log_softmax

__all__ = ["MemoryShort", "Output", "Plan", "Runner", "check_plan", "is_out_of_memory"]

_SAID = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory",
    "failed to allocate memory", "bad_alloc", "bad allocation", "could not allocate",
)  # fmt: skip
"""How allocators that raise a plain RuntimeError put it."""


class MemoryShort(CurateError):
    """Not even one image fits into the memory of the device."""


@dataclass(frozen=True)
class Output:
    """What a model says of a batch.

    Attributes
    ----------
    logits : ndarray of float32, shape (N, K)
        Not divided by the temperature; columns in the order of the checkpoint's classes.
    features : ndarray of float32, shape (N, D), or None
        The pooled input of the head; None where it was not asked for.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32] | None


class Runner:
    """A checkpoint's network on a device, ready to be asked from several threads.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to run.
    plan : Plan
        How. The number of CPU threads of torch is set for every thread that calls `run`.
    features : bool
        Give the pooled features too; they fall out of the same pass.
    flip : bool
        Test-time augmentation: look at each image and at its left-right mirror. The probabilities
        (calibrated by the checkpoint's temperature) are averaged, the free energies as well, and
        logits that have both come back; features are averaged.

    Raises
    ------
    InputError
        An unknown backend, precision or device, or a package that is not installed.
    MemoryShort
        See `run`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        plan: Plan,
        *,
        features: bool = False,
        flip: bool = False,
    ) -> None:
        check_plan(plan)
        self.checkpoint = checkpoint
        self.plan = plan
        self._features = features
        self._flip = flip
        self._lock = threading.Lock()
        self._forward = BACKENDS[plan.backend](checkpoint, plan, features)
        if plan.compiled:
            # Compiled once, here: several threads at once would each begin it.
            self.run(np.zeros((plan.batch_size, *self._shape), np.uint8))

    @property
    def _shape(self) -> tuple[int, int, int]:
        used = self.checkpoint.preprocessing
        return used.height, used.width, 3

    def run(self, batch: NDArray[np.uint8]) -> Output:
        """Compute logits, and features where wanted, of prepared images.

        A batch larger than the plan's goes through in parts. Where memory does not suffice, the
        plan's batch size is halved, for good, and the same images are tried again.

        Parameters
        ----------
        batch : ndarray of uint8, shape (N, height, width, 3)
            From `curate.models.preprocess.prepare` with the checkpoint's preprocessing.

        Raises
        ------
        InputError
            The batch has another shape or type.
        MemoryShort
            Not even one image fits.
        """
        height, width, _ = self._shape
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != self._shape:
            raise InputError(
                f"a batch of {batch.dtype} {batch.shape}",
                f"this checkpoint takes uint8 (N, {height}, {width}, 3)",
                "Make it with curate.models.preprocess.prepare",
            )
        if not len(batch):
            # What is asked of no image still has its width.
            shown = self.run(np.zeros((1, *self._shape), np.uint8))
            return Output(shown.logits[:0], None if shown.features is None else shown.features[:0])
        parts = list(self._parts(batch))
        return Output(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.features for part in parts if part.features is not None])
            if self._features
            else None,
        )

    def _parts(self, batch: NDArray[np.uint8]) -> Iterator[Output]:
        start = 0
        while start < len(batch):
            size = self.plan.batch_size
            part = batch[start : start + size]
            short: str | None = None
            try:
                output = self._both(part, size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                short = str(error) or type(error).__name__
            if short is None:
                yield output
                start += len(part)
            else:
                # Only out here are the tensors of the failed pass free.
                self._halve(len(part), short)

    def _both(self, part: NDArray[np.uint8], size: int) -> Output:
        seen = self._once(part, size)
        if not self._flip:
            return seen
        mirrored = self._once(np.ascontiguousarray(part[:, :, ::-1]), size)
        logits = _averaged(seen.logits, mirrored.logits, self.checkpoint.temperature)
        if seen.features is None or mirrored.features is None:
            return Output(logits, None)
        return Output(logits, np.asarray((seen.features + mirrored.features) / 2, np.float32))

    def _once(self, part: NDArray[np.uint8], size: int) -> Output:
        number, classes = len(part), len(self.checkpoint.classes)
        if self.plan.compiled and number < size:
            # Another number of images would be compiled anew.
            part = np.concatenate([part, np.zeros((size - number, *self._shape), np.uint8)])
        output = self._forward(part)[:number]
        return Output(output[:, :classes], output[:, classes:] if self._features else None)

    def _halve(self, failed: int, said: str) -> None:
        if failed == 1:
            first = said.strip().splitlines()[0]
            raise MemoryShort(
                f"{self.checkpoint.arch} on {self.plan.device}",
                f"not even one image fits into its memory ({first})",
                "Stop what else uses it, or take --device cpu",
            )
        if self.plan.device != "cpu":
            torch.cuda.empty_cache()
        with self._lock:
            # Other threads that failed at the same size halve it once, together.
            smaller = min(self.plan.batch_size, failed // 2)
            self.plan = replace(self.plan, batch_size=smaller)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device, in whatever words."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SAID)


def _averaged(
    one: NDArray[np.float32], other: NDArray[np.float32], temperature: float
) -> NDArray[np.float32]:
    """Give logits whose calibrated probabilities, and whose free energy, are the means of two."""
    # What is not a number stays so, without a word: the caller makes a failure of it.
    with np.errstate(invalid="ignore"):
        both = np.logaddexp(*(log_softmax(part, temperature) for part in (one, other)))
        energies = (energy(one, temperature) + energy(other, temperature)) / 2
        logits = temperature * (both - np.log(2)) - energies[:, np.newaxis]
    return np.asarray(logits, np.float32)


def check_plan(plan: Plan) -> None:
    """Refuse a plan of unknown names, of a device that is not here, or of numbers below 1."""
    for noun, value, known in (
        ("backend", plan.backend, list(BACKENDS)),
        ("precision", plan.precision, list(DTYPES)),
    ):
        if value not in known:
            meant = nearest(value, known)
            raise InputError(
                f"{noun} {value!r}",
                f"known are {', '.join(known)}",
                f"Did you mean {meant}?" if meant else "Take one of these",
            )
    pick_device(plan.device)
    for noun in ("batch_size", "streams", "threads"):
        if getattr(plan, noun) < 1:
            raise InputError(f"{noun} {getattr(plan, noun)}", "it is at least 1", "Leave it out")
