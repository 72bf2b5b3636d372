"""Between: images that stand between two classes, with the pairs found by themselves.

Images stand between two classes of the model where the two best scores are close and hold at least
half of the whole together. Such a pair counts where several images stand between the same two (in
either order), or where labelled images show that the two are confused or lie near each other.
Where a class of the model hides another, which the model lacks, images of it stand between that are
as unsure as the labelled images of the hidden one, and no nearer to another class by features.
"""

from __future__ import annotations

import pandas as pd

from curate.core.names import UNKNOWN
from curate.queues.recipe import CLOSE, Aim
from curate.queues.recipes.hiding import nearer
from curate.queues.recipes.look_alike_pairs import pair_of, pairs, taken_for

TOGETHER = 0.5
"""Two classes that hold less than this share of the score are a guess, not a pair."""

PAIR_IMAGES = 3
"""So many images must stand between the same two classes, where no labelled image speaks for it."""


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only images that stand between two classes, or in front of one that the model lacks."""
    hiding, filters = _hiding(aim), aim.filters
    if hiding.empty and not (filters.per_class or filters.diverse or filters.sort):
        said = _evidence(aim)
        one, other = [*said["first"], *said["second"]], [*said["second"], *said["first"]]
        close: list[object] = [CLOSE, TOGETHER]
        strength = [*said["strength"]] * 2
        return _FOREMOST, [one, other, strength, *close, *close, filters.limit - 1]
    conditions = ["margin <= ? AND score + second_score >= ?"]
    values: list[object] = [CLOSE, TOGETHER]
    for row in hiding.to_dict("records"):
        conditions.append("predicted = ? AND score <= ?")
        values += [row["predicted"], row["score"]]
    return f"WHERE {' OR '.join(f'({condition})' for condition in conditions)}", values


# Images that look alike may drop out later, so only the others count as what fills the queue.
_FOREMOST = f"""
JOIN (
    WITH spoken AS (
        SELECT unnest(?::VARCHAR[]) AS one, unnest(?::VARCHAR[]) AS other,
            unnest(?::DOUBLE[]) AS strength
    ),
    close AS (
        SELECT place, alone, pair, margin FROM candidates
        WHERE margin <= ? AND score + second_score >= ?
    ),
    counted AS (SELECT pair, count(*) AS peers FROM close GROUP BY pair),
    heard AS (
        SELECT pair, any_value(strength) AS strength
        FROM candidates JOIN spoken ON predicted = one AND second = other
        WHERE margin <= ? AND score + second_score >= ? GROUP BY pair
    ),
    scored AS (
        SELECT place, alone, peers, coalesce(strength, 0) - margin AS worth
        FROM close JOIN counted USING (pair) LEFT JOIN heard USING (pair)
        WHERE peers >= {PAIR_IMAGES} OR strength IS NOT NULL
    )
    SELECT place AS reached, peers FROM scored WHERE worth >= coalesce(
        (SELECT worth FROM scored WHERE alone ORDER BY worth DESC LIMIT 1 OFFSET ?), worth
    )
) ON reached = place
"""


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Score images by how close they stand, and how much speaks for the pair, which is the topic.

    Returns
    -------
    DataFrame
        Indexed like the candidates: worth, topic, evidence (see `pairs`; missing where only the
        scores speak for the pair) and strength.
    """
    scored = pd.concat([_close(candidates, aim), *_in_front(candidates, aim)])
    # An image may stand between several; it is in the queue for the strongest.
    ordered = scored.sort_values(["worth", "topic"], ascending=[False, True])
    return ordered[~ordered.index.duplicated()].sort_index()


def _close(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Score the images whose two best classes are close."""
    both = candidates["score"] + candidates["second_score"]
    close = candidates[(candidates["margin"] <= CLOSE) & (both >= TOGETHER)]
    said = _evidence(aim)
    topic = [pair_of(*two) for two in zip(close["predicted"], close["second"], strict=True)]
    scored = pd.DataFrame({"topic": pd.Series(topic, close.index, dtype=object)})
    scored["evidence"] = scored["topic"].map(said["evidence"]).astype(object)
    scored["strength"] = scored["topic"].map(said["strength"]).astype("float64")
    scored["worth"] = scored["strength"].fillna(0) - close["margin"]
    # `narrow` has counted also what it left out.
    size = scored.groupby("topic")["topic"].transform("size")
    enough = close.get("peers", size) >= PAIR_IMAGES
    return scored[enough | scored["evidence"].notna()]


def _in_front(candidates: pd.DataFrame, aim: Aim) -> list[pd.DataFrame]:
    """Score the images of classes that hide others, a table for each pair."""
    scored = []
    for row in _hiding(aim).to_dict("records"):
        hides = candidates["predicted"] == row["predicted"]
        unsure = candidates[hides & (candidates["score"] <= row["score"])]
        near = nearer(unsure, row["hidden"], aim)
        fits = unsure[near.isna() | (near > 0)]
        pair = pair_of(row["hidden"], row["predicted"])
        worth = row["share"] - fits["score"]
        said = {"topic": pair, "evidence": "taken", "strength": row["share"], "worth": worth}
        scored.append(pd.DataFrame(said, index=fits.index))
    return scored


def _evidence(aim: Aim) -> pd.DataFrame:
    """Give what speaks most for each pair of classes of the model: evidence and strength."""
    assert aim.labelled is not None  # the recipe needs both
    assert aim.features is not None
    found = pairs(aim.labelled, aim.features, aim.known)
    found = found[found["first"].isin(aim.known)]
    topic = [pair_of(*two) for two in zip(found["first"], found["second"], strict=True)]
    strongest = found.assign(topic=topic).sort_values("strength", ascending=False, kind="stable")
    return strongest.drop_duplicates("topic").set_index("topic")


def _hiding(aim: Aim) -> pd.DataFrame:
    """Give hidden, predicted, share and score: which classes of the model hide which others."""
    assert aim.labelled is not None  # the recipe needs it
    lacking = sorted(set(aim.labelled["label"]) - {*aim.known, UNKNOWN})
    found = [
        {"hidden": label, "predicted": predicted, **row}
        for label in lacking
        for predicted, row in taken_for(aim.labelled, label).to_dict("index").items()
    ]
    return pd.DataFrame(found, columns=["hidden", "predicted", "share", "score"])
