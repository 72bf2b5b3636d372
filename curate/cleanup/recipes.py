"""Recipes of cleanup: which images of the pool may be worth nothing, by what is known of them.

Each is a pure function over the table of images; it decides every image alone, whatever the order
of rows and whatever other rows there are. A new one is a function and an entry of `RECIPES`; what
goes without being asked for stands in `policy.DEFAULT`. The recipes of queues can be named in rules
too: those are not listed here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from curate.models.like_rejected import LEAST_REJECTED, LOOKS, ONE_IN

# Measures as `core.quality` takes them, of the picture made 128 pixels wide and high.
FLAT = 4.0
"""Contrast (0 to 127.5) up to which a picture shows nothing."""
SOFT = 2.5
"""Sharpness (0 and up) up to which a picture is nothing but blur."""

Find = Callable[[pd.DataFrame], pd.DataFrame]
"""From images (`image_id` and what the recipe reads) to those that it names, indexed like them:
reason (text), risk (a number: the lower, the surer that nobody wants it)."""

ANSWERS, NOBODY = "answers", "nobody knows"


@dataclass(frozen=True)
class Recipe:
    """A recipe of cleanup.

    Attributes
    ----------
    help : str
        Which images it names, with the numbers that it goes by: people approve these words.
    reads : tuple of str
        Columns of `images.COLUMNS`.
    find : callable
        See `Find`.
    cost : str
        What tells how many wanted images go: `ANSWERS` to images that it names, or `NOBODY`; else
        why nothing is lost.
    aged : bool
        Whether it makes sense only with a rule's `older_than`.
    compares : bool
        Whether it reads what `alike.lay` fills in.
    """

    help: str
    reads: tuple[str, ...]
    find: Find
    cost: str = ANSWERS
    aged: bool = False
    compares: bool = False


def rejected(images: pd.DataFrame) -> pd.DataFrame:
    """Name what a person said no to."""
    named = images[images["refused"].fillna("") != ""]
    return _told([f"rejected {said}" for said in named["refused"]], 0.0, named)


def copies(images: pd.DataFrame) -> pd.DataFrame:
    """Name near-duplicates of an image that stays: one that can be read, and was not rejected."""
    stays = images["keeper_path"].notna() & (images["keeper"] != images["image_id"])
    named = images[stays.astype(bool)]
    reasons = [
        f"near-duplicate of {keeper} ({similarity:.2f}), which stays"
        for keeper, similarity in zip(named["keeper_path"], named["similarity"], strict=True)
    ]
    return _told(reasons, 1 - named["similarity"], named)


def blank(images: pd.DataFrame) -> pd.DataFrame:
    """Name pictures of one colour: a lens cap, a black night, a white sky."""
    named = images[images["contrast"] <= FLAT]
    reasons = [f"blank: contrast {contrast:.1f}" for contrast in named["contrast"]]
    return _told(reasons, named["contrast"], named)


def blurred(images: pd.DataFrame) -> pd.DataFrame:
    """Name pictures without an edge."""
    named = images[images["sharpness"] <= SOFT]
    reasons = [f"blurred: sharpness {sharpness:.1f}" for sharpness in named["sharpness"]]
    return _told(reasons, named["sharpness"], named)


def like_rejected(images: pd.DataFrame) -> pd.DataFrame:
    """Name what is far nearer to rejected images than to wanted ones; see `alike.lay`."""
    named = images[images["like_rejected"].notna()]
    reasons = [
        f"nearer to rejected images than to wanted ones by {score:.2f}; {border:.2f} would do"
        for score, border in zip(named["like_rejected"], named["like_border"], strict=True)
    ]
    return _told(reasons, named["like_border"] - named["like_rejected"], named)


def never_queued(images: pd.DataFrame) -> pd.DataFrame:
    """Name what no queue ever offered, and no saved queue holds."""
    named = images[~images["queued"].astype(bool)]
    # Of these nobody knows anything; the lowest scores are the likeliest to be nothing.
    return _told(["no queue ever offered it"] * len(named), named["score"].fillna(1.0), named)


def _told(reasons: list[str], risk: pd.Series | float, named: pd.DataFrame) -> pd.DataFrame:
    told = {"reason": reasons, "risk": risk}
    return pd.DataFrame(told, index=named.index).astype({"reason": "str", "risk": "float64"})


RECIPES: dict[str, Recipe] = {
    "rejected": Recipe("what a person rejected", ("refused",), rejected, "a person said no"),
    "copies": Recipe(
        "near-duplicates of an image that stays",
        ("keeper", "keeper_path", "similarity"),
        copies,
        "the keeper stays",
    ),
    "blank": Recipe(f"blank pictures: contrast up to {FLAT:g}", ("contrast",), blank),
    "blurred": Recipe(f"blurred pictures: sharpness up to {SOFT:g}", ("sharpness",), blurred),
    "like-rejected": Recipe(
        f"images nearer to rejected ones, of {LEAST_REJECTED} or more, than any wanted one would "
        f"be, were its class new (one of {ONE_IN:,}), where people looked at {LOOKS} of the least "
        "sure and rejected them all",
        ("like_rejected", "like_border"),
        like_rejected,
        compares=True,
    ),
    "never-queued": Recipe(
        "what no queue ever offered",
        ("queued", "score"),
        never_queued,
        NOBODY,
        aged=True,
    ),
}
"""Recipes by name."""
