"""Trials that have ended: as their runs remember them, as a table, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from curate.store.run_rows import Recorded
from curate.train.sweeps.plan import METRICS
from curate.train.sweeps.search import Told
from curate.train.sweeps.space import Values
from curate.train.sweeps.trials import DONE, FAILED, Outcome


@dataclass(frozen=True)
class Ended:
    """A trial that has ended.

    Attributes
    ----------
    told : Told
        What the search knows of it.
    reason : str
        Why it is not done.
    seconds : float
        That it took.
    run_id : int
        Its run.
    """

    told: Told
    reason: str
    seconds: float
    run_id: int


def made_of(outcome: Outcome, number: int, values: Values, metric: str, run_id: int) -> Ended:
    """Sum up how a trial ended. Its value is that of the checkpoint which it left.

    Parameters
    ----------
    outcome : Outcome
        How the training ended.
    number, values
        The trial, and what it took.
    metric : str
        What it is judged by.
    run_id : int
        Its run.
    """
    status, reason, value = outcome.status, outcome.reason, None
    if status == DONE:
        value = outcome.history[outcome.best_epoch - 1][metric]
        if not math.isfinite(value):
            status, reason, value = FAILED, f"its {metric} is not a number", None
    by_epoch = tuple(row[metric] for row in outcome.history)
    return Ended(Told(number, status, values, value, by_epoch), reason, outcome.seconds, run_id)


def summary_of(outcome: Outcome, ended: Ended) -> dict[str, Any]:
    """Say what the run of a trial remembers; `ended_of` reads it."""
    return {
        **outcome.summary,
        "history": [
            {name: value if math.isfinite(value) else None for name, value in row.items()}
            for row in outcome.history
        ],
        "sweep": {
            "status": ended.told.status,
            "value": ended.told.value,
            "reason": ended.reason,
            "seconds": ended.seconds,
        },
    }


def ended_of(row: Recorded, digest: str, metric: str) -> Ended | None:
    """Read a trial that has ended out of its run; None where the run is of something else.

    Parameters
    ----------
    row : Recorded
        The run of a training.
    digest : str
        Of the sweep.
    metric : str
        What its trials are judged by.
    """
    asked, made = row.parameters.get("sweep"), row.summary.get("sweep")
    if not isinstance(asked, Mapping) or asked.get("digest") != digest or made is None:
        return None
    measured = [past[metric] for past in row.summary["history"]]
    by_epoch = tuple(math.nan if value is None else float(value) for value in measured)
    told = Told(asked["trial"], made["status"], asked["values"], made["value"], by_epoch)
    return Ended(told, made["reason"], made["seconds"], row.run_id)


def best_of(trials: Sequence[Told], metric: str) -> int | None:
    """Name the best trial that is done; of equals the first. None where none is done."""
    sign = -1 if METRICS[metric] == "maximize" else 1
    done = [
        (sign * trial.value, trial.number)
        for trial in trials
        if trial.status == DONE and trial.value is not None
    ]
    return min(done)[1] if done else None


def table_of(trials: Sequence[Ended], parameters: Sequence[str]) -> pd.DataFrame:
    """Lay trials out as a table.

    Returns
    -------
    DataFrame
        One row a trial, in the order of their numbers: trial (from 0), status (``done``,
        ``pruned``, ``failed``), value (missing unless done), a column for each parameter,
        epochs_trained, seconds, run_id, reason.
    """
    rows = sorted(trials, key=lambda one: one.told.number)
    told = [row.told for row in rows]
    columns = {
        "trial": pd.Series([one.number for one in told], dtype="int64"),
        "status": pd.Series([one.status for one in told], dtype="str"),
        "value": pd.Series([one.value for one in told], dtype="float64"),
        **{name: pd.Series([one.values[name] for one in told]) for name in parameters},
        "epochs_trained": pd.Series([len(one.by_epoch) for one in told], dtype="int64"),
        "seconds": pd.Series([row.seconds for row in rows], dtype="float64"),
        "run_id": pd.Series([row.run_id for row in rows], dtype="int64"),
        "reason": pd.Series([row.reason for row in rows], dtype="str"),
    }
    return pd.DataFrame(columns)
