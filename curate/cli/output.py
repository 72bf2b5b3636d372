"""What commands print: short tables for people, JSON for programs, files on request."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.core import paths

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

WORD = 12
"""The first column keeps so many characters, where it has them."""


@dataclass
class Printer:
    """Prints for people, or collects for programs: a command says everything once.

    Parameters
    ----------
    as_json : bool
        Print one JSON object at the end instead of everything else.
    """

    as_json: bool = False
    collected: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def console(self) -> Console:
        """What draws for people; programs need not wait until it is imported."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=True)

    @property
    def bar(self) -> int:
        """Characters that a bar may take; fewer where the terminal is narrow."""
        return max(8, min(30, self.console.width - 50))

    def say(self, text: str = "") -> None:
        """Print a line for people."""
        if not self.as_json:
            self.console.print(text, markup=False)

    def facts(self, **values: Any) -> None:
        """Collect values for programs."""
        self.collected.update(values)

    def next(self, command: str, why: str = "") -> None:
        """Name the command that comes next."""
        self.facts(next=command)
        self.say(f"\nNext: {command}" + (f"   ({why})" if why else ""))

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[Any]], styles: Sequence[str] = ()
    ) -> None:
        """Print a short table as `drawn` gives it; nothing where it has no row."""
        if self.as_json:
            return
        table = drawn(header, rows, styles)
        if table.row_count:
            self.console.print(table)

    def write(self, table: pd.DataFrame, csv: Path | None, parquet: Path | None) -> None:
        """Write a table to the files that were asked for."""
        from curate.formats import tables

        for file, write in ((csv, tables.write_csv), (parquet, tables.write_parquet)):
            if file is not None:
                write(table, file)
                self.say(f"Wrote {len(table):,} rows to {quoted(file)}")

    def finish(self) -> None:
        """Print what was collected, where JSON was asked for."""
        if self.as_json:
            collected = _finite(self.collected)
            print(json.dumps(collected, ensure_ascii=False, allow_nan=False, default=_plain))


def drawn(
    header: Sequence[str], rows: Iterable[Sequence[Any]], styles: Sequence[str] = ()
) -> Table:
    """Draw a short table; numbers stand to the right, `styles` colour rows."""
    from rich.table import Table
    from rich.text import Text

    listed = [[_cell(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for place, column in enumerate(zip(*listed, strict=True), start=1):
        numeric = all(isinstance(cell, int | float) for cell in column)
        # Names and reasons, first and last, may go on in the next line; bars may not, nor the
        # short names of things.
        widest = max(len(str(cell)) for cell in (header[place - 1], *column))
        table.add_column(
            header[place - 1],
            justify="right" if numeric else "left",
            no_wrap=1 < place < len(header),
            overflow="fold",
            min_width=min(widest, WORD) if place == 1 else None,
        )
    for number, row in enumerate(listed):
        style = styles[number] if number < len(styles) else ""
        table.add_row(*[Text(_shown(cell)) for cell in row], style=style)
    return table


def bar(share: float, width: int) -> str:
    """Draw a bar for a share between 0 and 1, in eighths of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain values, missing ones as None."""
    return [
        {str(name): None if _missing(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def counted(number: int, noun: str, plural: str = "") -> str:
    """Say a number with its noun: ``1 image``, ``1,234 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def local(moment: str | datetime) -> str:
    """Say a moment in the user's own time, to the minute."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def tail(path: str, width: int = 36) -> str:
    """Shorten a path to its end, which tells files apart."""
    return path if len(path) <= width else f"…{path[1 - width :]}"


def quoted(path: str | Path) -> str:
    """Write a path as it can be typed, or as it is escaped in tables where it cannot."""
    return shlex.quote(paths.to_text(os.fsencode(path)))


def _cell(value: Any) -> Any:
    return "" if _missing(value) else value


def _shown(cell: Any) -> str:
    return (
        f"{cell:,}"
        if isinstance(cell, int)
        else f"{cell:.3f}"
        if isinstance(cell, float)
        else str(cell)
    )


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for by null."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else str(value)
