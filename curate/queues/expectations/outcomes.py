"""What looks came to: whether the answers gave what the recipe had promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from curate.core.names import REJECTED, UNKNOWN

OUTCOME_COLUMNS = (
    *("recipe", "run_id", "position", "image_id", "topic", "predicted", "score", "known"),
    *("expected", "calibrated", "was", "answer", "hit"),
)
"""Columns of outcomes: what was offered (see `offered`), `was` (what held of the image before,
or ''), `answer` (what was said later), `hit` (whether that is what was promised)."""


def _is_topic(rows: pd.DataFrame) -> pd.Series:
    return rows["answer"] == rows["topic"]


def _is_of_pair(rows: pd.DataFrame) -> pd.Series:
    """Of the class, or, where the topic is a pair of classes (``a / b``), of one of the two."""
    pairs = zip(rows["answer"], rows["topic"], strict=True)
    return pd.Series([answer in topic.split(" / ") for answer, topic in pairs], rows.index, bool)


def _was_wrong(rows: pd.DataFrame) -> pd.Series:
    return rows["answer"] != rows["predicted"]


def _changed(rows: pd.DataFrame) -> pd.Series:
    return rows["answer"] != rows["was"]


def _is_rejected(rows: pd.DataFrame) -> pd.Series:
    return rows["answer"] == REJECTED


def _is_class(rows: pd.DataFrame) -> pd.Series:
    return ~rows["answer"].isin(["", UNKNOWN, REJECTED])


def _is_new(rows: pd.DataFrame) -> pd.Series:
    """Of a class that nobody, or hardly anybody, had labelled then; or of the one it was to be."""
    return _is_class(rows) & ((rows["since"] > rows["run_id"]) | _is_topic(rows))


HITS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "low-count": _is_topic,
    "staged": _is_topic,
    "look-alike": _is_of_pair,
    "unknown": _is_topic,
    "uncertain": _was_wrong,
    "uncertain-entropy": _was_wrong,
    "uncertain-confidence": _was_wrong,
    "disagree": _was_wrong,
    "wrong-label": _changed,
    "new-class": _is_new,
    "low-score": _is_rejected,
    "like-rejected": _is_rejected,
}
"""By recipe: from outcomes of it (without `hit`) to whether each came to what was promised. A look
of any other recipe comes to something when the answer is a class."""

NEW = "new-class"
"""The recipe for whose answers `outcomes` is told since when there is such a class."""

LEAVES_RIGHT_ONES = frozenset({"wrong-label"})
"""Recipes that show what is there already: who finds it right answers nothing. Whoever answered an
image has looked at those before it in the queue; of these, such an image counts as a miss."""


def outcomes(
    offered: pd.DataFrame, answers: pd.DataFrame, since: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Find the looks that somebody took at what queues offered, and what they came to.

    Parameters
    ----------
    offered : DataFrame
        As `store.offered.read` gives it.
    answers : DataFrame
        As `store.offered.answers` gives it, of these images.
    since : mapping, optional
        By class, the run since which images enough are labelled so, of answers to `NEW`; classes
        that it lacks still have too few. Nothing is new when it is not given.

    Returns
    -------
    DataFrame
        `OUTCOME_COLUMNS`, one row for each image and recipe that offered it before the answer (the
        last time that it did), sorted by recipe, run and position.
    """
    known = answers.sort_values("seq")
    # What an image is now, if that was said in a later run than the one that offered it.
    now = known.drop_duplicates("image_id", keep="last").set_index("image_id")
    table = offered.join(now[["answer", "run_id"]].add_prefix("now_"), on="image_id")
    answered = (table["now_run_id"] > table["run_id"]) & (table["now_answer"].fillna("") != "")
    table["was"] = _before(table, known)
    table["answer"] = table["now_answer"].where(answered)
    # NaN where nobody answered an image of this queue: no position is before that.
    last = table["position"].where(answered).groupby(table["run_id"]).transform("max")
    left = table["recipe"].isin(LEAVES_RIGHT_ONES) & ~answered & (table["position"] < last)
    table["answer"] = table["answer"].mask(left, table["was"])
    looked = table[answered | left].sort_values(["recipe", "run_id", "position"])
    looked = looked.drop_duplicates(["recipe", "image_id"], keep="last", ignore_index=True)
    looked["since"] = 0.0 if since is None else looked["answer"].map(since).fillna(np.inf)
    hit = pd.Series(False, looked.index, dtype=bool)
    for recipe, rows in looked.groupby("recipe"):
        hit.loc[rows.index] = HITS.get(str(recipe), _is_class)(rows)
    return looked.assign(hit=hit)[list(OUTCOME_COLUMNS)]


def _before(table: pd.DataFrame, answers: pd.DataFrame) -> pd.Series:
    """Give what was said last of each image when it was offered."""
    beside = (
        table[["image_id", "run_id"]]
        .reset_index()
        .merge(answers[["image_id", "run_id", "answer"]], on="image_id", suffixes=("", "_said"))
    )
    earlier = beside[beside["run_id_said"] <= beside["run_id"]]
    said = earlier.drop_duplicates("index", keep="last").set_index("index")["answer"]
    return said.reindex(table.index).fillna("").astype(object)


def yields_report(outcomes: pd.DataFrame, offered: pd.DataFrame) -> pd.DataFrame:
    """Say what the looks of each recipe came to, beside what was expected.

    Parameters
    ----------
    outcomes : DataFrame
        `OUTCOME_COLUMNS`.
    offered : DataFrame
        What they are outcomes of.

    Returns
    -------
    DataFrame
        recipe, offered (images), looked (at so many of them), expected (of these to come to
        something; missing where nothing was said of any), got (so many did), share (got of looked;
        missing where nobody looked); sorted by recipe.
    """
    shown = offered.groupby("recipe")["image_id"].nunique().rename("offered")
    rows = outcomes.groupby("recipe")
    counted = pd.DataFrame(
        {
            "looked": rows.size(),
            "expected": rows["calibrated"].mean() * rows.size(),
            "got": rows["hit"].sum(),
        }
    )
    table = shown.to_frame().join(counted)
    table[["looked", "got"]] = table[["looked", "got"]].fillna(0).astype("int64")
    table["share"] = table["got"] / table["looked"].where(table["looked"] > 0)
    return table.reset_index().sort_values("recipe", ignore_index=True)
