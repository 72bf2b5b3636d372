"""Filters: which images a queue may hold, whatever its recipe; the same from every surface."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection
from dataclasses import dataclass

from curate.core.errors import InputError, PolicyError


@dataclass(frozen=True)
class Filters:
    """What an image must fulfil to be in a queue.

    Attributes
    ----------
    class_ : str
        The predicted class; '' for any.
    min_score, max_score : float or None
        Bounds of the best score, both included, between 0 and 1; None for no bound.
    limit : int
        The most images that are wanted.
    labelled : bool
        Also images that have a label already (*unknown* is one). Rejected images stay away.

    Raises
    ------
    PolicyError
        The filters contradict themselves, or let nothing through.
    """

    class_: str = ""
    min_score: float | None = None
    max_score: float | None = None
    limit: int = 500
    labelled: bool = False

    def __post_init__(self) -> None:
        for name, score in (("min-score", self.min_score), ("max-score", self.max_score)):
            if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
                raise PolicyError(
                    f"{name} {score}",
                    "a score lies between 0 and 1",
                    f"Give --{name} a number such as 0.6.",
                )
        low, high = self.min_score, self.max_score
        if low is not None and high is not None and low > high:
            raise PolicyError(
                f"min-score {low} and max-score {high}",
                "no score can be above the one and below the other",
                "Swap them, or leave one out.",
            )
        if self.limit < 1:
            raise PolicyError(
                f"limit {self.limit}",
                "a queue has room for an image",
                "Give a --limit of 1 or more.",
            )

    def conditions(self) -> tuple[list[str], list[object]]:
        """Give the filters as SQL over the columns of candidates, and the values to bind."""
        used = {
            "predicted = ?": self.class_ or None,
            "score >= ?": self.min_score,
            "score <= ?": self.max_score,
        }
        bound = {condition: value for condition, value in used.items() if value is not None}
        unlabelled = [] if self.labelled else ["label IS NULL"]
        return [*unlabelled, *bound], list(bound.values())


def check_class(name: str, predicted: Collection[str], labelled: Collection[str]) -> None:
    """Refuse a class that the model cannot have predicted.

    Parameters
    ----------
    name : str
        What the user asks for; '' asks for nothing.
    predicted : collection of str
        The classes of the model.
    labelled : collection of str
        The classes of the library.

    Raises
    ------
    InputError
        The model does not know the class; the message names those that were probably meant.
    """
    if not name or name in predicted:
        return
    rule = "the model does not know this class, so no image is predicted as it"
    if name in labelled:
        remedy = (
            "The library has it: ask for the class that its images are taken for, "
            "`curate queue look-alike --class CLASS`, or train a model that has it."
        )
    else:
        close = difflib.get_close_matches(name, sorted(predicted), n=5, cutoff=0.5)
        remedy = (
            f"Nearest that it knows: {', '.join(close)}."
            if close
            else f"It knows {len(predicted)}, such as {', '.join(sorted(predicted)[:5])}."
        )
    raise InputError(f"class {name!r}", rule, remedy)
