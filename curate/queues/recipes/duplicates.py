"""Duplicates: one look for many images, where near-duplicates wait for a decision.

Images that look alike are tied into a group. Where nobody has decided about any of a group, a look
at one of them decides for all; the largest groups come first, each with its largest picture.
"""

from __future__ import annotations

import pandas as pd

from curate.queues.recipe import Aim


def narrow(_: Aim) -> tuple[str, list[object]]:
    """Only images that are alike to another candidate."""
    return 'QUALIFY count(*) OVER (PARTITION BY "group") > 1', []


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How many images of its group wait for a decision; the class it is taken for is the topic."""
    assert aim.labelled is not None  # the recipe needs it
    groups = candidates["group"]
    scored = pd.DataFrame(
        {
            "worth": groups.groupby(groups).transform("size").astype("float64"),
            "topic": candidates["predicted"],
        }
    )
    # Whoever asks for labelled images too still wants groups of which none is.
    decided = groups.isin(aim.labelled["group"]) | candidates["label"].notna()
    return scored[(scored["worth"] > 1) & ~decided]


def select(scored: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """The largest groups first; within a group the largest picture, the best to look at."""
    pixels = (scored["width"] * scored["height"]).fillna(0)
    ordered = scored.assign(pixels=pixels).sort_values(
        ["worth", "group", "pixels", "image_id"], ascending=[False, True, False, True]
    )
    return ordered.drop(columns="pixels")


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``one of 12 that look alike, none decided; antelope 0.83``."""
    columns = chosen[["worth", "predicted", "score"]].itertuples(index=False)
    return [
        f"one of {worth:,.0f} that look alike, none decided; {name} {score:.2f}"
        for worth, name, score in columns
    ]
