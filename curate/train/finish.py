"""What a training adds to its best weights: when it may be sure, and what is like its images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.models.novelty import Novelty, fit
from curate.models.scores import log_softmax
from curate.train.calibrate import (
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    thresholds_of,
)
from curate.train.outputs import Outputs

NOVELTY_IMAGES = 64
"""Training images of a class, at most, that novelty is measured from: a bounded last pass."""


def calibrated(val: Outputs, test: Outputs) -> tuple[float, dict[str, float], dict[str, float]]:
    """Fit temperature and thresholds on val, and say what they do there and on test.

    Returns
    -------
    temperature : float
        1 without val.
    thresholds : dict of str to float
        As `Checkpoint.thresholds`: a precision, and the calibrated score that is enough for it.
    metrics : dict of str to float
        For ``val`` and ``test`` where they have images: ``val_ece`` as the network came out of the
        training, ``val_ece_calibrated`` and ``val_loss_calibrated`` with the temperature, and of
        each threshold ``val_precision_at_0.95`` (the share that is right of the images that score
        at least as much; NaN without such) and ``val_coverage_at_0.95`` (their share of all). The
        uncalibrated loss is measured elsewhere.
    """
    temperature = fit_temperature(val.logits, val.targets)
    found = thresholds_of(*_sureness(val, temperature)).dropna(subset=["threshold"])
    pairs = zip(found["precision"], found["threshold"], strict=True)
    thresholds = {f"{precision:g}": float(threshold) for precision, threshold in pairs}
    metrics: dict[str, float] = {}
    for split, said in (("val", val), ("test", test)):
        if len(said.targets):
            pair = said.logits, said.targets
            metrics[f"{split}_ece"] = calibration_error(*pair, 1.0)
            metrics[f"{split}_ece_calibrated"] = calibration_error(*pair, temperature)
            metrics[f"{split}_loss_calibrated"] = negative_log_likelihood(*pair, temperature)
            scores, right = _sureness(said, temperature)
            for wanted, threshold in thresholds.items():
                above = scores >= threshold
                metrics[f"{split}_precision_at_{wanted}"] = (
                    float(right[above].mean()) if above.any() else np.nan
                )
                metrics[f"{split}_coverage_at_{wanted}"] = float(above.mean())
    return temperature, thresholds, metrics


def _sureness(said: Outputs, temperature: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the calibrated score of each best class, and whether it is the right one."""
    scores = np.exp(log_softmax(said.logits, temperature).max(axis=1))
    return scores, said.logits.argmax(axis=1) == said.targets


def novelty_of(train: Outputs, val: Outputs) -> Novelty | None:
    """Take the statistics of training features, at the scale of val.

    None where the architecture does not say where its features are, or none of them is usable.
    """
    fine = all(np.isfinite(said.features).all(axis=1).any() for said in (train, val))
    if not fine or not train.features.shape[1]:
        return None
    return fit(train.features, train.targets, val.features)
