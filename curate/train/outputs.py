"""What a network says of some examples: logits, and the features that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from curate.core import chance
from curate.models.arch import head_of
from curate.models.device import to_input
from curate.models.preprocess import Preprocessing
from curate.train.examples import Examples
from curate.train.loading.pixels import PixelStore, in_batches


@dataclass(frozen=True)
class Outputs:
    """What came out for the examples that could be opened.

    Attributes
    ----------
    logits : ndarray of float32, shape (n, K)
        Not divided by a temperature.
    targets : ndarray of int64, shape (n,)
        Index of the right class.
    features : ndarray of float32, shape (n, D)
        What the classifier got, flattened; (n, 0) where it was not asked for, or where the
        architecture does not say which of its modules the classifier is.
    """

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    features: NDArray[np.float32]


def outputs_of(
    model: nn.Module,
    store: PixelStore,
    examples: Examples,
    positions: NDArray[np.int64],
    preprocessing: Preprocessing,
    batch_size: int,
    device: torch.device,
    *,
    features: bool = False,
) -> Outputs:
    """Run a network over examples as they are, without augmentation and without changing it."""
    logits = [np.empty((0, len(examples.classes)), np.float32)]
    seen = [np.empty(0, np.int64)]
    was_training = model.training
    model.eval()
    with torch.inference_mode(), _recorded(model if features else None) as recorded:
        for batch in store.batches(in_batches(positions, batch_size)):
            if len(batch.positions):
                output = model(to_input(batch.pixels, preprocessing, device))
                logits.append(output.float().cpu().numpy())
                seen.append(batch.positions)
    model.train(was_training)
    targets = examples.targets[np.concatenate(seen)]
    got = np.concatenate(recorded) if recorded else np.empty((len(targets), 0), np.float32)
    return Outputs(np.concatenate(logits), targets, got)


def together(parts: Sequence[Outputs]) -> Outputs:
    """Join what several processes have. One without an image knows no length of the features."""
    some = [part for part in parts if len(part.targets)] or parts[:1]
    return Outputs(
        np.concatenate([part.logits for part in some]),
        np.concatenate([part.targets for part in some]),
        np.concatenate([part.features for part in some]),
    )


def some_of_each_class(
    examples: Examples, positions: NDArray[np.int64], most: int, seed: int
) -> NDArray[np.int64]:
    """Choose at most `most` positions of each class, by chance; in the order given."""
    drawn = chance.fractions(seed, (examples.ids[at] for at in positions), "novelty")
    targets = examples.targets[positions]
    order = np.lexsort((drawn, targets))
    starts = np.searchsorted(targets[order], targets[order])
    chosen = order[np.arange(len(order)) - starts < most]
    return positions[np.sort(chosen)]


@contextmanager
def _recorded(model: nn.Module | None) -> Iterator[list[NDArray[np.float32]]]:
    """Record what the (first) classifier of a network gets, a batch an entry."""
    got: list[NDArray[np.float32]] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        got.append(inputs[0].flatten(1).float().cpu().numpy())

    names = head_of(model)[:1] if model is not None else ()
    if model is None or not names:
        yield got
        return
    handle = model.get_submodule(names[0]).register_forward_pre_hook(record)
    try:
        yield got
    finally:
        handle.remove()
