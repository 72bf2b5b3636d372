"""What fastdup writes: pairs of files with their similarity."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from curate.formats.tables import write_csv


def write_fastdup(table: pd.DataFrame, path: Path) -> None:
    """Write groups as fastdup's ``similarity.csv``: from, to, distance.

    Parameters
    ----------
    table : DataFrame
        One row a file of every group: group, path, keeper (bool), similarity (to the keeper).
    path : Path
        A CSV file. As in fastdup, a "distance" of 1 is the same picture. Each file of a group is
        paired with the keeper.
    """
    rows = []
    for _, images in table.groupby("group", sort=True):
        kept = images.loc[images["keeper"], "path"].iloc[0]
        others = images[~images["keeper"]].sort_values("path")
        rows += [
            (kept, other, similarity)
            for other, similarity in zip(others["path"], others["similarity"], strict=True)
        ]
    write_csv(pd.DataFrame(rows, columns=["from", "to", "distance"]), path)
