"""`--where`: which files in quarantine a person means, said in SQL over a few columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pandas as pd

from curate.core import paths
from curate.core.errors import InputError
from curate.store.journal import Item

COLUMNS = {
    "image_id": "the image",
    "path": "where the file lay",
    "rule": "the rule of the plan",
    "reason": "why it went",
    "class": "what the model said that it shows; missing where none did",
    "bytes": "its size",
    "run": "the run that moved it",
}
"""Columns that a condition may name."""


class Chosen:
    """Chooses items by a condition.

    Parameters
    ----------
    where : str
        A condition in SQL over `COLUMNS`, such as ``rule = 'blank' AND path LIKE '%/inbox/%'``; ''
        chooses all.

    Raises
    ------
    InputError
        It cannot be read.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        # Nothing outside of the table can be reached, whatever the condition says.
        settings: dict[str, Any] = {"enable_external_access": "false", "threads": 1}
        self._database = duckdb.connect(config=settings)
        self.of([])

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Give those that the condition holds for."""
        if not self._where:
            return list(items)
        table = pd.DataFrame(
            [
                (
                    *(one.image_id, paths.to_text(one.path), one.rule, one.why),
                    *(one.predicted, one.bytes, one.moved_run, one.item),
                )
                for one in items
            ],
            columns=[*COLUMNS, "item"],
        ).astype(
            {**dict.fromkeys(COLUMNS, "str"), "bytes": "int64", "run": "int64", "item": "int64"}
        )
        self._database.register("items", table)
        try:
            # On a line of its own, so that a comment in it ends there.
            rows = self._database.execute(f"SELECT item FROM items WHERE (\n{self._where}\n)")
            wanted = {row[0] for row in rows.fetchall()}
        except duckdb.Error as error:
            raise InputError(
                f"--where {self._where!r}",
                f"cannot be asked: {str(error).splitlines()[0]}",
                f"Write a condition over {', '.join(COLUMNS)}, such as \"rule = 'blank'\".",
            ) from error
        return [one for one in items if one.item in wanted]
