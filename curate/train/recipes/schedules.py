"""How the learning rate goes: a pure function of how far a training is, so a resume needs no state.

Time is counted in epochs and not in steps: images that fail shift nothing. After the warm-up every
kind starts at the peak; `one-cycle` has a rise of its own and no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curate.train.recipes.kinds import Number, chosen


@dataclass(frozen=True)
class Moment:
    """Where a training is, counted from the end of its warm-up.

    Attributes
    ----------
    done, epochs : float
        Epochs that are over, and all that there are. At least one of them is not.
    val : sequence of float
        Losses on val of the whole epochs since the warm-up; NaN where there was none.
    """

    done: float
    epochs: float
    val: Sequence[float]

    @property
    def share(self) -> float:
        """Share that is over, from 0 to 1."""
        return min(1.0, self.done / self.epochs)


Factor = Callable[..., float]
"""From a `Moment` and the arguments of a kind to the learning rate as a share of its peak."""


@dataclass(frozen=True)
class Schedule:
    """What a recipe says of the learning rate.

    Attributes
    ----------
    factor : callable
        From a `Moment` to a share of the peak.
    rises : bool
        Whether it comes from below by itself, so that no warm-up goes before it.
    """

    factor: Callable[[Moment], float]
    rises: bool

    def lr(
        self, done: float, epochs: float, warm_up: float, peak: float, val: Sequence[float] = ()
    ) -> float:
        """Give the learning rate of a step.

        Parameters
        ----------
        done : float
            Epochs that are over, from 0 to `epochs`. Take the middle of the step: at its start the
            first step would have a rate of 0, and at its end the last one.
        epochs : float
            Of the whole training, above 0.
        warm_up : float
            Epochs in which the rate rises linearly from 0 to the peak; at most half of all.
        peak : float
            The largest rate.
        val : sequence of float
            Loss on val after each epoch. Those after `done` are not looked at.

        Returns
        -------
        float
            From 0 to `peak`. The same for the same arguments, whatever was asked before.
        """
        if self.rises:
            warm_up = 0.0
        warm_up = min(warm_up, epochs / 2)
        if done < warm_up:
            return peak * done / warm_up
        seen = val[math.ceil(warm_up) : math.floor(done)]
        return peak * self.factor(Moment(done - warm_up, epochs - warm_up, seen))


def schedule_of(recipe: str) -> Schedule:
    """Read a recipe.

    Parameters
    ----------
    recipe : str
        A kind of `KINDS` and its arguments: ``cosine``, ``step(every=10, factor=0.1)``.

    Raises
    ------
    InputError
        An unknown kind, or an argument that it does not take.
    """
    factor, numbers = chosen("schedule", recipe, KINDS)
    return Schedule(lambda moment: factor(moment, **numbers), rises=factor is _one_cycle)


def _constant(moment: Moment) -> float:
    """Stay at the peak."""
    return 1.0


def _cosine(moment: Moment) -> float:
    """Fall along half a cosine to 0.

    I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
    equation 5, without restarts.
    """
    return _between(1.0, 0.0, moment.share)


def _one_cycle(moment: Moment, start: float, div: float) -> float:
    """Rise from a `div`-th of the peak for a share `start` of the training, then fall to 0.

    L. N. Smith, "A disciplined approach to neural network hyper-parameters: Part 1", 2018, section
    4.1, with half cosines for lines as in fastai's ``fit_one_cycle``, whose end at 1e-5 of the
    peak is 0 here. The momentum is not cycled.
    """
    if moment.share < start:
        return _between(1 / div, 1.0, moment.share / start)
    return _between(1.0, 0.0, (moment.share - start) / (1 - start))


def _cyclic(moment: Moment, cycles: float, low: float) -> float:
    """Fall in a line to a share `low` of the peak and rise again, over and over.

    L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, the policy
    "triangular", whose base is a third or a quarter of the peak. The warm-up is the rise of the
    first cycle, and the training ends as the paper advises, at the foot of a whole cycle.
    """
    legs = moment.share * (2 * cycles - 1)
    return low + (1 - low) * abs(legs % 2 - 1)


def _step(moment: Moment, every: float, factor: float) -> float:
    """Fall to `factor` of what it was after every so many epochs."""
    return float(factor ** math.floor(moment.done / every))


def _plateau(moment: Moment, factor: float, patience: float) -> float:
    """Fall to `factor` of what it was when `patience` epochs brought no lower loss on val.

    As ``ReduceLROnPlateau`` of PyTorch, which waits for one epoch more. An epoch without a loss
    says nothing: it is neither better nor one of those waited for.
    """
    lowest, waited, falls = math.inf, 0, 0
    for loss in moment.val:
        if loss < lowest:
            lowest, waited = loss, 0
        elif not math.isnan(loss):
            waited += 1
        if waited == patience:
            waited, falls = 0, falls + 1
    return float(factor**falls)


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


KINDS: dict[str, tuple[Factor, dict[str, Number]]] = {
    "cosine": (_cosine, {}),
    "one-cycle": (_one_cycle, {"start": Number(0.25, 0.01, 0.99), "div": Number(25, 1, 1e6)}),
    "cyclic": (_cyclic, {"cycles": Number(3, 1, 1000, whole=True), "low": Number(0.25, 0, 1)}),
    "step": (_step, {"every": Number(10, 1e-3, math.inf), "factor": Number(0.1, 1e-3, 1)}),
    "plateau": (
        _plateau,
        {"factor": Number(0.1, 1e-3, 1), "patience": Number(5, 1, math.inf, whole=True)},
    ),
    "constant": (_constant, {}),
}
"""The kinds: what makes a share of the peak, and the arguments."""
