"""Learning rates that a range test suggests: numbers in, a table with reasons out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from curate.core.errors import InputError

BETA = 0.98
LEAST_FALL = 0.01
"""A curve that never lies lower than this share below an earlier point of it says nothing."""

BY_CHANCE = 2.5
"""A fall counts when it is so many times the way that its steps would lead by chance.

Of 1,500 smoothed curves of 100 losses that were nothing but noise, 5% passed it.
"""

_FIRST = 10
_LAST = 5

Floats = NDArray[np.float64]


def smoothed(losses: ArrayLike, beta: float = BETA) -> Floats:
    """Average each loss with those before it, the older the less.

    The weight of a loss `k` steps back is ``beta ** k``; weights are divided by their sum, so that
    the first values are not drawn towards 0 (the bias correction of D. P. Kingma, J. Ba, "Adam",
    ICLR 2015, section 3). fastai smooths the losses of its ``lr_find`` in the same way.

    Parameters
    ----------
    losses : array-like of float, shape (n,)
        In the order of the steps.
    beta : float
        From 0 (no smoothing) to below 1.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    total = weight = 0.0
    values = []
    for loss in np.asarray(losses, np.float64):
        total, weight = beta * total + loss, beta * weight + 1
        values.append(total / weight)
    return np.array(values, np.float64)


def settled(curve: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Give the part of a curve that suggestions are read from.

    As in fastai, the first tenth of the planned steps (few losses to average) and the last five
    (on the way to divergence) are left out.

    Parameters
    ----------
    curve : DataFrame
        One row a step.
    steps : int
        How many were planned.
    """
    return curve.iloc[steps // _FIRST : max(0, len(curve) - _LAST)]


def suggestions(lrs: ArrayLike, losses: ArrayLike) -> pd.DataFrame:
    """Suggest learning rates.

    Parameters
    ----------
    lrs : array-like of float, shape (n,)
        Learning rates, rising.
    losses : array-like of float, shape (n,)
        Smoothed loss at each; what follows one that is not finite is not looked at.

    Returns
    -------
    DataFrame
        One row each for ``valley``, ``steepest`` and ``minimum``: name, lr, loss (of the point of
        the curve that it was read from), reason. lr and loss are NaN where the curve suggests
        none; the reason says why.

    Raises
    ------
    InputError
        Unequal lengths, or learning rates that do not rise from above 0.
    """
    rates, values = np.asarray(lrs, np.float64), np.asarray(losses, np.float64)
    if rates.shape != values.shape or rates.ndim != 1:
        raise InputError(
            f"{rates.size} learning rates and {values.size} losses",
            "each learning rate has one loss",
            "Give two columns of one curve",
        )
    if not (np.all(rates > 0) and np.all(np.diff(rates) > 0)):
        raise InputError("the learning rates", "they rise from above 0", "Sort the curve")
    finite = np.isfinite(values)
    length = len(values) if finite.all() else int(finite.argmin())
    rates, values = rates[:length], values[:length]
    fault = _fault(rates, values)
    if fault:
        rows = [(name, np.nan, np.nan, fault) for name in SUGGESTIONS]
    else:
        rows = [(name, *suggest(rates, values)) for name, suggest in SUGGESTIONS.items()]
    table = pd.DataFrame(rows, columns=["name", "lr", "loss", "reason"])
    return table.astype({"name": "str", "lr": float, "loss": float, "reason": "str"})


def falling(losses: Sequence[float] | Floats) -> tuple[int, int]:
    """Find the longest strictly falling subsequence.

    Returns
    -------
    length, end : int
        Of how many points, and the position of its last one; of several as long, the one that is
        complete first. Source: C. Schensted, "Longest increasing and decreasing subsequences",
        Canadian Journal of Mathematics 13, 1961 (n log n by keeping, for each length, the highest
        last point).
    """
    last: list[float] = []
    length = end = 0
    for position, loss in enumerate(losses):
        place = bisect_left(last, -loss)
        last[place : place + 1] = [-loss]
        if place + 1 > length:
            length, end = place + 1, position
    return length, end


def _valley(rates: Floats, losses: Floats) -> tuple[float, float, str]:
    """Take the middle of the longest fall, counted back from its end.

    Source: fastai's ``valley``. It takes the longest falling subsequence and goes back from its
    end by as many points as it has, as if they lay side by side; from there a third of them on,
    and a sixth. (Its documentation speaks of two thirds; the code comes to a half.)
    """
    length, end = falling(losses)
    at = max(0, end - length + length // 3 + length // 6)
    said = f"half-way along the longest fall, which ends at {rates[end]:.2g}"
    return float(rates[at]), float(losses[at]), said


def _steepest(rates: Floats, losses: Floats) -> tuple[float, float, str]:
    """Take the start of the step on which the loss falls most, by the logarithm of the rate."""
    at = int(np.argmin(np.diff(losses) / np.diff(np.log(rates))))
    return float(rates[at]), float(losses[at]), "the loss falls fastest here"


def _minimum(rates: Floats, losses: Floats) -> tuple[float, float, str]:
    """Take a tenth of the learning rate with the lowest loss."""
    at = int(np.argmin(losses))
    said = f"a tenth of {rates[at]:.2g}, where the loss is lowest"
    if at == len(losses) - 1:
        said += "; it still falls there, so a higher bound may show a lower one"
    return float(rates[at]) / 10, float(losses[at]), said


SUGGESTIONS: dict[str, Callable[[Floats, Floats], tuple[float, float, str]]] = {
    "valley": _valley,
    "steepest": _steepest,
    "minimum": _minimum,
}
"""From a curve that falls somewhere to lr, loss and reason. The first one is what to try first."""


def _fault(rates: Floats, losses: Floats) -> str:
    """Say why a curve suggests nothing; '' when it does."""
    if not len(losses):
        return "it ended before the loss had settled"
    lowest = int(np.argmin(losses))
    highest = int(np.argmax(losses[: lowest + 1]))
    fall = losses[highest] - losses[lowest]
    if fall <= LEAST_FALL * abs(losses[highest]):
        way = "only rises" if losses[-1] > (1 + LEAST_FALL) * losses[0] else "stays flat"
        return (
            f"the loss {way}: from {rates[0]:.2g} on it is nowhere {LEAST_FALL:.0%} lower than "
            "before"
        )
    # How far the same steps would lead, each of them up or down by chance.
    chance = np.sqrt(np.sum(np.diff(losses[highest : lowest + 1]) ** 2))
    if fall < BY_CHANCE * chance:
        return (
            f"the loss wanders: from {losses[highest]:.3f} at {rates[highest]:.2g} down to "
            f"{losses[lowest]:.3f} at {rates[lowest]:.2g} it may come by chance"
        )
    return ""
