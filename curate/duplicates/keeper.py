"""Which image of a group of duplicates is kept, by a declared order of criteria."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from curate.core.errors import PolicyError
from curate.core.names import UNKNOWN


@dataclass(frozen=True)
class Criterion:
    """One thing that speaks for an image.

    Attributes
    ----------
    score : callable
        From a table of images to one value a row; the highest is best, a missing one worst.
    reason : str
        Said of the image for which it decided.
    """

    score: Callable[[pd.DataFrame], pd.Series]
    reason: str


CRITERIA: dict[str, Criterion] = {
    "usable": Criterion(lambda images: images["usable"], "nobody rejected it"),
    "labelled": Criterion(
        lambda images: images["label"].notna() & (images["label"] != UNKNOWN), "it has a label"
    ),
    "real": Criterion(lambda images: images["origin"] == "real", "it is real"),
    "benchmark": Criterion(lambda images: images["split"] == "benchmark", "it is in the benchmark"),
    "placed": Criterion(
        lambda images: images["split"].fillna("") != "", "it has a place in the split"
    ),
    "resolution": Criterion(lambda images: images["width"] * images["height"], "most pixels"),
    "quality": Criterion(lambda images: images["quality"], "best quality"),
    "bytes": Criterion(lambda images: images["bytes"], "most bytes"),
    "oldest": Criterion(lambda images: -_when(images["taken"]), "taken first"),
    "newest": Criterion(lambda images: _when(images["taken"]), "taken last"),
}
"""What may speak for keeping an image, by name."""

ORDER = ("usable", "labelled", "real", "benchmark", "placed", "resolution", "bytes", "oldest")
"""The criteria that are asked, one after the other, unless settings name others."""


def keepers(images: pd.DataFrame, order: Sequence[str] = ORDER) -> pd.DataFrame:
    """Choose the keeper of every group.

    Parameters
    ----------
    images : DataFrame
        One row an image: image_id, group, usable (bool), label (missing where there is none),
        origin, split ('' for none), width, height, bytes, quality, taken (ISO text or missing).
    order : sequence of str
        Names of `CRITERIA`; the first that tells two images apart decides.

    Returns
    -------
    DataFrame
        One row a group: group, keeper (an image id) and reason; sorted by group. Where all
        criteria are equal the lowest id is kept.

    Raises
    ------
    PolicyError
        A criterion is of no known name, or named twice.
    """
    check(order)
    scores = pd.DataFrame({"group": images["group"], "image_id": images["image_id"]})
    for name in order:
        scores[name] = CRITERIA[name].score(images).astype(float).fillna(float("-inf"))
    ranked = scores.sort_values(
        ["group", *order, "image_id"], ascending=[True, *[False] * len(order), True]
    )
    first = ranked.groupby("group").nth(0).set_index("group")
    second = ranked.groupby("group").nth(1).set_index("group").reindex(first.index)
    reasons = [_reason(first.loc[group], second.loc[group], order) for group in first.index]
    return pd.DataFrame(
        {"group": first.index, "keeper": first["image_id"].to_numpy(), "reason": reasons},
        dtype=object,
    )


def check(order: Sequence[str]) -> None:
    """Refuse criteria that are unknown or named twice."""
    unknown = [name for name in order if name not in CRITERIA]
    if unknown:
        raise PolicyError(
            f"keeper criterion {unknown[0]!r}",
            "is of no known name",
            f"Known: {', '.join(CRITERIA)}.",
        )
    if len(set(order)) < len(order):
        raise PolicyError(
            f"keeper criteria {', '.join(order)}", "one is named twice", "Name each once."
        )


def _reason(best: pd.Series, next_best: pd.Series, order: Sequence[str]) -> str:
    if pd.isna(next_best["image_id"]):
        return "kept: it is alone in its group"
    for name in order:
        if best[name] != next_best[name]:
            return f"kept: {CRITERIA[name].reason}"
    return "kept: all is equal, and its id is the lowest"


def _when(taken: pd.Series) -> pd.Series:
    """Seconds since 1970; missing where the camera said nothing."""
    times = pd.to_datetime(taken, errors="coerce", format="ISO8601")
    return (times - pd.Timestamp(0)).dt.total_seconds()
