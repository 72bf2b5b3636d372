"""Random: a fair sample of what the filters let through, to measure with.

Image ids are digests of content, uniform and blind to what an image shows. So the ids that follow a
point which the seed draws, around the circle of all ids, are a fair sample; and SQL finds them by
comparing, without a draw for every image of a pool. The next sample goes on where labels left off.
"""

from __future__ import annotations

import pandas as pd

from curate.core import chance
from curate.core.identity import ID_LENGTH
from curate.queues.filters.choosing import foremost, ranked
from curate.queues.recipe import DIGITS, Aim


def start(seed: int) -> str:
    """Draw the point on the circle of ids where the sample of a seed begins: its first digits."""
    drawn = chance.generator(seed, "", "random queue").bytes(ID_LENGTH // 2)
    return drawn.hex()[:DIGITS]


def way(seed: int) -> str:
    """Say in SQL how far from that point an image lies."""
    point = int(start(seed), 16)
    return (
        f"CASE WHEN number >= {point}::UBIGINT THEN number - {point}::UBIGINT "
        f"ELSE number + {16**DIGITS - 1 - point}::UBIGINT + 1::UBIGINT END"
    )


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only as many as are wanted."""
    return foremost(way(aim.seed), aim.filters)


def rank(aim: Aim) -> str:
    """By the way from the point."""
    return ranked(way(aim.seed), aim.filters)


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """First what follows the point, then what lies before it; the image id decides the rest."""
    follows = candidates["image_id"] >= start(aim.seed)
    return pd.DataFrame({"worth": follows.astype("float64"), "topic": candidates["predicted"]})


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Such as ``drawn by chance (seed 0); antelope 0.83``."""
    return [
        f"drawn by chance (seed {aim.seed}); {predicted} {score:.2f}"
        for predicted, score in zip(chosen["predicted"], chosen["score"], strict=True)
    ]
