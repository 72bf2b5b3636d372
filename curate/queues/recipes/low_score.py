"""Low-score: what the model is least sure of, for mass removal and for finding what is new.

A low score does not say why: the image may be blank or blurred, show nothing, or show a class that
the model was never taught. The reason says no more than that.
"""

from __future__ import annotations

import pandas as pd

from curate.queues.filters.choosing import foremost, ranked
from curate.queues.recipe import Aim


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only as many as are wanted."""
    return foremost("score", aim.filters)


def rank(aim: Aim) -> str:
    """By the score."""
    return ranked("score", aim.filters)


def score(candidates: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """How low the best score is."""
    return pd.DataFrame({"worth": -candidates["score"], "topic": ""}, index=candidates.index)


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``best score 0.12 (antelope)``."""
    return [
        f"best score {score:.2f} ({predicted})"
        for score, predicted in zip(chosen["score"], chosen["predicted"], strict=True)
    ]
