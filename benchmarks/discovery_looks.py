"""What the first looks at `queue new-class` show, with more and less rubbish in the pool.

A look is one photo shown to a person. For each share of rubbish: how many hidden classes were seen
after so many looks, which share of the looks showed one, and what the queue had expected. Ways:

- the queue; and the queue asked anew after 50 looks, their answers taken (labels, rejections);
- its groups one after the other, the largest first, or those that gain most first;
- the lowest scores first; and chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.discovery_data import Photos
from curate.core import chance
from curate.core.names import REJECTED
from curate.queues import RECIPES, Filters
from curate.queues.filters.choosing import choose
from curate.queues.recipe import CANDIDATE_COLUMNS, Aim, compose
from curate.queues.recipes import new_class
from curate.queues.recipes.groups import EVEN_GAIN

AFTER = (50, 100, 200)
SHARES = (0.0, 0.1, 0.5)
"""Of the pool, that is rubbish."""

SITTING = 50
"""Looks before the queue is asked anew."""


def mixed(photos: Photos, share: float, seed: int) -> Photos:
    """Keep so much of the rubbish that it is this share of the pool.

    Where there is too little, photos of known classes are left out of the pool, drawn by chance.
    """
    table = photos.table
    draw = pd.Series(chance.fractions(seed, table["image_id"].tolist(), "mixed"), table.index)
    pool, rubbish = table["label"].isna(), table["truth"] == REJECTED
    hidden = table["truth"].isin(photos.hidden)
    junk = draw[rubbish].sort_values().index
    others = int((pool & ~rubbish).sum())
    if share < 1 and len(junk) < share / (1 - share) * others:
        left = max(0, round(len(junk) * (1 - share) / share) - int((pool & hidden).sum()))
        away = draw[pool & ~rubbish & ~hidden].sort_values().index[left:]
    else:
        away = junk[round(share / (1 - share) * others) :]
    keep = ~table.index.isin(away)
    kept = table[keep].reset_index(drop=True)
    return Photos(kept, photos.features[keep], photos.hidden)


def looked(photos: Photos, seed: int) -> Iterator[dict[str, Any]]:
    """Count what the first looks show, a row for each way."""
    truth = photos.table.set_index("image_id")["truth"]
    pool, aim = asked(photos)
    found = new_class.score(pool, aim).join(pool["image_id"])
    size = found.groupby("cluster")["worth"].transform("size")
    # As the recipe puts them together, but the groups are found once.
    chosen = choose(new_class.select(found.join(pool["group"]), aim), aim.filters)
    queue = chosen.assign(expected=new_class.expect(chosen, aim))
    order = ["cluster", "worth"]
    ways: dict[str, pd.DataFrame] = {
        "new-class": queue,
        "new-class, asked anew after 50 looks": anew(photos, queue),
        "its groups, the largest first": found.assign(by=-size).sort_values(
            ["by", *order], ascending=[True, True, False]
        ),
        "its groups, by gain": found.sort_values(
            ["gain", *order], ascending=[False, True, False]
        ).assign(expected=lambda rows: rows["gain"] ** 2 / (rows["gain"] ** 2 + EVEN_GAIN**2)),
        "lowest score": pool.sort_values(["score", "image_id"]),
        "chance": pool.assign(
            draw=chance.fractions(seed, pool["image_id"].tolist(), "looks")
        ).sort_values("draw"),
    }
    for way, looks in ways.items():
        shown = truth[looks["image_id"].head(max(AFTER))].to_numpy(object)
        new = np.isin(shown, photos.hidden)
        row: dict[str, Any] = {"way": way, "hidden": len(photos.hidden)}
        for number in AFTER:
            row[f"seen {number}"] = len(set(shown[:number][new[:number]]))
            row[f"new {number}"] = float(new[:number].mean())
            if "expected" in looks:
                row[f"expected {number}"] = float(looks["expected"].head(number).mean())
        yield row


def asked(photos: Photos) -> tuple[pd.DataFrame, Aim]:
    """Give the candidates and the aim that the library gives to the recipe."""
    table = photos.table.reindex(columns=list(CANDIDATE_COLUMNS))
    table["rejected"] = table["rejected"].eq(True)
    undecided = table["label"].isna() & ~table["rejected"]
    vectors = pd.DataFrame({"image_id": table["image_id"], "embedding": list(photos.features)})
    none = pd.DataFrame({"label": []})
    aim = Aim(none, 1, Filters(limit=max(AFTER)), features=vectors, labelled=table[~undecided])
    return table[undecided], aim


def anew(photos: Photos, queue: pd.DataFrame) -> pd.DataFrame:
    """Look at the first images of a queue, take the answers, and ask again."""
    looks, table = queue.head(SITTING), photos.table.assign(rejected=False)
    at = table["image_id"].isin(looks["image_id"])
    junk = table["truth"] == REJECTED
    table.loc[at & junk, "rejected"] = True
    table["label"] = table["label"].mask(at & ~junk, table["truth"])
    pool, aim = asked(Photos(table, photos.features, photos.hidden))
    return pd.concat([looks, compose(RECIPES["new-class"], pool, aim)], ignore_index=True)
