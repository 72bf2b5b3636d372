from __future__ import annotations

import math

import numpy as np
import pytest

from curate.train.measure import measured

CLASSES = ("ant", "bee", "cat")


def test_a_worked_example() -> None:
    logits = np.log(np.array([[6, 3, 1], [2, 7, 1], [8, 1, 1], [5, 4, 1]], np.float32))
    result = measured(logits, np.array([0, 0, 0, 1]), CLASSES)
    assert result.images == 4
    assert result.accuracy == pytest.approx(2 / 4)
    # ant: 2 of 3, bee: 0 of 1, cat: no images, which is not the same as none right.
    assert result.recall == pytest.approx((2 / 3 + 0) / 2)
    assert result.loss == pytest.approx(-np.log([0.6, 0.2, 0.8, 0.4]).mean(), rel=1e-6)
    assert result.recalls["images"].tolist() == [3, 1, 0]
    assert result.recalls["correct"].tolist() == [2, 0, 0]
    assert result.recalls["recall"].tolist()[:2] == pytest.approx([2 / 3, 0])
    assert math.isnan(result.recalls["recall"][2])


def test_no_images_are_not_zero_right() -> None:
    result = measured(np.empty((0, 3), np.float32), np.empty(0, np.int64), CLASSES)
    assert result.images == 0
    assert math.isnan(result.accuracy)
    assert math.isnan(result.loss)
    assert result.recalls["recall"].isna().all()
