"""Recent: what arrived last comes first, run by run of the scan."""

from __future__ import annotations

import pandas as pd

from curate.queues.filters.choosing import foremost, ranked
from curate.queues.recipe import Aim

_ORDER = "arrived DESC"
"""DuckDB puts what is missing last."""


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only as many as are wanted."""
    return foremost("coalesce(-arrived, 0)", aim.filters, order=_ORDER)


def rank(aim: Aim) -> str:
    """By the run that saw the image first."""
    return ranked(_ORDER, aim.filters)


def score(candidates: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """The run that saw the image first."""
    return pd.DataFrame({"worth": candidates["arrived"], "topic": candidates["predicted"]})


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``arrived in run 12; antelope 0.83``."""
    columns = chosen[["arrived", "predicted", "score"]].itertuples(index=False)
    return [f"arrived in run {run}; {name} {score:.2f}" for run, name, score in columns]
