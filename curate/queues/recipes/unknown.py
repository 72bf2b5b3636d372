"""Unknown: images that were labelled *unknown*, and that the model can name by now.

Asked for a class, it brings those that are predicted as it, or where it comes second, or, of a
class that the model lacks, those that are taken for what hides it. Asked for none, it brings those
that the model names with more than half of the score, and those predicted as a class that joined
the library after they were laid aside.
"""

from __future__ import annotations

import pandas as pd

from curate.core.names import UNKNOWN
from curate.queues.recipe import Aim
from curate.queues.recipes import chances, hiding

PROMISE = "the class of the topic"

NAMED = 0.5
"""A class with more than this share of the score is more likely than all others together."""


def narrow(_: Aim) -> tuple[str, list[object]]:
    """Only images that nobody could name."""
    return "WHERE label = ?", [UNKNOWN]


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How likely it is that the image has a name by now; the class is the topic."""
    laid_aside = candidates[candidates["label"] == UNKNOWN]
    if not aim.of:
        return _named(laid_aside, aim)
    if aim.of not in aim.known:
        return hiding.hidden(laid_aside, aim).assign(topic=aim.of, joined=False)
    first, second = laid_aside["predicted"] == aim.of, laid_aside["second"] == aim.of
    own = laid_aside["score"].where(first, laid_aside["second_score"])
    return pd.DataFrame({"worth": own, "topic": aim.of, "joined": False})[first | second]


def _named(laid_aside: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    assert aim.labelled is not None  # the recipe needs it
    first = aim.labelled.groupby("label")["label_run"].min()
    since = laid_aside["predicted"].map(first).astype("float64")
    joined = since > laid_aside["label_run"].astype("float64")
    scored = pd.DataFrame(
        # A class that nobody could have named then comes before all others.
        {
            "worth": laid_aside["score"] + joined,
            "topic": laid_aside["predicted"],
            "joined": joined,
        }
    )
    return scored[joined | (laid_aside["score"] > NAMED)]


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Such as ``now kangaroo 0.83``, or ``kangaroo 0.21, second to wallaby 0.64``."""
    return [
        _lacking(row["predicted"], row["score"], row["share"], aim.of)
        if aim.of and aim.of not in aim.known
        else f"{row['topic']} {row['second_score']:.2f}, second to {row['predicted']} "
        f"{row['score']:.2f}"
        if row["topic"] != row["predicted"]
        else f"now {row['predicted']} {row['score']:.2f}"
        f"{', a class that joined since' if row['joined'] else ''}"
        for row in chosen.to_dict("records")
    ]


def _lacking(predicted: str, score: float, share: float, label: str) -> str:
    return f"{predicted} {score:.2f}; {share:.0%} of labelled {label} are taken for it"


def expect(chosen: pd.DataFrame, aim: Aim) -> pd.Series:
    """How likely it is of the topic; of a class that the model lacks, unsaid."""
    return chances.of_topic(chosen, aim).where(chosen["topic"].isin(aim.known))
