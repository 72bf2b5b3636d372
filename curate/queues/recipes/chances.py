"""Chances that images of a queue show what they are taken for."""

from __future__ import annotations

import pandas as pd

from curate.queues.recipe import Aim


def right(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """Say how likely images show what they are predicted as."""
    return _said(chosen, aim)["right"]


def second(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """Say how likely images show their second class."""
    return _said(chosen, aim)["second"]


def of_some_class(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """Say how likely images show some class, be it of the model or not; missing if nobody can."""
    if aim.makeup is None:
        return pd.Series(float("nan"), chosen.index)
    return 1 - aim.makeup.of(chosen)["strange"]


def of_topic(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """Say how likely images show their topic: what they are predicted as, or their second class."""
    said = _said(chosen, aim)
    return said["right"].where(chosen["topic"] == chosen["predicted"], said["second"])


def _said(chosen: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """By what the pool is made of; where nobody can say, by the scores as they are."""
    if aim.makeup is not None:
        return aim.makeup.of(chosen)
    scores = {"right": chosen["score"], "second": chosen["second_score"].fillna(0)}
    return pd.DataFrame(scores).astype("float64")
