"""From logits to the columns of the predictions table. NumPy only; float64 throughout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.errors import InputError

Columns = dict[str, list[Any] | NDArray[Any]]


def log_softmax(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Natural logarithms of the calibrated probabilities, shape of `logits` (N, K).

    The row's maximum is taken off first, so that no logit is too large.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def energy(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Free energy ``-T * log(sum(exp(logits / T)))``, shape (N,); high for what is unlike training.

    Source: W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based Out-of-distribution Detection",
    NeurIPS 2020, equation 4.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    top = scaled.max(axis=1)
    total = np.exp(scaled - top[:, np.newaxis]).sum(axis=1)
    return np.asarray(-temperature * (top + np.log(total)))


def mean_of(logits: Sequence[NDArray[Any]], temperatures: Sequence[float]) -> NDArray[np.float64]:
    """Let several models speak with one voice.

    Parameters
    ----------
    logits : sequence of ndarray of float, each of shape (N, K)
        Columns in the same order of classes.
    temperatures : sequence of float
        One for each.

    Returns
    -------
    ndarray of float64, shape (N, K)
        Logits of temperature 1: their softmax is the mean of the calibrated probabilities, and
        their free energy the mean of the free energies.
    """
    voices = list(zip(logits, temperatures, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.log(np.mean([np.exp(log_softmax(*voice)) for voice in voices], axis=0))
        energies = np.mean([energy(*voice) for voice in voices], axis=0)
    # A probability that rounds to 0 has a logarithm all the same, as small as there is one.
    mean = np.maximum(mean, _SMALLEST)
    return np.asarray(mean - (energies + np.log(np.exp(mean).sum(axis=1)))[:, np.newaxis])


_SMALLEST = -745.0
"""About the logarithm of the smallest number above 0."""


def score_table(
    logits: NDArray[Any], classes: Sequence[str], k: int = 5, temperature: float = 1.0
) -> Columns:
    """Make the columns that say what a checkpoint thinks of each image.

    Parameters
    ----------
    logits : ndarray of float, shape (N, K)
        One row an image.
    classes : sequence of str, length K
        In the order of the logits.
    k : int
        How many classes are listed in `top_classes` (fewer where there are fewer).
    temperature : float
        Divides the logits; above 1 the scores become more careful.

    Returns
    -------
    dict of columns, each of length N
        ``status`` (``ok`` or ``failed``), ``reason`` (str or None), ``predicted``, ``score``
        (probability), ``second``, ``second_score``, ``margin`` (score − second_score), ``entropy``
        (nats), ``energy``, ``top_classes`` (list of str), ``top_scores`` (list of float).
        A row with NaN or infinite logits is a failure: its names are None and its numbers NaN.
        With a single class there is no second one: None, NaN, and NaN for the margin.

    Raises
    ------
    InputError
        The shape does not fit the classes, or `k` or `temperature` is not above 0.
    """
    logits = np.asarray(logits, np.float64)
    _check(logits, classes, k, temperature)
    number = len(logits)
    fine = np.isfinite(logits).all(axis=1)
    # Failed rows are computed as zeros and blanked at the end: no row depends on another.
    safe = np.where(fine[:, np.newaxis], logits, 0.0)
    logs = log_softmax(safe, temperature)
    probabilities = np.exp(logs)
    # By logits, stably: equal scores come in the order of the classes.
    order = np.argsort(-safe, axis=1, kind="stable")[:, : max(k, 2)]
    tops = np.take_along_axis(probabilities, order, axis=1)
    several = len(classes) > 1
    second = tops[:, 1] if several else np.full(number, np.nan)
    nan = np.where(fine, 0.0, np.nan)
    names = np.asarray(classes, dtype=object)[order]
    return {
        "status": ["ok" if row else "failed" for row in fine],
        "reason": [None if row else "the model's output is not a finite number" for row in fine],
        "predicted": _or_none(names[:, 0], fine),
        "score": tops[:, 0] + nan,
        "second": _or_none(names[:, 1], fine) if several else [None] * number,
        "second_score": second + nan,
        "margin": tops[:, 0] - second + nan,
        # Rounding may leave −0.0 or a hair below.
        "entropy": np.maximum(0.0, -(probabilities * logs).sum(axis=1)) + nan,
        "energy": energy(safe, temperature) + nan,
        "top_classes": _or_none(names[:, :k], fine),
        "top_scores": _or_none(tops[:, :k], fine),
    }


def _or_none(values: NDArray[Any], fine: NDArray[np.bool_]) -> list[Any]:
    return [value if row else None for value, row in zip(values.tolist(), fine, strict=True)]


def _check(logits: NDArray[Any], classes: Sequence[str], k: int, temperature: float) -> None:
    if logits.ndim != 2 or logits.shape[1] != len(classes) or not len(classes):
        raise InputError(
            f"logits of shape {logits.shape}",
            f"there is one column for each of the {len(classes)} classes",
            "Give the classes of the checkpoint that made the logits",
        )
    if k < 1:
        raise InputError(f"k = {k}", "at least one class is listed", "Give 1 or more")
    if not (temperature > 0 and np.isfinite(temperature)):
        raise InputError(
            f"temperature {temperature}", "it is a finite number above 0", "1 changes nothing"
        )
