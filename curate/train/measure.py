"""What a network gets right on some examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from curate.models.classify import to_input
from curate.models.preprocess import Preprocessing
from curate.models.scores import log_softmax
from curate.train.examples import Examples
from curate.train.pixels import PixelStore, in_batches


@dataclass(frozen=True)
class Measured:
    """What was measured on examples that could be opened.

    Attributes
    ----------
    images : int
        How many they were.
    loss : float
        Mean cross-entropy (nats), without label smoothing; NaN without images.
    accuracy : float
        Share that is right; NaN without images.
    recall : float
        Mean over the classes that have images of the share of each that is right.
    recalls : DataFrame
        One row a class: class, images, correct, recall (NaN without images).
    """

    images: int
    loss: float
    accuracy: float
    recall: float
    recalls: pd.DataFrame


def measure(
    model: nn.Module,
    store: PixelStore,
    examples: Examples,
    positions: NDArray[np.int64],
    preprocessing: Preprocessing,
    batch_size: int,
    device: torch.device,
) -> Measured:
    """Run a network over examples, without changing it, and measure what it says."""
    outputs = [np.empty((0, len(examples.classes)), np.float32)]
    seen = [np.empty(0, np.int64)]
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for batch in store.batches(in_batches(positions, batch_size)):
            if len(batch.positions):
                output = model(to_input(batch.pixels, preprocessing, device))
                outputs.append(output.float().cpu().numpy())
                seen.append(batch.positions)
    model.train(was_training)
    return measured(
        np.concatenate(outputs), examples.targets[np.concatenate(seen)], examples.classes
    )


def measured(
    logits: NDArray[np.float32], targets: NDArray[np.int64], classes: tuple[str, ...]
) -> Measured:
    """Measure logits, shape (n, K), against the right classes, shape (n,)."""
    right = logits.argmax(axis=1) == targets
    images = np.bincount(targets, minlength=len(classes))
    correct = np.bincount(targets[right], minlength=len(classes))
    share = np.full(len(classes), np.nan)
    np.divide(correct, images, out=share, where=images > 0)
    recalls = pd.DataFrame(
        {"class": list(classes), "images": images, "correct": correct, "recall": share}
    )
    if not len(targets):
        return Measured(0, np.nan, np.nan, np.nan, recalls)
    losses = -log_softmax(logits)[np.arange(len(targets)), targets]
    return Measured(
        images=len(targets),
        loss=float(losses.mean()),
        accuracy=float(right.mean()),
        recall=float(np.nanmean(share)),
        recalls=recalls,
    )
