"""Which values the next trial of a sweep takes, and whether a trial has fallen behind: by Optuna.

The study lives in memory and is told everything anew at every start: what lasts are the runs of the
library, and there is no second place that could say otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curate.core import chance
from curate.core.errors import InputError
from curate.train.sweeps.plan import METRICS, SweepPlan
from curate.train.sweeps.space import Choices, Range, Space, Values, combinations

if TYPE_CHECKING:
    import optuna

BEFORE_PRUNING = 5
"""Trials that must have come to their end before one is pruned."""

FIRST_PRUNED_EPOCH = 2
"""The first epoch is the warm-up, which says little."""


@dataclass(frozen=True)
class Told:
    """What is known of a trial that has ended.

    Attributes
    ----------
    number : int
        From 0.
    status : str
        ``done``, ``pruned`` or ``failed``.
    values : dict
        What it took for each parameter.
    value : float or None
        Its metric; None unless done.
    by_epoch : tuple of float
        The metric after each of its epochs.
    """

    number: int
    status: str
    values: Values
    value: float | None = None
    by_epoch: Sequence[float] = field(default_factory=tuple)


class Search:
    """Asks and tells.

    Parameters
    ----------
    plan : SweepPlan
        What is searched, and how.
    """

    def __init__(self, plan: SweepPlan) -> None:
        self._plan = plan
        self._optuna = _optuna()
        self._spread = distributions(plan.space)
        self._study = self._optuna.create_study(
            direction=METRICS[plan.metric],
            pruner=self._optuna.pruners.MedianPruner(
                n_startup_trials=BEFORE_PRUNING, n_warmup_steps=FIRST_PRUNED_EPOCH
            )
            if plan.prune
            else self._optuna.pruners.NopPruner(),
        )
        self._grid = combinations(plan.space, plan.seed) if plan.method == "grid" else []
        self._running: dict[int, optuna.Trial] = {}

    def tell(self, told: Told) -> None:
        """Learn how a trial has ended, one of this search or of an earlier one."""
        state = self._optuna.trial.TrialState
        if told.number in self._running:
            # What ran here is written anew from what its run remembers, as a later start will
            # read it: both then draw the same.
            self._study.tell(self._running.pop(told.number), state=state.FAIL)
        steps = {
            epoch: value
            for epoch, value in enumerate(told.by_epoch, start=1)
            if not math.isnan(value)
        }
        self._study.add_trial(
            self._optuna.trial.create_trial(
                # To the sampler a failure is as bad as can be. Told as one it would be passed
                # over, and a learning rate that diverges tried again and again.
                state=state.COMPLETE if told.status == "done" else state.PRUNED,
                value=told.value,
                params=dict(told.values),
                distributions=self._spread,
                intermediate_values={} if told.status == "failed" else steps,
            )
        )

    def ask(self, number: int) -> Values:
        """Give the values of a trial.

        What chance decides follows from the sweep's seed and the trial's number: a sweep that was
        interrupted draws what it would have drawn.
        """
        seed = int(chance.fraction(self._plan.seed, str(number), "sweep") * 2**32)
        samplers = self._optuna.samplers
        if self._plan.method == "grid":
            self._study.enqueue_trial(self._grid[number])
        self._study.sampler = (
            # Of those that run at the same time, none shall take what another has taken.
            samplers.TPESampler(seed=seed, constant_liar=True)
            if self._plan.method == "tpe"
            else samplers.RandomSampler(seed=seed)
        )
        trial = self._study.ask(self._spread)
        self._running[number] = trial
        return dict(trial.params)

    def falls_behind(self, number: int, epoch: int, by_epoch: Sequence[float]) -> str:
        """Say why a trial shall end after this epoch; '' when it shall not.

        Parameters
        ----------
        number : int
            A trial that runs.
        epoch : int
            The one that is complete, from 1.
        by_epoch : sequence of float
            The metric after each epoch so far.
        """
        trial = self._running[number]
        if math.isnan(by_epoch[-1]):
            return ""
        trial.report(by_epoch[-1], epoch)
        if not trial.should_prune():
            return ""
        best = self._best(by_epoch)
        ended = self._optuna.trial.TrialState.COMPLETE
        others = [
            one.intermediate_values[epoch]
            for one in self._study.get_trials(deepcopy=False, states=(ended,))
            if epoch in one.intermediate_values
        ]
        return (
            f"{self._plan.metric} {best:.4f} after epoch {epoch} is worse than the median of "
            f"{len(others)} trials at that point"
        )

    def _best(self, values: Sequence[float]) -> float:
        fine = [value for value in values if not math.isnan(value)]
        return max(fine) if METRICS[self._plan.metric] == "maximize" else min(fine)


def importance_of(told: Sequence[Told], space: Space, metric: str) -> dict[str, float]:
    """How much of what parts the good trials from all is due to each parameter.

    Source: S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter
    Importance in Arbitrary Subspaces", IJCAI 2023, as Optuna has it: with the best tenth of the
    trials as the good ones.

    Parameters
    ----------
    told : sequence of Told
        The trials; those that are not done are left out.
    space : mapping
        What was tried.
    metric : str
        What they were judged by.

    Returns
    -------
    dict of str to float
        For each parameter a share, 1 in all, the largest first. Empty where nothing can be said:
        of fewer than two trials that are done, or of those that all came to the same.
    """
    done = sorted((one for one in told if one.status == "done"), key=lambda one: one.number)
    if len({one.value for one in done}) < 2:
        return {}
    optuna = _optuna()
    study = optuna.create_study(direction=METRICS[metric])
    spread = distributions(space)
    for one in done:
        study.add_trial(
            optuna.trial.create_trial(
                value=one.value, params=dict(one.values), distributions=spread
            )
        )
    found = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
    )
    return {name: float(share) for name, share in found.items()}


def distributions(space: Space) -> dict[str, Any]:
    """Write a space in Optuna's words."""
    return {name: _distribution(part) for name, part in space.items()}


def _distribution(part: Choices | Range) -> Any:
    kinds = _optuna().distributions
    if isinstance(part, Choices):
        return kinds.CategoricalDistribution(part.values)
    if part.whole:
        return kinds.IntDistribution(int(part.low), int(part.high), log=part.log)
    return kinds.FloatDistribution(part.low, part.high, log=part.log)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "a sweep", "stands on Optuna, which is not installed", "pip install 'curate[sweep]'"
        ) from error
    # A line for each study and trial is for those who have no other.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
