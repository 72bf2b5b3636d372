"""Look-alike: images that stand between two classes, or that a class seems to hide.

Asked for a class, it brings the images that are predicted as it, the least sure first: an animal
that the model never learned hides among those. Asked for none, it finds the pairs itself: the two
best scores are close, hold at least half of the whole together, and several images have the same
two (in either order).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from curate.queues.recipe import CLOSE, Aim

TOGETHER = 0.5
"""Two classes that hold less than this share of the score are a guess, not a pair."""

PAIR_IMAGES = 3
"""So many images must stand between the same two classes."""


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only images between two classes; of one class, only as many as are wanted."""
    if aim.filters.class_:
        return "ORDER BY score, image_id LIMIT ?", [aim.filters.limit]
    return "WHERE margin <= ? AND score + second_score >= ?", [CLOSE, TOGETHER]


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How unsure (of a class), or how close (of a pair; the pair is the topic)."""
    if aim.filters.class_:
        return pd.DataFrame({"worth": -candidates["score"], "topic": candidates["predicted"]})
    both = candidates["score"] + candidates["second_score"]
    between = candidates[(candidates["margin"] <= CLOSE) & (both >= TOGETHER)]
    # No class name holds a line break, so no two pairs are written alike.
    names = between[["predicted", "second"]].itertuples(index=False)
    pairs = ["\n".join(sorted(two)) for two in names]
    scored = pd.DataFrame({"worth": -between["margin"], "topic": pairs}, index=between.index)
    return scored[scored.groupby("topic")["topic"].transform("size") >= PAIR_IMAGES]


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Such as ``between antelope 0.41 and gazelle 0.38 (27 such images)``."""
    return [_between(row, pair=not aim.filters.class_) for row in chosen.to_dict("records")]


def _between(row: Mapping[Hashable, Any], *, pair: bool) -> str:
    if pd.isna(row["second"]):
        return f"{row['predicted']} {row['score']:.2f}, and the model knows no other class"
    text = (
        f"between {row['predicted']} {row['score']:.2f} and {row['second']} "
        f"{row['second_score']:.2f}"
    )
    return f"{text} ({row['peers']:,} such images)" if pair else text
