"""Between: images that stand between two classes, with the pairs found by themselves.

Images stand between two classes of the model where the two best scores are close and hold at least
half of the whole together. Such a pair counts where several images stand between the same two (in
either order), or where labelled images show that the two are confused or lie near each other.
Where a class of the model hides another, which the model lacks, images of it stand between that are
as unsure as the labelled images of the hidden one, and no nearer to another class by features.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from curate.core.names import UNKNOWN
from curate.queues.filters.choosing import MOST as MOST_OF_A_TOPIC
from curate.queues.filters.choosing import among_first, reach, sorting
from curate.queues.recipe import CLOSE, Aim
from curate.queues.recipes.hiding import directions_of, nearer
from curate.queues.recipes.look_alike_pairs import PAIR_COLUMNS, all_taken, pair_of, pairs

TOGETHER = 0.5
"""Two classes that hold less than this share of the score are a guess, not a pair."""

PAIR_IMAGES = 3
"""So many images must stand between the same two classes, where no labelled image speaks for it."""


MOST = 20_000
"""Of so many images in front of classes that the model lacks, the least sure, features are
compared."""


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only images between two classes that can be reached, and those in front of a lacking one.

    It adds `peers`, `told` (evidence) and `telling` (its strength; see `pairs`) of the pair.
    """
    said, hiding, filters = _evidence(aim), _hiding(aim), aim.filters
    each, order = filters.per_class, sorting(filters)
    # What may drop out (it looks like another image, or is of another topic in the end) must not
    # take a place from others.
    sure = f"{'alone AND ' if filters.one_per_group else ''}place NOT IN (FROM front)"
    first, second, evidence, strength = (said[name].tolist() for name in PAIR_COLUMNS)
    values: list[object] = [
        *(first + second, second + first, strength * 2, evidence * 2),
        *(hiding[name].tolist() for name in ("predicted", "score", "share")),
    ]
    reached = (
        among_first(filters, "ranked")
        if order
        else "worth >= coalesce((SELECT worth FROM ranked WHERE certain ORDER BY worth DESC "
        f"LIMIT 1 OFFSET {reach(filters) - 1}), worth)"
    )
    tail = _FOREMOST.format(
        sorted=order.rpartition(" ")[0] or "NULL",
        most=MOST,
        sure=sure,
        certain="sure" if each is None else f"sure AND ({_UP_TO}) <= {each}",
        possible="true" if each is None else f"coalesce({_BEFORE}, 0) < {each}",
        likely="scored" if each is None else _LIKELY.format(min(each, MOST_OF_A_TOPIC - 1)),
        reached=reached,
    )
    return tail, values


_UP_TO = "count(*) OVER (PARTITION BY pair ORDER BY worth DESC RANGE UNBOUNDED PRECEDING)"
_BEFORE = (
    "sum(sure::INT) OVER (PARTITION BY pair ORDER BY worth DESC "
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP)"
)
"""Of images of a pair, how many come up to this one or its equals, and before them for sure."""

_LIKELY = (
    "(SELECT scored.* FROM scored JOIN (SELECT pair, list_min(max(worth, {0}) FILTER (sure)) AS "
    "least, count(*) FILTER (sure) AS firm FROM scored GROUP BY pair) USING (pair) "
    "WHERE firm < {0} OR worth >= least)"
)
"""Without those behind so many that stay: these are most, and need not be put in order."""

_FOREMOST = f"""
JOIN (
    WITH spoken AS (
        SELECT unnest(?::VARCHAR[]) AS one, unnest(?::VARCHAR[]) AS other,
            unnest(?::DOUBLE[]) AS telling, unnest(?::VARCHAR[]) AS told
    ),
    hiding AS (
        SELECT unnest(?::VARCHAR[]) AS name, unnest(?::DOUBLE[]) AS highest,
            unnest(?::DOUBLE[]) AS share
    ),
    front AS (
        SELECT DISTINCT place FROM (
            SELECT place FROM candidates JOIN hiding ON predicted = name AND score <= highest
            ORDER BY share - score DESC, number LIMIT {{most}}
        )
    ),
    near AS (
        SELECT place, alone, pair, margin, {{sorted}} AS sorted FROM close
        WHERE score + second_score >= {TOGETHER}
    ),
    counted AS (SELECT pair, count(*) AS peers FROM near GROUP BY pair),
    heard AS (
        SELECT pair, peers, told, telling
        FROM counted JOIN pairs USING (pair) LEFT JOIN spoken USING (one, other)
        WHERE peers >= {PAIR_IMAGES} OR telling IS NOT NULL
    ),
    scored AS (
        SELECT place, pair, peers, told, telling, sorted, {{sure}} AS sure,
            coalesce(telling, 0) - margin AS worth
        FROM near JOIN heard USING (pair)
    ),
    ranked AS (
        FROM (SELECT *, {{certain}} AS certain, {{possible}} AS possible FROM {{likely}})
        WHERE possible
    )
    SELECT place AS reached, coalesce(peers, 0) AS peers, told, telling
    FROM (FROM ranked WHERE {{reached}}) FULL JOIN front USING (place)
) ON reached = place
"""


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Score images by how close they stand, and how much speaks for the pair, which is the topic.

    Returns
    -------
    DataFrame
        Indexed like the candidates: worth, topic, evidence (see `pairs`; missing where only the
        scores speak for the pair), strength and nearer (of those in front of another class, how
        much nearer they are to that one than to any other, by features; missing for others).
    """
    scored = pd.concat([_close(candidates, aim), *_in_front(candidates, aim)])
    # An image may stand between several; it is in the queue for the strongest.
    ordered = scored.sort_values(["worth", "topic"], ascending=[False, True])
    return ordered[~ordered.index.duplicated()].sort_index()


def _close(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """Score the images whose two best classes are close."""
    both = candidates["score"] + candidates["second_score"]
    close = candidates[(candidates["margin"] <= CLOSE) & (both >= TOGETHER)]
    topic = [pair_of(*two) for two in zip(close["predicted"], close["second"], strict=True)]
    scored = pd.DataFrame({"topic": pd.Series(topic, close.index, dtype=object)})
    if "told" in close:
        # `narrow` has asked for it, and counted also what it left out.
        evidence, strength, peers = close["told"], close["telling"], close["peers"]
    else:
        said = _evidence(aim)
        evidence, strength = (scored["topic"].map(said[name]) for name in ("evidence", "strength"))
        peers = scored.groupby("topic")["topic"].transform("size")
    scored["evidence"] = evidence.astype(object)
    scored["strength"] = strength.astype("float64")
    scored["worth"] = scored["strength"].fillna(0) - close["margin"]
    scored["nearer"] = float("nan")
    return scored[(peers >= PAIR_IMAGES) | scored["evidence"].notna()]


def _in_front(candidates: pd.DataFrame, aim: Aim) -> list[pd.DataFrame]:
    """Score the images of classes that hide others, a table for each pair."""
    hiding = _hiding(aim)
    if hiding.empty:
        return []
    known, scored = directions_of(aim), []
    for row, unsure in _unsure(candidates, hiding):
        near = nearer(unsure, row["hidden"], known)
        fits = unsure[near.isna() | (near > 0)]
        pair = pair_of(row["hidden"], row["predicted"])
        worth = row["share"] - fits["score"]
        said = {"topic": pair, "evidence": "taken", "strength": row["share"], "worth": worth}
        scored.append(pd.DataFrame({**said, "nearer": near}, index=fits.index))
    return scored


def _unsure(
    candidates: pd.DataFrame, hiding: pd.DataFrame
) -> Iterator[tuple[dict[Hashable, Any], pd.DataFrame]]:
    """Give the `MOST` least sure images in front of others, by what they may hide."""
    both = candidates[["image_id", "predicted", "score"]].reset_index(names="row")
    both = both.merge(hiding.reset_index(names="at"), on="predicted", suffixes=("", "_most"))
    both = both[both["score"] <= both["score_most"]]
    ordered = both.assign(worth=both["share"] - both["score"]).sort_values(
        ["worth", "image_id", "at"], ascending=[False, True, True]
    )
    for at, rows in ordered.head(MOST).groupby("at"):
        yield hiding.loc[at].to_dict(), candidates.loc[rows["row"].sort_values()]


def _evidence(aim: Aim) -> pd.DataFrame:
    """Give what speaks most for each pair of classes of the model: evidence and strength."""
    assert aim.labelled is not None  # the recipe needs both
    assert aim.features is not None
    found = pairs(aim.labelled, aim.features, aim.known)
    found = found[found["first"].isin(aim.known)]
    two = (found[name].tolist() for name in ("first", "second"))
    topic = [pair_of(*names) for names in zip(*two, strict=True)]
    strongest = found.assign(topic=topic).sort_values("strength", ascending=False, kind="stable")
    return strongest.drop_duplicates("topic").set_index("topic")


def _hiding(aim: Aim) -> pd.DataFrame:
    """Give hidden, predicted, share and score: which classes of the model hide which others."""
    assert aim.labelled is not None  # the recipe needs it
    lacking = set(aim.labelled["label"].unique()) - {*aim.known, UNKNOWN}
    return all_taken(aim.labelled, lacking).reset_index().rename(columns={"label": "hidden"})
