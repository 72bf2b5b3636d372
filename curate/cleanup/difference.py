"""The difference between two plans."""

from __future__ import annotations

import pandas as pd

COLUMNS = ("rule", "new", "gone", "kept")


def difference(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Say by rule which files are new in a plan, no longer in it, and in it as before.

    Parameters
    ----------
    before, after : DataFrame
        With `rule` and `path`. A file that another rule has now is gone there and new here.

    Returns
    -------
    DataFrame
        `COLUMNS`: numbers of files; sorted by rule.
    """
    sides = before[["rule", "path"]].merge(
        after[["rule", "path"]], on=["rule", "path"], how="outer", indicator="side"
    )
    names = {"right_only": "new", "left_only": "gone", "both": "kept"}
    counted = pd.crosstab(sides["rule"], sides["side"].astype(str).map(names))
    table = counted.reindex(columns=list(names.values()), fill_value=0)
    return table.rename_axis(columns=None).reset_index()[list(COLUMNS)]
