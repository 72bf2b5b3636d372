"""What a training adds to its best weights: a temperature, and what is like the training images."""

from __future__ import annotations

import numpy as np

from curate.models.novelty import Novelty, fit
from curate.train.calibrate import calibration_error, fit_temperature, negative_log_likelihood
from curate.train.outputs import Outputs

NOVELTY_IMAGES = 64
"""Training images of a class, at most, that novelty is measured from: a bounded last pass."""


def calibrated(val: Outputs, test: Outputs) -> tuple[float, dict[str, float]]:
    """Fit the temperature on val, and say what it does there and on test.

    Returns
    -------
    temperature : float
        1 without val.
    metrics : dict of str to float
        For ``val`` and ``test`` where they have images: ``val_ece`` as the network came out of the
        training, ``val_ece_calibrated`` and ``val_loss_calibrated`` with the temperature. The
        uncalibrated loss is measured elsewhere.
    """
    temperature = fit_temperature(val.logits, val.targets)
    metrics: dict[str, float] = {}
    for split, said in (("val", val), ("test", test)):
        if len(said.targets):
            pair = said.logits, said.targets
            metrics[f"{split}_ece"] = calibration_error(*pair, 1.0)
            metrics[f"{split}_ece_calibrated"] = calibration_error(*pair, temperature)
            metrics[f"{split}_loss_calibrated"] = negative_log_likelihood(*pair, temperature)
    return temperature, metrics


def novelty_of(train: Outputs, val: Outputs) -> Novelty | None:
    """Take the statistics of training features, at the scale of val.

    None where the architecture does not say where its features are, or none of them is usable.
    """
    fine = all(np.isfinite(said.features).all(axis=1).any() for said in (train, val))
    if not fine or not train.features.shape[1]:
        return None
    return fit(train.features, train.targets, val.features)
