"""The report of `training.py`: tables of medians over the seeds, and the curves of the rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from curate.cli import plot

COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "accuracy": ("test accuracy", lambda value: f"{value:.3f}"),
    "of_all": ("of all classes' photos", lambda value: f"{value:.3f}"),
    "first_val": ("val after epoch 1", lambda value: f"{value:.3f}"),
    "best_epoch": ("best epoch", lambda value: f"{value:.0f}"),
    "plateau": ("epochs to plateau", lambda value: f"{value:.0f}"),
    "epochs": ("epochs", lambda value: f"{value:.0f}"),
    "seconds": ("seconds", lambda value: f"{value:.0f}"),
    "rate": ("images/s", lambda value: f"{value:.0f}"),
}
"""What is reported of a training, and how it is written."""

SAID = {
    "starts": "Four starts",
    "rounds": "Four rounds",
    "peers": "Beside others, the same weights and epochs",
    "fair": "Beside others, the norms of the weights mended",
}


def write(out: Path, told: Sequence[str], rows: pd.DataFrame) -> None:
    """Write the tables as Markdown, and the curves of the rounds beside them."""
    lines = [*told, ""]
    for part, title in SAID.items():
        some = rows[rows["part"] == part]
        if len(some):
            lines += [f"### {title}", "", *table(some), ""]
    out.write_text("\n".join(lines))
    rounds = rows[rows["part"] == "rounds"]
    if len(rounds):
        for name in ("of_all", "plateau"):
            plot.write(curves(rounds, name), out.with_name(f"{out.stem}-{name}.png"))


def table(rows: pd.DataFrame) -> list[str]:
    """Give the rows of a Markdown table: a line for each kind and step, medians and ranges."""
    # A column that says nothing, or what another one says, is left out.
    said = {
        name: kind
        for name, kind in COLUMNS.items()
        if rows[name].notna().any() and (name == "accuracy" or unlike(rows, name))
    }
    head = ["", "classes", "photos", *(title for title, _ in said.values())]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for (step, kind), some in rows.groupby(["step", "kind"], sort=False):
        name = f"round {step}, {kind}" if step else str(kind)
        cells = [name, *(_whole(some[column]) for column in ("classes", "photos"))]
        cells += [_ranged(some[column], shown) for column, (_, shown) in said.items()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def unlike(rows: pd.DataFrame, column: str) -> bool:
    """Whether a column differs from the accuracy somewhere."""
    known = rows[column].notna()
    return bool((rows.loc[known, column] - rows.loc[known, "accuracy"]).abs().max() > 1e-9)


def curves(rounds: pd.DataFrame, column: str) -> plot.Plot:
    """Give the medians of a column round by round, a line for each way to begin."""
    medians = rounds.groupby(["kind", "step"])[column].median()
    title = COLUMNS[column][0]
    lines = [
        plot.Line(str(kind), found.index.get_level_values("step").tolist(), found.tolist())
        for kind, found in medians.groupby(level="kind", sort=False)
    ]
    return plot.Plot(f"{title} by round", "round", title, lines)


def _whole(values: pd.Series) -> str:
    return "" if values.isna().all() else f"{values.iloc[0]:,.0f}"


def _ranged(values: pd.Series, shown: Callable[[float], str]) -> str:
    """Write the middle of some values, and how far they lie apart."""
    known = values.dropna()
    if not len(known):
        return ""
    low, middle, high = (shown(known.quantile(at)) for at in (0, 0.5, 1))
    return middle if low == high else f"{middle} ({low}…{high})"
