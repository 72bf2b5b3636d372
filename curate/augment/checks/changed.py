"""Which images a transform of the recipe makes unrecognisable, one by one."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from curate.augment.checks.rows import IMAGE, UNSAFE, row, rows_table
from curate.augment.checks.transforms import AS_IT_IS

BEFORE, AFTER = 0.7, 0.1
"""Score of an image's own class: from at least `BEFORE` to at most `AFTER` is a loss."""

OTHER = 0.7
"""Score of the class that it is taken for instead, at least."""


def changed_verdicts(
    seen: pd.DataFrame, asked: Collection[str], unsafe: Collection[tuple[str, str]]
) -> pd.DataFrame:
    """Give a row for each image that the model takes for another class after a transform.

    Parameters
    ----------
    seen : DataFrame
        One row an image and transform: image_id, class, transform, own (calibrated score of its
        own class), predicted, score.
    asked : collection of str
        The transforms that the recipe may come to.
    unsafe : collection of (str, str)
        Classes and transforms that are unsafe as a whole; their images are not listed again.

    Returns
    -------
    DataFrame
        As `rows.COLUMNS`; `figure` is the score of its own class that is left. Of several
        transforms that an image does not survive, the one that leaves least is named.
    """
    before = seen[seen["transform"] == AS_IT_IS].set_index("image_id")["own"]
    lost = seen[
        seen["transform"].isin(asked)
        & (seen["image_id"].map(before) >= BEFORE)
        & (seen["own"] <= AFTER)
        & (seen["score"] >= OTHER)
    ]
    pairs = zip(lost["class"], lost["transform"], strict=True)
    lost = lost[np.array([pair not in unsafe for pair in pairs], bool)]
    worst = lost.sort_values(["own", "transform"], kind="stable").drop_duplicates("image_id")
    rows = [
        row(
            IMAGE,
            one["image_id"],
            one["class"],
            one["transform"],
            UNSAFE,
            f"the model takes it for {one['predicted']} after it: its own class falls from "
            f"{before[one['image_id']]:.2f} to {one['own']:.2f}",
            one["own"],
        )
        for one in worst.to_dict("records")
    ]
    return rows_table(rows)
