"""What imagededup writes: for every file, the files that are duplicates of it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from curate.core.files import write_asked


def write_imagededup(table: pd.DataFrame, path: Path) -> None:
    """Write groups as imagededup's `find_duplicates` does: ``{file: [duplicate, …]}``.

    Parameters
    ----------
    table : DataFrame
        One row a file of every group: group, path.
    path : Path
        A JSON file.
    """
    found = {}
    for _, images in table.groupby("group", sort=True):
        members = sorted(images["path"])
        found.update({one: [other for other in members if other != one] for one in members})
    text = json.dumps(dict(sorted(found.items())), ensure_ascii=True, indent=1)
    write_asked(path, text.encode())
