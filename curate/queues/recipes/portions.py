"""Portions: an order of images that brings as many classes as possible over min-count early.

A labeller wants as many classes as possible over the line for each image looked at. So the
candidates of a class, the likeliest first, are cut into portions: as many as it takes until the sum
of their scores, which is how many are expected to be right, covers what the class lacks. The first
portions of all classes come first: those that close a gap, the smallest leading, then those of
classes with too few candidates, then those of classes that have made it. The second portions
follow, and so on. A class with many candidates drowns nobody, and images of a class come together.

What a class lacks is a table by class name: `real` (what counts), `unit` (groups, or images where
each is alone), `short` (of min-count, at least 0), `wanted` (how many images are asked for).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from curate.queues.filters.choosing import MOST, among_first, reach, sorting
from curate.queues.filters.filters import Filters
from curate.queues.recipe import CLOSE


def counted(classes: pd.DataFrame) -> pd.DataFrame:
    """Give `real` and `unit` of every class, of `facts.class_counts`."""
    known = classes.set_index("label")
    alone = known["countable_real"] == known["real"]
    unit = alone.map({True: "images", False: "groups"})
    return pd.DataFrame({"real": known["countable_real"], "unit": unit})


def likely(candidates: pd.DataFrame, lacking: pd.DataFrame) -> pd.DataFrame:
    """Score how likely an image is of a class that lacks some; the class is the topic."""
    first = candidates["predicted"].isin(lacking.index)
    second = ~first & candidates["second"].isin(lacking.index) & (candidates["margin"] <= CLOSE)
    scored = pd.DataFrame(
        {
            "worth": candidates["score"].where(first, candidates["second_score"]),
            "topic": candidates["predicted"].where(first, candidates["second"]),
        }
    )
    # Only a real image counts, and one that has the label already would move nothing.
    moves = (candidates["origin"] == "real") & (scored["topic"] != candidates["label"].fillna(""))
    return scored[(first | second) & moves]


def narrowed(lacking: pd.DataFrame, filters: Filters) -> tuple[str, list[object]]:
    """Say in SQL which images come in the portions that a queue can reach.

    Parameters
    ----------
    lacking : DataFrame
        By class name: wanted.
    filters : Filters
        What is taken of the queue.

    Returns
    -------
    (str, list)
        What follows ``SELECT * FROM candidates``, and its values. It adds `peers` and `total` (the
        candidates of the topic, and the sum of their worth in units), and `looks` (how many make a
        portion; missing where all do not suffice).
    """
    names, each, order = list(lacking.index), filters.per_class, sorting(filters)
    sure = "alone" if filters.one_per_group else "true"
    # Behind so many that stay, no image of a topic is taken. What is sorted may come from anywhere.
    most = min(MOST if order else reach(filters), each or MOST)
    tail = _NARROWED.format(
        least=f"CASE WHEN len(best) = {most} AND (total < wanted OR list_sum(best) >= wanted) "
        f"THEN best[{most}] END"
        if most < MOST
        else "NULL",
        best=f"max(units, {most}) FILTER ({sure})" if most < MOST else "NULL",
        sorted=order.rpartition(" ")[0] or "NULL",
        sure=sure,
        certain=sure if each is None else f"{sure} AND latest < {each}",
        possible="true" if each is None else f"coalesce(before, 0) < {each}",
        # What is sorted is no beginning of the queue, in which rows could be counted anew.
        nth=_NTH if order else "NULL::BIGINT",
        reached=among_first(filters, "parted") if order else _REACHED.format(reach(filters)),
    )
    wanted = [int(wanted) * _UNIT - _SLACK for wanted in lacking["wanted"]]
    return tail, [names, wanted, names]


_NTH = "row_number() OVER (PARTITION BY topic ORDER BY worth DESC, number) - 1"
_UNIT, _SLACK = 1 << 32, 1 << 12
"""Worth is added up in whole units: so a sum is the same in any order, in SQL and here."""

# The image id, which decides between equals, is not read here: an image comes at the earliest
# after those of more worth, and at the latest after its equals. Images that look alike may drop out
# later, so only the others (`sure`) count as what fills the queue. What no queue can reach (below
# `least` of its topic) is added up and not put in order: most images of a large pool.
_NARROWED = f"""
JOIN (
    WITH lacking AS (
        SELECT unnest(?::VARCHAR[]) AS name, unnest(?::BIGINT[]) AS wanted,
            unnest(range(len(?::VARCHAR[]))) AS topic
    ),
    first AS (
        SELECT place, alone, topic, number, wanted, score AS worth, {{sorted}} AS sorted
        FROM candidates JOIN lacking ON name = predicted
        WHERE origin = 'real' AND label IS DISTINCT FROM name
    ),
    near AS (
        SELECT place, alone, topic, number, wanted, second_score AS worth, {{sorted}} AS sorted
        FROM close JOIN lacking ON name = second
        WHERE origin = 'real' AND label IS DISTINCT FROM name
            AND predicted NOT IN (SELECT name FROM lacking)
    ),
    scored AS (
        SELECT *, floor(worth * {_UNIT} + 0.5)::BIGINT AS units
        FROM (FROM first UNION ALL FROM near)
    ),
    summed AS (
        SELECT topic, any_value(wanted) AS wanted, count(*) AS peers,
            sum(units)::BIGINT AS total, {{best}} AS best
        FROM scored GROUP BY topic
    ),
    placed AS (
        SELECT *, row_number() OVER ordered AS nth, rank() OVER ordered - 1 AS earliest,
            count(*) OVER (ordered RANGE UNBOUNDED PRECEDING) - 1 AS latest,
            sum(units) OVER (ordered ROWS UNBOUNDED PRECEDING) AS covered,
            sum({{sure}}::INT) OVER (
                ordered RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
            ) AS before,
            {{nth}} AS before_it
        FROM scored JOIN (SELECT topic, peers, total, {{least}} AS least FROM summed) USING (topic)
        WHERE units >= coalesce(least, units)
        WINDOW ordered AS (PARTITION BY topic ORDER BY worth DESC)
    ),
    portioned AS (
        SELECT topic, min(nth) FILTER (WHERE covered >= wanted) AS looks FROM placed GROUP BY topic
    ),
    parted AS (
        SELECT place, peers, total, looks, before_it, sorted, {{certain}} AS certain,
            earliest // coalesce(looks, peers) AS soonest,
            latest // coalesce(looks, peers) AS portion
        FROM placed JOIN portioned USING (topic) WHERE {{possible}}
    ),
    filled AS (
        SELECT portion, sum(count(*)) OVER (ORDER BY portion) AS images
        FROM parted WHERE certain GROUP BY portion
    )
    SELECT place AS reached, peers, total, looks, before_it FROM parted WHERE {{reached}}
) ON reached = place
"""

_REACHED = "soonest <= coalesce((SELECT min(portion) FROM filled WHERE images >= {}), soonest)"


def in_portions(scored: pd.DataFrame, lacking: pd.DataFrame) -> pd.DataFrame:
    """Order scored candidates by portions, as the module describes.

    Returns
    -------
    DataFrame
        The same rows with the columns of `lacking`, and `right`: how many candidates of the class
        are expected to be of it.
    """
    ordered = scored.join(lacking, on="topic").sort_values(
        ["topic", "worth", "image_id"], ascending=[True, False, True]
    )
    units = np.floor(ordered["worth"].fillna(0) * _UNIT + 0.5).astype("int64")
    by_class = units.groupby(ordered["topic"])
    place = by_class.cumcount()
    if "looks" in ordered:
        # `narrowed` has counted also what it left out.
        looks, right = ordered["looks"].astype("float64"), ordered["total"] / _UNIT
        place = ordered["before_it"].astype("float64").fillna(place)
    else:
        covered = by_class.cumsum() >= ordered["wanted"] * _UNIT - _SLACK
        looks = place.where(covered).groupby(ordered["topic"]).transform("min") + 1
        right = by_class.transform("sum") / _UNIT
    # Candidates that do not suffice are one portion, behind those that do; what it would take
    # decides their rank.
    needed = looks.fillna(ordered["wanted"] * ordered["peers"] / right)
    ordered = ordered.assign(
        portion=place // looks.fillna(ordered["peers"]),
        safe=ordered["short"] == 0,
        scarce=looks.isna(),
        needed=needed,
        right=right,
    )
    return ordered.sort_values(
        ["portion", "safe", "scarce", "needed", "topic", "worth", "image_id"],
        ascending=[True, True, True, True, True, False, True],
    )


def standing(row: Mapping[Hashable, Any], min_count: int) -> str:
    """Such as ``gazelle: 38 of 40 real images, 2 short``."""
    spare = row["real"] - min_count
    lacks = f"{row['short']} short" if row["short"] else f"{spare} to spare"
    return f"{row['topic']}: {row['real']} of {min_count} real {row['unit']}, {lacks}"


def chance(row: Mapping[Hashable, Any]) -> str:
    """Such as ``score 0.83 (61 candidates, about 34 expected right)``."""
    word = "score" if row["topic"] == row["predicted"] else f"second to {row['predicted']} with"
    noun = "candidate" if row["peers"] == 1 else "candidates"
    right = f"about {int(row['right'] + 0.5):,}" if row["right"] >= 0.5 else "hardly any"
    return f"{word} {row['worth']:.2f} ({row['peers']:,} {noun}, {right} expected right)"
