"""Disagree: images that two checkpoints take for different classes (query by committee).

One of the two must be wrong, so a label corrects it; where both are sure, the label corrects more.
After H. Seung, M. Opper and H. Sompolinsky, COLT 1992.
"""

from __future__ import annotations

import pandas as pd

from curate.queues.recipe import Aim
from curate.queues.recipes.look_alike_pairs import pair_of

PROMISE = "another class than predicted"


def narrow(_: Aim) -> tuple[str, list[object]]:
    """Nothing: what the other checkpoint says is not among the columns of candidates."""
    return "", []


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
    """The chance that this model is the one that is wrong: the other's share of both scores."""
    _, scores = _other(chosen, aim)
    return scores / (chosen["score"] + scores)


def _other(rows: pd.DataFrame, aim: Aim) -> tuple[pd.Series, pd.Series]:
    """Give the best class and its score that the other checkpoint has for each row."""
    assert aim.other is not None  # the recipe needs it
    known = aim.other.set_index("image_id")
    classes, scores = (rows["image_id"].map(known[name]) for name in ("predicted", "score"))
    # Where there are no rows, they have no type.
    return classes, scores.astype("float64")
