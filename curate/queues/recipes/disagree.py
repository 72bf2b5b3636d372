"""Disagree: images that two checkpoints take for different classes (query by committee).

One of the two must be wrong, so a label corrects it; where both are sure, the label corrects more.
After H. Seung, M. Opper and H. Sompolinsky, COLT 1992.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from curate.queues.expectations.logistic import shift
from curate.queues.expectations.makeup import held_out
from curate.queues.filters.choosing import foremost
from curate.queues.recipe import Aim
from curate.queues.recipes import chances
from curate.queues.recipes.look_alike_pairs import pair_of

PROMISE = "another class than predicted"


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only what can be chosen; it adds other and other_score, what the other checkpoint says."""
    pair = "least(predicted, other) || ' / ' || greatest(predicted, other)"
    return foremost(
        "-least(score, other_score)", aim.filters, join="JOIN compared USING (place)", topic=pair
    )


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How sure the less sure of the two is; both classes are the topic."""
    classes, scores = _other(candidates, aim)
    apart = candidates[classes.notna() & (classes != candidates["predicted"])]
    topic = [
        pair_of(first, second)
        for first, second in zip(apart["predicted"], classes[apart.index], strict=True)
    ]
    less = apart["score"].clip(upper=scores[apart.index])
    return pd.DataFrame({"worth": less, "topic": topic}, index=apart.index)


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Such as ``antelope 0.91, but the other checkpoint says gazelle 0.84``."""
    own = zip(chosen["predicted"], chosen["score"], strict=True)
    others = zip(*_other(chosen, aim), strict=True)
    return [
        f"{name} {score:.2f}, but the other checkpoint says {other} {surety:.2f}"
        for (name, score), (other, surety) in zip(own, others, strict=True)
    ]


def expect(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """The chance that this model is wrong, the other one speaking against it.

    By how often it is right where the two disagree about a held-out image; without any, it is
    wrong by the other's share of both scores.
    """
    if aim.makeup is None:
        _, scores = _other(chosen, aim)
        return scores / (chosen["score"] + scores)
    assert aim.labelled is not None  # the recipe needs it
    held = held_out(aim.labelled, frozenset(aim.known))
    classes, _ = _other(held, aim)
    denied = held[classes.notna() & (classes != held["predicted"])]
    less = shift(aim.makeup.correct(denied), (denied["label"] == denied["predicted"]).to_numpy())
    right = chances.right(chosen, aim).clip(1e-9, 1 - 1e-9)
    wrong: pd.Series = 1 / (1 + right / (1 - right) * np.exp(less))
    return wrong


def _other(rows: pd.DataFrame, aim: Aim) -> tuple[pd.Series, pd.Series]:
    """Give the best class and its score that the other checkpoint has for each row."""
    assert aim.other is not None  # the recipe needs it
    known = aim.other.set_index("image_id")
    classes, scores = (rows["image_id"].map(known[name]) for name in ("predicted", "score"))
    # Where there are no rows, they have no type.
    return classes, scores.astype("float64")
