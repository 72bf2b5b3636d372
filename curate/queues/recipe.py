"""What a recipe is made of: score, select, reason; and how they are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from curate.queues.expectations.makeup import Makeup
from curate.queues.filters.choosing import choose
from curate.queues.filters.filters import Filters

QUEUE_COLUMNS = (
    *("image_id", "path", "predicted", "score", "second", "second_score", "reason", "label"),
    *("topic", "expected"),
)
"""Columns of a queue; `label` is empty, to be filled in.

`topic` is what the image is in the queue for (most often a class); `expected` how likely it is that
a look at it gives what the recipe promises, between 0 and 1, missing where nobody can say.
"""

PREDICTION_COLUMNS = (
    *("predicted", "score", "second", "second_score", "margin", "entropy", "energy", "novelty"),
)
FACT_COLUMNS = (
    *("path", "label", "sub_class", "origin", "split", "taken", "group", "by"),
    *("run_id", "label_run", "arrived", "rejected", "width", "height", "bytes"),
    *("camera", "sharpness", "brightness", "contrast", "quality"),
)
CANDIDATE_COLUMNS = ("image_id", *PREDICTION_COLUMNS, "affinity", *FACT_COLUMNS)
"""Columns of candidates: what the model said of an image, and what the library knows of it.

`affinity` (see `expectations.affinity`) is missing where no features were kept. `label`,
`sub_class`, `taken`, `camera`, `by` (who labelled or rejected last) and the measures are
missing where there are none; `split` is '' for none; `group` names the images that look alike (the
tie of near-duplicates; the image id itself where it is alike to no other). `run_id` is the run that
predicted, `label_run` the one that labelled or rejected last (missing where nobody did), `arrived`
the one in which the image was seen first.
"""

LABELLED_COLUMNS = (
    *("image_id", *PREDICTION_COLUMNS, "affinity", "label", "origin", "split", "group"),
    *("run_id", "label_run", "arrived", "rejected", "quality"),
)
"""Of these, what recipes are told of the images that are labelled: there may be very many."""

DIGITS = 16
"""So many digits of an image id make `number`, which candidates have in SQL: in its order, images
come in the order of their ids, and no text is read."""

CLOSE = 0.2
"""The best and the second score are close when they differ by no more than this."""


@dataclass(frozen=True)
class Aim:
    """What is asked of a recipe.

    Attributes
    ----------
    classes : DataFrame
        The classes of the library, as `facts.class_counts` gives them.
    min_count : int
        The cutoff below which a class is left out.
    filters : Filters
        What every image of the queue fulfils.
    of : str
        The class that the question is about; '' for none.
    known : tuple of str
        The classes of the model.
    seed : int
        For recipes that draw by chance.
    budget : int
        How many looks a plan shares out; 0 for a queue of its own.
    features : DataFrame or None
        image_id, embedding (arrays of one length): of the candidates and of `labelled`, as far as
        there are any. Only for recipes that need ``features``; never None for these. For `narrow`
        those of `labelled` alone.
    labelled : DataFrame or None
        `LABELLED_COLUMNS` of the images that have a label (*unknown* is one), whatever the
        filters say, and, for recipes that need ``rejected``, of those that were rejected last.
        Only for recipes that need ``labelled``.
    other : DataFrame or None
        image_id, predicted and score, by the checkpoint that the question compares with: of what
        `narrow` let through and of `labelled`, where it denies what the model says. Only for
        recipes that need ``other``; for `narrow` it is the table `compared` (place, other,
        other_score) of all images.
    makeup : Makeup or None
        What the pool is made of, for `expect`; None where nobody can say.
    """

    classes: pd.DataFrame
    min_count: int
    filters: Filters
    of: str = ""
    known: tuple[str, ...] = ()
    seed: int = 0
    budget: int = 0
    features: pd.DataFrame | None = None
    labelled: pd.DataFrame | None = None
    other: pd.DataFrame | None = None
    makeup: Makeup | None = None


Narrow = Callable[[Aim], tuple[str, list[object]]]
"""SQL that follows ``SELECT * FROM candidates``, and its values: leaves out what cannot matter.

It may add columns by a join: `peers` where it leaves out images of a topic, and what `select` can
no longer compute without these. `candidates` has further columns, see `indexed.asked`. Beside it
there are `close` (candidates whose margin is `CLOSE` or less: alone, pair, number, predicted,
second, score, second_score, margin, label, origin and place), `pairs` (pair, and the names `one`
and `other`) and `labelled` (with the columns of `candidates`, whatever the filters say).
"""

Rank = Callable[[Aim], str]
"""SQL by which `narrow` takes the first rows (`choosing.ranked`), where it does no more than that:
it joins nothing, and asks for nothing but the filters. `number` decides between equals."""

Score = Callable[[pd.DataFrame, Aim], pd.DataFrame]
"""From candidates to `worth` (a number; more is better) and `topic` (text: images that are in the
queue for the same thing share it), indexed like the candidates; without those that do not fit."""

Select = Callable[[pd.DataFrame, Aim], pd.DataFrame]
"""From scored candidates to the same rows in the order of the queue."""

Reason = Callable[[pd.DataFrame, Aim], list[str]]
"""From rows of the queue (with `worth`, `topic`, `peers`) to a text for each."""


Expect = Callable[[pd.DataFrame, Aim], pd.Series]
"""From rows of the queue to the probability that a look at them gives what the recipe promises, by
what the model says (`chances`); what earlier looks came to is learnt from them apart."""


def unsaid(chosen: pd.DataFrame, _: Aim) -> pd.Series:
    """Say that nobody can say."""
    return pd.Series(float("nan"), index=chosen.index)


@dataclass(frozen=True)
class Recipe:
    """A kind of queue: a score, a selection and a reason.

    Attributes
    ----------
    help : str
        In one line, which images it brings.
    narrow : callable
        Keeps away from memory what `score` and `select` would not use; never changes the queue.
    score, select, reason, expect : callable
        See `Score`, `Select`, `Reason`, `Expect`.
    promise : str
        What a look is expected to give, for the column `expected`: ``the class of the topic``, …
    needs : frozenset of str
        Of ``features``, ``labelled``, ``rejected``, ``other``: what `Aim` holds for it.
    decided : bool
        Whether it is about images that have a label already (the filter `labelled` is then on).
    rank : callable or None
        See `Rank`; None where that is not all.
    """

    help: str
    narrow: Narrow
    score: Score
    select: Select
    reason: Reason
    expect: Expect = unsaid
    promise: str = ""
    needs: frozenset[str] = frozenset()
    decided: bool = False
    rank: Rank | None = None


def compose(recipe: Recipe, candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Make a queue.

    Parameters
    ----------
    candidates : DataFrame
        `CANDIDATE_COLUMNS`, one row an image; those that the filters let through.
    recipe : Recipe
        One of `RECIPES`.
    aim : Aim
        What is asked of it.

    Returns
    -------
    DataFrame
        `QUEUE_COLUMNS` in the order in which the images should be looked at.
    """
    # In the order of ids, so that neither sums nor ties depend on the order of rows.
    known = candidates.sort_values("image_id", ignore_index=True)
    scored = known.join(recipe.score(known, aim), how="inner")
    if "peers" not in scored:
        scored["peers"] = scored.groupby("topic")["topic"].transform("size")
    chosen = choose(recipe.select(scored, aim), aim.filters, aim.features)
    reasons = recipe.reason(chosen, aim)
    had = chosen["label"]
    chosen = chosen.assign(
        expected=recipe.expect(chosen, aim).astype("float64"),
        reason=[
            reason if pd.isna(label) else f"{reason}; labelled {label}"
            for reason, label in zip(reasons, had, strict=True)
        ],
        label="",
    )
    texts = {name: "string" for name in QUEUE_COLUMNS if not name.endswith(("score", "expected"))}
    return chosen[list(QUEUE_COLUMNS)].astype(texts).reset_index(drop=True)


def highest(scored: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """Select by worth alone, the highest first; the image id decides between equals."""
    return scored.sort_values(["worth", "image_id"], ascending=[False, True])
