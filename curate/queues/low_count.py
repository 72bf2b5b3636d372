"""Low-count: images that may bring a thin class over min-count.

A class is thin when it counts between 3/4 and 5/4 of min-count in real groups (or images, where
the split counts images): it just misses the cutoff, or just made it. Its candidates are the images
that are predicted as it, and those where it comes second by a hair.

A labeller wants as many classes as possible over the line for each image looked at. So the
candidates of a class, the likeliest first, are cut into portions: as many as it takes until the sum
of their scores, which is how many are expected to be right, covers what the class lacks. The first
portions of all classes come first: those that close a gap, the smallest leading, then those of
classes with too few candidates, then those of classes that have made it. The second portions
follow, and so on. A class with many candidates drowns nobody, and images of a class come together.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from curate.queues.recipe import CLOSE, Aim


def thin(classes: pd.DataFrame, min_count: int) -> pd.DataFrame:
    """Find the classes that just miss or just made the cutoff.

    Parameters
    ----------
    classes : DataFrame
        As `facts.class_counts` gives it.
    min_count : int
        The cutoff.

    Returns
    -------
    DataFrame
        By class name: real (what counts), unit (groups, or images where each is alone), short (of
        min-count, at least 0), wanted (images up to min-count, or up to 5/4 of it where min-count
        is reached).
    """
    real = classes.set_index("label")[["countable_real", "real"]]
    alone = real["countable_real"] == real["real"]
    counted = pd.DataFrame(
        {"real": real["countable_real"], "unit": alone.map({True: "images", False: "groups"})}
    )
    near = (4 * counted["real"] >= 3 * min_count) & (4 * counted["real"] < 5 * min_count)
    found = counted[near]
    short = (min_count - found["real"]).clip(lower=0)
    roomy = -(-5 * min_count // 4) - found["real"]
    return found.assign(short=short, wanted=short.where(short > 0, roomy))


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only what a thin class comes first or second in."""
    names = list(thin(aim.classes, aim.min_count).index)
    return "WHERE list_contains(?::VARCHAR[], predicted) OR list_contains(?::VARCHAR[], second)", [
        names,
        names,
    ]


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How likely an image is of a thin class; the class is the topic."""
    names = thin(aim.classes, aim.min_count).index
    first = candidates["predicted"].isin(names)
    second = ~first & candidates["second"].isin(names) & (candidates["margin"] <= CLOSE)
    scored = pd.DataFrame(
        {
            "worth": candidates["score"].where(first, candidates["second_score"]),
            "topic": candidates["predicted"].where(first, candidates["second"]),
        }
    )
    # An image that has the label already would move nothing.
    return scored[(first | second) & (scored["topic"] != candidates["label"].fillna(""))]


def in_portions(scored: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Select by portions, as the module describes."""
    lacking = thin(aim.classes, aim.min_count)
    ordered = scored.join(lacking, on="topic").sort_values(
        ["topic", "worth", "image_id"], ascending=[True, False, True]
    )
    by_class = ordered.groupby("topic")["worth"]
    covered = by_class.cumsum() >= ordered["wanted"] - 1e-9
    place = by_class.cumcount()
    looks = place.where(covered).groupby(ordered["topic"]).transform("min") + 1
    # Candidates that do not suffice are one portion, behind those that do; what it would take
    # decides their rank.
    needed = looks.fillna(ordered["wanted"] * ordered["peers"] / by_class.transform("sum"))
    ordered = ordered.assign(
        portion=place // looks.fillna(ordered["peers"]),
        safe=ordered["short"] == 0,
        scarce=looks.isna(),
        needed=needed,
    )
    return ordered.sort_values(
        ["portion", "safe", "scarce", "needed", "topic", "worth", "image_id"],
        ascending=[True, True, True, True, True, False, True],
    )


def reason(chosen: pd.DataFrame, aim: Aim) -> list[str]:
    """Such as ``gazelle: 38 of 40 real images, 2 short; score 0.83 (61 candidates)``."""
    return list(_reasons(chosen, aim.min_count))


def _reasons(rows: pd.DataFrame, min_count: int) -> Iterator[str]:
    for row in rows.to_dict("records"):
        spare = row["real"] - min_count
        standing = f"{row['short']} short" if row["short"] else f"{spare} to spare"
        word = "score" if row["topic"] == row["predicted"] else f"second to {row['predicted']} with"
        noun = "candidate" if row["peers"] == 1 else "candidates"
        yield (
            f"{row['topic']}: {row['real']} of {min_count} real {row['unit']}, {standing}; "
            f"{word} {row['worth']:.2f} ({row['peers']:,} {noun})"
        )
