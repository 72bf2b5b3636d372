"""What a network gets right on some examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curate.models.scores import log_softmax


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
