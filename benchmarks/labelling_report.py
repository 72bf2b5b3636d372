"""The table and the picture of `labelling.py`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

SHOWN = (1, 2, 4)
"""Rounds of the table."""

MARKS = "osD^v"


def write(
    out: Path, told: str, curves: Mapping[str, Sequence[Sequence[float]]], budget: int
) -> None:
    """Write the table as Markdown, and the curves beside it as PNG.

    Parameters
    ----------
    out : Path
        The Markdown file.
    told : str
        What was measured.
    curves : mapping of str to sequence
        By way: one curve a seed, the accuracy (0 to 1) before the first round and after each.
    budget : int
        Labels a round.
    """
    rounds = [0, *(n for n in SHOWN if n < min(len(one) for one in next(iter(curves.values()))))]
    head = ["accuracy, %", "start", *(f"{n} × {budget} labels" for n in rounds[1:])]
    lines = [
        f"{told} A linear head on frozen features, means over classes of held-out photos. Medians "
        f"(and ranges) of {len(next(iter(curves.values())))} seeds. "
        f"{platform.processor() or platform.machine()}.",
        "",
        f"| {' | '.join(head)} |",
        "| --- |" + " ---: |" * (len(head) - 1),
    ]
    for way, found in curves.items():
        each = 100 * np.array(found)
        middle, low, high = np.median(each, axis=0), each.min(0), each.max(0)
        cells = [f"{middle[n]:.1f} ({low[n]:.1f}…{high[n]:.1f})" for n in rounds]
        lines.append(f"| {' | '.join([way, *cells])} |")
    out.write_text("\n".join([*lines, ""]))
    draw(out.with_suffix(".png"), curves, budget)


def draw(file: Path, curves: Mapping[str, Sequence[Sequence[float]]], budget: int) -> None:
    """Draw the median of each way, and the range of the seeds as a band."""
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    for (way, found), mark in zip(curves.items(), MARKS, strict=False):
        each = 100 * np.array(found)
        labels = budget * np.arange(each.shape[1])
        (line,) = axes.plot(labels, np.median(each, axis=0), marker=mark, label=way)
        axes.fill_between(labels, each.min(0), each.max(0), color=line.get_color(), alpha=0.12)
    axes.set_xlabel("labels after the start")
    axes.set_ylabel("accuracy, %, mean over classes")
    axes.set_xticks(labels)
    axes.grid(alpha=0.3)
    axes.legend(title="chosen by")
    figure.savefig(file, dpi=110)
