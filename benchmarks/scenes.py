"""Which different photos show one scene, and which of them one frame: the truth about bursts.

Photos of a burst are neither edits of one photo nor strangers. Features (SIFT, matched and checked
by RANSAC) tell whether two photos show the same things; the correlation of their small grey
pictures, laid over each other by those features, whether they show them from the same place.
Neither is how hashes or the verification of duplicates judge, so the truth takes nobody's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLUMNS = ["a", "b", "inliers", "overlap", "correlation", "scene", "frame"]

LEAST_INLIERS = 12
"""Features that must agree on one affine map: unlike photos agree on 10 at most by chance."""

LEAST_CORRELATION = 0.5
"""Of the aligned pictures: below it the features share a printed logo, and no scene."""

SAME_FRAME = 0.93
"""Correlation from which a pair is left out of the count of mistakes: seen side by side, such
pairs differ by a step of the camera, as a slight crop or rotation does, and by nothing else."""

LEAST_OVERLAP = 0.7
"""Share of the frame that both photos must show, to be one frame: the strongest crop keeps 72 %."""

_SIDE, _CORE, _SHIFT = 32, 24, 4
_FEATURES = 600
_ALIGNED = 96

Grey = NDArray[np.uint8]
Features = tuple[NDArray[np.float32], NDArray[np.float32]]


def burst_pairs(paths: Sequence[Path], likely: float = 0.5) -> pd.DataFrame:
    """Find the pairs among different photos that show one scene.

    Parameters
    ----------
    paths : sequence of Path
        Photos, all different.
    likely : float
        Pairs whose 32-pixel pictures correlate less, at the best shift by up to 4 pixels, are
        not looked at: matching features costs milliseconds a pair.

    Returns
    -------
    pd.DataFrame
        One row a pair of one scene: `a`, `b` (positions in `paths`, a < b), `inliers`, `overlap`
        (share of a's frame that b shows), `correlation` (of the aligned pictures), `scene`
        (always true) and `frame` (whether it is one frame as well).
    """
    alike = shifted_correlation(paths)
    first, second = np.nonzero(np.triu(alike > likely, 1))
    greys = [_grey(path) for path in paths]
    features = {int(k): _features(greys[k]) for k in np.union1d(first, second)}
    rows = []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        inliers, overlap, correlation = compare(greys[a], greys[b], features[a], features[b])
        if inliers >= LEAST_INLIERS and correlation >= LEAST_CORRELATION:
            frame = correlation >= SAME_FRAME and overlap >= LEAST_OVERLAP
            rows.append((a, b, inliers, overlap, correlation, True, frame))
    return pd.DataFrame(rows, columns=COLUMNS)


def shifted_correlation(paths: Sequence[Path]) -> NDArray[np.float32]:
    """Correlate all pairs of 32-pixel grey pictures, each pair at its best shift; shape (n, n)."""
    small = np.stack([_small(_grey(path), _SIDE) for path in paths])
    start, stop = _SHIFT, _SHIFT + _CORE
    cores = _unit(small[:, start:stop, start:stop])
    best = np.full((len(paths), len(paths)), -1, np.float32)
    for down in range(2 * _SHIFT + 1):
        for across in range(2 * _SHIFT + 1):
            window = small[:, down : down + _CORE, across : across + _CORE]
            np.maximum(best, cores @ _unit(window).T, out=best)
    return np.maximum(best, best.T)


def compare(a: Grey, b: Grey, of_a: Features, of_b: Features) -> tuple[int, float, float]:
    """Lay b over a by their features: inliers, share of a's frame covered, correlation there."""
    matched = cv2.BFMatcher().knnMatch(of_a[1], of_b[1], k=2)
    # Lowe's ratio: a feature that fits two places equally well proves neither.
    kept = [m[0] for m in matched if len(m) == 2 and m[0].distance < 0.75 * m[1].distance]
    if len(kept) < LEAST_INLIERS:
        return len(kept), 0.0, 0.0
    at_a = of_a[0][[m.queryIdx for m in kept]]
    at_b = of_b[0][[m.trainIdx for m in kept]]
    warp, inside = cv2.estimateAffine2D(at_b, at_a, ransacReprojThreshold=6.0)
    if warp is None or not 0.3 < abs(np.linalg.det(warp[:, :2])) < 3:
        return 0, 0.0, 0.0
    shape = (a.shape[1], a.shape[0])
    shown = cv2.warpAffine(np.ones_like(b), warp, shape, flags=cv2.INTER_NEAREST)
    laid = cv2.warpAffine(b, warp, shape, borderMode=cv2.BORDER_REFLECT)
    mask = _small(shown * 255, _ALIGNED) > 254
    if mask.mean() < 0.1:
        return int(inside.sum()), float(mask.mean()), 0.0
    both = np.stack([_small(a, _ALIGNED)[mask], _small(laid, _ALIGNED)[mask]]).astype(float)
    return int(inside.sum()), float(mask.mean()), float(np.corrcoef(both)[0, 1])


def _grey(path: Path) -> Grey:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _features(grey: Grey) -> Features:
    points, described = cv2.SIFT.create(_FEATURES).detectAndCompute(grey, None)
    if described is None:
        described = np.zeros((0, 128), np.float32)
    places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
    return places, np.asarray(described, np.float32)


def _small(grey: NDArray[Any], side: int) -> NDArray[np.float32]:
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _unit(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = windows.reshape(len(windows), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    return np.asarray(flat / length, np.float32)
