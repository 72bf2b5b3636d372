"""A bar with rate and time left on a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Called with the number of items just done, and optionally a word on the state."""

    def __call__(self, done: int, note: str = "") -> None: ...


@contextmanager
def progress(title: str, total: int | None, unit: str = "images") -> Iterator[Progress]:
    """Show how far a piece of work is, on the error stream when that is a terminal.

    Parameters
    ----------
    title : str
        What is being done.
    total : int or None
        Items to do; None when it is not known.
    unit : str
        What the items are.
    """
    if not sys.stderr.isatty():
        yield lambda done, note="": None
        return
    # rich costs 0.1 s to import: only those who see the bar pay for it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=total, rate="", note="")

        def advance(done: int, note: str = "") -> None:
            bars.advance(task, done)
            speed = bars.tasks[task].speed
            bars.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "", note=note)

        yield advance
