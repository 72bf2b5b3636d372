"""Uncertain: the images that the model can decide least, by one of three measures.

The margin (T. Scheffer, C. Decomain and S. Wrobel, IDA 2001) is small where two classes compete;
the entropy (C. Shannon, 1948) is large where many do; the least confidence (D. Lewis and W. Gale,
SIGIR 1994) is that no class has much. A label for such an image teaches the model most, if what it
shows is a class at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from curate.queues.filters.choosing import foremost, ranked
from curate.queues.recipe import Aim, Recipe, highest
from curate.queues.recipes import chances


def recipe(
    brings: str, column: str, *, fewer: bool, words: Callable[[Mapping[Hashable, Any]], str]
) -> Recipe:
    """Make the recipe of a measure.

    Parameters
    ----------
    brings : str
        In one line, which images it brings.
    column : str
        The column of candidates that holds the measure.
    fewer : bool
        Whether less of it is less certain.
    words : callable
        From a row to a text that says what was measured.
    """
    sign = -1 if fewer else 1
    return Recipe(
        brings,
        partial(_narrow, column, sign),
        partial(_score, column, sign),
        highest,
        lambda chosen, _: [words(row) for row in chosen.to_dict("records")],
        expect,
        "another class than predicted",
        rank=partial(_rank, column, sign),
    )


def _narrow(column: str, sign: int, aim: Aim) -> tuple[str, list[object]]:
    key = f"coalesce({-sign} * {column}, 'inf'::DOUBLE)"
    return foremost(key, aim.filters, order=_order(column, sign))


def _rank(column: str, sign: int, aim: Aim) -> str:
    return ranked(_order(column, sign), aim.filters)


def _order(column: str, sign: int) -> str:
    # DuckDB puts what is missing last either way.
    return f"{column} DESC" if sign > 0 else column


def _score(column: str, sign: int, candidates: pd.DataFrame, _: Aim) -> pd.DataFrame:
    # Where there is no measure (a model of one class has no margin), nothing speaks for the image.
    worth = (sign * candidates[column]).fillna(float("-inf"))
    return pd.DataFrame({"worth": worth, "topic": candidates["predicted"]})


def by_margin(row: Mapping[Hashable, Any]) -> str:
    """Such as ``antelope 0.41 and kudu 0.39 are 0.02 apart``."""
    if pd.isna(row["margin"]):
        return f"{row['predicted']} {row['score']:.2f}, and the model knows no other class"
    return (
        f"{row['predicted']} {row['score']:.2f} and {row['second']} {row['second_score']:.2f} "
        f"are {row['margin']:.2f} apart"
    )


def by_entropy(row: Mapping[Hashable, Any]) -> str:
    """Such as ``scores spread over many classes: entropy 2.10; the best is antelope 0.21``."""
    return (
        f"scores spread over many classes: entropy {row['entropy']:.2f}; "
        f"the best is {row['predicted']} {row['score']:.2f}"
    )


def by_confidence(row: Mapping[Hashable, Any]) -> str:
    """Such as ``no more sure than 0.21 (antelope)``."""
    return f"no more sure than {row['score']:.2f} ({row['predicted']})"


def expect(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """The chance that the model is wrong."""
    return 1 - chances.right(chosen, aim)
