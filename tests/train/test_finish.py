"""Temperature and thresholds, and what they do on val and on test."""

from __future__ import annotations

import numpy as np
import pytest

from curate.train.calibrate import fit_temperature
from curate.train.finish import calibrated
from curate.train.outputs import Outputs

from .test_calibrate import drawn


def outputs(seed: int, number: int, factor: float = 3.0) -> Outputs:
    """What an overconfident network says."""
    logits, targets = drawn(seed, number)
    return Outputs(logits * np.float32(factor), targets, np.empty((number, 0), np.float32))


def test_thresholds_are_found_on_val_and_measured_on_test() -> None:
    val, test = outputs(1, 2000), outputs(2, 4000)
    temperature, thresholds, metrics = calibrated(val, test)
    assert temperature == fit_temperature(val.logits, val.targets)
    assert set(thresholds) >= {"0.9", "0.95"}
    for wanted, threshold in thresholds.items():
        assert 0.5 < threshold < 1
        assert metrics[f"val_precision_at_{wanted}"] >= float(wanted)
        assert metrics[f"test_precision_at_{wanted}"] == pytest.approx(float(wanted), abs=0.03)
        for split in ("val", "test"):
            assert 0 < metrics[f"{split}_coverage_at_{wanted}"] < 1


def test_scores_are_calibrated_before_a_threshold_is_chosen() -> None:
    val = outputs(1, 2000)
    for factor in (0.5, 2.0):
        louder = Outputs(val.logits * np.float32(factor), val.targets, val.features)
        thresholds = calibrated(louder, louder)[1]
        assert thresholds["0.9"] == pytest.approx(calibrated(val, val)[1]["0.9"], abs=1e-3)


def test_calibration_is_told_before_and_after() -> None:
    _, _, metrics = calibrated(outputs(1, 2000), outputs(2, 2000))
    for split in ("val", "test"):
        assert metrics[f"{split}_ece_calibrated"] < metrics[f"{split}_ece"]


def test_without_val_there_is_nothing_to_say() -> None:
    assert calibrated(outputs(1, 0), outputs(2, 0)) == (1.0, {}, {})


def test_a_threshold_above_all_of_test_says_so() -> None:
    test = outputs(2, 3)
    unsure = Outputs(test.logits * 0, test.targets, test.features)
    _, _, metrics = calibrated(outputs(1, 2000), unsure)
    assert np.isnan(metrics["test_precision_at_0.95"])
    assert metrics["test_coverage_at_0.95"] == 0
