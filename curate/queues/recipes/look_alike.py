"""Look-alike: images that stand between two classes, or that a class seems to hide.

Asked for a class of the model, it brings the images that are predicted as it, the least sure first:
an animal that the model never learned hides among those. Asked for a class that the model lacks, it
looks where the labelled images of that are taken for others (`hiding`). Asked for none, it finds
the pairs of classes itself (`between`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from curate.queues.filters.choosing import foremost
from curate.queues.recipe import Aim
from curate.queues.recipes import between, chances, hiding
from curate.queues.recipes.look_alike_pairs import pair_of

PROMISE = "one of the two classes of the topic"


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only images between two classes; of one class, only as many as are wanted."""
    if not aim.of:
        return between.narrow(aim)
    if aim.of not in aim.known:
        return hiding.narrow(aim)
    return foremost("score", aim.filters, where="predicted = ?", values=[aim.of], topic="second")


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How unsure (of a class), or how close (of a pair); the two classes are the topic."""
    if not aim.of:
        return between.score(candidates, aim)
    if aim.of not in aim.known:
        found = hiding.hidden(candidates, aim)
        taken = candidates.loc[found.index, "predicted"]
        return found.assign(topic=[pair_of(aim.of, name) for name in taken])
    taken = candidates[candidates["predicted"] == aim.of]
    topic = [
        aim.of if pd.isna(second) else pair_of(aim.of, str(second)) for second in taken["second"]
    ]
    return pd.DataFrame({"worth": -taken["score"], "topic": topic}, index=taken.index)


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Say between which classes, and what speaks for it.

    Such as ``between antelope 0.41 and gazelle 0.38 (27 such images); labelled images of the two
    are confused``, or ``antelope 0.41; 70% of labelled gazelle are taken for it``.
    """
    rows = chosen.to_dict("records")
    if not aim.of:
        return [_pair(row) for row in rows]
    return [_of_known(row) if aim.of in aim.known else _of_lacking(row, aim.of) for row in rows]


_WHY = {
    "confused": "; labelled images of the two are confused",
    "near": "; labelled images of the two are alike",
}


def _pair(row: Mapping[Hashable, Any]) -> str:
    if row["evidence"] == "taken":
        (lacking,) = set(row["topic"].split(" / ")) - {row["predicted"]}
        return _hides(row, lacking, row["strength"])
    why = _WHY.get(row["evidence"], "")
    images = "image" if row["peers"] == 1 else "images"
    return f"{_of_known(row)} ({row['peers']:,} such {images}){why}"


def _of_known(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["second"]):
        return f"{row['predicted']} {row['score']:.2f}, and the model knows no other class"
    return (
        f"between {row['predicted']} {row['score']:.2f} and {row['second']} "
        f"{row['second_score']:.2f}"
    )


def _of_lacking(row: Mapping[Hashable, Any], label: str) -> str:
    text = _hides(row, label, row["share"])
    if pd.isna(row["nearer"]):
        return text
    towards = f"nearer to {label} than to any other class"
    return f"{text}; {towards}" if row["nearer"] > 0 else f"{text}; not {towards}"


def _hides(row: Mapping[Hashable, Any], label: str, share: float) -> str:
    return (
        f"{row['predicted']} {row['score']:.2f}; {share:.0%} of labelled {label} are taken for it"
    )


def expect(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """How likely it is one of the topic's two classes.

    Of a class that the model lacks, this is said of images that are nearer to it than to any other
    class, by features: where these show a class at all, they show it, or the one that hides it.
    """
    both = chances.right(chosen, aim) + chances.second(chosen, aim)
    own = zip(chosen["predicted"], chosen["second"], strict=True)
    named = [one if pd.isna(other) else pair_of(str(one), str(other)) for one, other in own]
    said = both.clip(upper=1).where(chosen["topic"].to_numpy() == named)
    if "nearer" not in chosen:
        return said
    return said.where(~(chosen["nearer"] > 0), chances.of_some_class(chosen, aim))
