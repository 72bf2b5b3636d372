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


Curves = Mapping[str, Sequence[Sequence[float]]]
"""By way: one curve a seed, the accuracy (0 to 1) before the first round and after each."""


def write(out: Path, told: str, curves: Mapping[int, Curves], budget: int) -> None:
    """Write a table of each cutoff as Markdown, and the curves beside them as PNG.

    Parameters
    ----------
    out : Path
        The Markdown file.
    told : str
        What was measured.
    curves : mapping of int to mapping
        By cutoff, the curves.
    budget : int
        Labels a round.
    """
    lines = [
        f"{told} A linear head on frozen features, means over classes of held-out photos. Medians "
        f"(and ranges) of the seeds. {platform.processor() or platform.machine()}.",
    ]
    for cutoff, by_way in curves.items():
        lines += ["", *_table(cutoff, by_way, budget)]
    out.write_text("\n".join([*lines, ""]))
    draw(out.with_suffix(".png"), curves, budget)


def _table(cutoff: int, curves: Curves, budget: int) -> list[str]:
    rounds = [0, *(n for n in SHOWN if n < min(len(one) for one in next(iter(curves.values()))))]
    head = [f"min-count {cutoff}", "start", *(f"{n} × {budget} labels" for n in rounds[1:])]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for way, found in curves.items():
        each = 100 * np.array(found)
        middle, low, high = np.median(each, axis=0), each.min(0), each.max(0)
        cells = [f"{middle[n]:.1f} ({low[n]:.1f}…{high[n]:.1f})" for n in rounds]
        lines.append(f"| {' | '.join([way, *cells])} |")
    return lines


def draw(file: Path, curves: Mapping[int, Curves], budget: int) -> None:
    """Draw a panel for each cutoff: the median of each way, the range of the seeds as a band."""
    figure = Figure(figsize=(5.5 * len(curves), 4.8), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (cutoff, by_way) in zip(panels, curves.items(), strict=True):
        for (way, found), mark in zip(by_way.items(), MARKS, strict=False):
            each = 100 * np.array(found)
            labels = budget * np.arange(each.shape[1])
            (line,) = axes.plot(labels, np.median(each, axis=0), marker=mark, label=way)
            axes.fill_between(labels, each.min(0), each.max(0), color=line.get_color(), alpha=0.12)
        axes.set_title(f"--min-count {cutoff}")
        axes.set_xlabel("labels after the start")
        axes.set_xticks(labels)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy, %, mean over classes")
    panels[-1].legend(title="chosen by", loc="lower right")
    figure.savefig(file, dpi=110)
