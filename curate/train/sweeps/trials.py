"""One trial of a sweep: a training that can be told to end, and whose failure is a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from curate.models.checkpoint import Checkpoint
from curate.train.keep import Row
from curate.train.loop import train
from curate.train.settings import Progress, TrainSettings

DONE, PRUNED, FAILED = "done", "pruned", "failed"

Judge = Callable[[Row], str]
"""Told the row of the history of every epoch; gives the reason to end there, or ''."""


@dataclass(frozen=True)
class Task:
    """What a trial trains.

    Attributes
    ----------
    number : int
        From 0.
    arch : str or None
        Recipe of the architecture; None is that of the earlier model.
    out : Path
        Where its best checkpoint goes.
    settings : TrainSettings
        How.
    """

    number: int
    arch: str | None
    out: Path
    settings: TrainSettings


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes
    ----------
    status : str
        ``done``, ``pruned`` or ``failed``.
    reason : str
        Why it is not done.
    history : list of dict
        The rows of its epochs.
    seconds : float
        From its start to its end, with the measuring of its best checkpoint.
    best_epoch : int
        The epoch of that checkpoint; 0 unless done.
    summary : mapping
        What its run remembers of the checkpoint.
    """

    status: str
    reason: str = ""
    history: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    best_epoch: int = 0
    summary: Mapping[str, Any] = field(default_factory=dict)


class _FallsBehind(Exception):
    """Ends a training from within."""


def run_trial(task: Task, table: pd.DataFrame, initial: Checkpoint | None, judge: Judge) -> Outcome:
    """Train one trial.

    Parameters
    ----------
    task : Task
        What.
    table : DataFrame
        See `curate.train.train`.
    initial : Checkpoint or None
        The model whose body is kept.
    judge : callable
        Says after each epoch whether the trial goes on.

    Returns
    -------
    Outcome
        A training that fails is one too.

    Raises
    ------
    OSError, CurateError
        The disk is full or gone, or the hub out of reach: the next trial would fare no better.
    """
    history: list[Row] = []

    def told(progress: Progress) -> None:
        if progress.metrics:
            history.append(dict(progress.metrics))
            if reason := judge(history[-1]):
                raise _FallsBehind(reason)

    began = time.perf_counter()
    try:
        result = train(table, task.arch, task.out, task.settings, initial=initial, on_progress=told)
    except _FallsBehind as end:
        return Outcome(PRUNED, str(end), history, time.perf_counter() - began)
    except Exception as error:  # whatever some values do to a training is what was to be found out
        if _concerns_all(error):
            raise
        return Outcome(FAILED, _reason(error), history, time.perf_counter() - began)
    checkpoint = result.checkpoint
    summary = {
        "metrics": dict(checkpoint.metrics),
        "digest": checkpoint.digest,
        "path": str(task.out),
        "parent": checkpoint.parent,
        "throw_away": checkpoint.throw_away,
        "recalls": result.recalls.astype(object).to_dict("records"),
    }
    seconds = time.perf_counter() - began
    return Outcome(DONE, "", history, seconds, result.best_epoch, summary)


def _concerns_all(error: Exception) -> bool:
    return isinstance(error, OSError) or isinstance(error.__cause__, OSError)


def _reason(error: Exception) -> str:
    said = str(error).strip().split("\n")[0]
    kind = type(error).__name__
    # Our own errors say what they are; the name of another tells more than its text.
    return said if type(error).__module__.startswith("curate.") else f"{kind}: {said}"
