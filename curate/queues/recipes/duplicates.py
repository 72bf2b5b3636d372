"""Duplicates: one look for many images, where near-duplicates wait for a decision.

Images that look alike are tied into a group. Where nobody has decided about any of a group, a look
at one of them decides for all; the largest groups come first, each with its largest picture.
"""

from __future__ import annotations

import pandas as pd

from curate.queues.filters.choosing import reach, sorting
from curate.queues.recipe import Aim


def narrow(aim: Aim) -> tuple[str, list[object]]:
    """Only what can be chosen; it adds `together`, how many of the group there are."""
    filters, order = aim.filters, sorting(aim.filters)
    tail = _FOREMOST.format(
        sorted=order.rpartition(" ")[0] or "NULL",
        first='QUALIFY row_number() OVER (PARTITION BY "group" ORDER BY pixels DESC, number) = 1'
        if filters.one_per_group
        else "",
        few=f"QUALIFY row_number() OVER (PARTITION BY predicted ORDER BY {_ORDER}) "
        f"<= {filters.per_class}"
        if filters.per_class
        else "",
        order=f"sorted {order.rpartition(' ')[2]} NULLS LAST, {_ORDER}" if order else _ORDER,
    )
    return tail, [reach(filters)]


_ORDER = 'together DESC, "group", pixels DESC, number'
_FOREMOST = """
JOIN (
    WITH tied AS (
        SELECT place, number, "group", label, predicted, {sorted} AS sorted,
            coalesce(width * height, 0) AS pixels
        FROM candidates WHERE NOT alone
    ),
    waiting AS (
        SELECT "group", count(*) AS together FROM tied GROUP BY "group"
        HAVING count(*) > 1 AND count(label) = 0
            AND "group" NOT IN (SELECT "group" FROM labelled)
    ),
    seen AS (SELECT * FROM tied JOIN waiting USING ("group") {first}),
    few AS (FROM seen {few})
    SELECT place AS reached, together FROM few ORDER BY {order} LIMIT ?
) ON reached = place
"""


def score(candidates: pd.DataFrame, aim: Aim) -> pd.DataFrame:
    """How many images of its group wait for a decision; the class it is taken for is the topic."""
    groups, decided = candidates["group"], candidates["label"].notna()
    if "together" in candidates:
        # `narrow` has counted also what it left out, and groups of which any is decided it leaves.
        together = candidates["together"]
    else:
        assert aim.labelled is not None
        together = groups.groupby(groups).transform("size")
        # Whoever asks for labelled images too still wants groups of which none is.
        decided |= groups.isin(aim.labelled["group"])
    worth = together.astype("float64")
    scored = pd.DataFrame({"worth": worth, "topic": candidates["predicted"]})
    return scored[(worth > 1) & ~decided]


def select(scored: pd.DataFrame, _: Aim) -> pd.DataFrame:
    """The largest groups first; within a group the largest picture, the best to look at."""
    pixels = (scored["width"] * scored["height"]).fillna(0)
    ordered = scored.assign(pixels=pixels).sort_values(
        ["worth", "group", "pixels", "image_id"], ascending=[False, True, False, True]
    )
    return ordered.drop(columns="pixels")


def reason(chosen: pd.DataFrame, _: Aim) -> list[str]:
    """Such as ``one of 12 that look alike, none decided; antelope 0.83``."""
    columns = chosen[["worth", "predicted", "score"]].itertuples(index=False)
    return [
        f"one of {worth:,.0f} that look alike, none decided; {name} {score:.2f}"
        for worth, name, score in columns
    ]
