"""What tests ask of libraries and folders with duplicates in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from curate.core.identity import file_id
from curate.duplicates import DuplicatePolicy, Duplicates, find
from curate.store import facts
from curate.store.library import Library
from tests.store.made import decide, said


def found(library: Library, **asked: Any) -> Duplicates:
    """Find the duplicates of a library."""
    return find(library, DuplicatePolicy(**asked))


def groups(table: pd.DataFrame) -> list[list[str]]:
    """Name the files of each group: the keeper first, the others sorted; the groups sorted."""
    return sorted(
        [
            *(os.path.basename(path) for path in rows.loc[rows["keeper"], "path"]),
            *sorted(os.path.basename(path) for path in rows.loc[~rows["keeper"], "path"]),
        ]
        for _, rows in table.groupby("group")
    )


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    """Lay a table out by the names of its files."""
    return table.set_index(table["path"].map(os.path.basename))


def tell(library: Library, photo: Path, **what: str) -> None:
    """Decide of one image: label="cat", origin="staged", split="train" …"""
    decide(library, *(said(kind, file_id(photo), value) for kind, value in what.items()))


def ties(library: Library) -> pd.Series:
    """Give what splits are told of duplicates, by image id."""
    with library.reading() as connection:
        return facts.images(connection).set_index("image_id")["group_duplicates"]
