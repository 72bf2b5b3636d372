"""The tables of `docs/duplicates.md`, as markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.duplicates_data import NEGATIVE, SOURCE
from benchmarks.duplicates_score import FRAME, SAME, SCENE, UNLIKE, Score, Truth, recall, recalls
from benchmarks.edits import EDITS, ON_REQUEST, STRENGTHS, amounts


@dataclass(frozen=True)
class Row:
    """One tool at one setting: its score and cost, or why there is none."""

    tool: str
    version: str
    setting: str
    score: Score | None = None
    seconds: float = float("nan")
    megabytes: float = float("nan")
    note: str = ""
    failed: str = ""


def report(truth: Truth, rows: Sequence[Row]) -> str:
    """Give every table, each under a line that says what it shows."""
    scored = [row for row in rows if row.score is not None]
    parts = [_about(truth), _overall(truth, rows), _by_tool(truth, scored)]
    parts += [_by_strength(truth, row) for row in scored if row.tool == "curate"]
    return "\n\n".join(parts)


def _about(truth: Truth) -> str:
    kinds = truth.files["kind"]
    edits = int((truth.source >= 0).sum())
    relations = pd.Series(truth.relation[_upper(len(truth.relation))])
    return (
        f"{len(kinds):,} files: {(kinds == SOURCE).sum():,} sources, {edits:,} edits of them, "
        f"{(kinds == NEGATIVE).sum():,} other photos of their classes. Among the photos, "
        f"{(relations == SCENE).sum():,} pairs show one scene and "
        f"{(relations == FRAME).sum():,} more one frame."
    )


def _upper(size: int) -> tuple[list[int], list[int]]:
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _overall(truth: Truth, rows: Sequence[Row]) -> str:
    head = (
        "tool", "setting", "recall", "precision", "precision without bursts",
        "pairs right", "pairs unlike", "pairs of a scene", "pairs of a frame",
        "photos tied, unlike", "photos tied, one scene", "groups", "groups unlike", "s", "MB",
    )  # fmt: skip
    lines: list[Sequence[str]] = []
    for row in rows:
        name = f"{row.tool} {row.version}".strip()
        if row.score is None:
            lines.append((name, f"{row.setting} failed: {row.failed}"))
            continue
        score, count = row.score, row.score.counts
        lines.append(
            (
                name,
                row.setting,
                f"{recall(truth, score.found):.4f}",
                f"{score.precision:.4f}",
                f"{score.precision_but_bursts:.4f}",
                *(f"{count[kind]:,}" for kind in (SAME, UNLIKE, SCENE, FRAME)),
                *(f"{score.ties[kind]:,}" for kind in (UNLIKE, SCENE)),
                "" if score.groups is None else f"{score.groups:,}",
                "" if score.unlike_groups is None else f"{score.unlike_groups:,}",
                _number(row.seconds, ".1f") + (f" ({row.note})" if row.note else ""),
                _number(row.megabytes, ".0f"),
            )
        )
    return _table(head, lines)


def _by_tool(truth: Truth, rows: Sequence[Row]) -> str:
    """Recall of each kind over its strengths, tools side by side."""
    tables = [recalls(truth, row.score.found).mean(axis=1) for row in rows if row.score]
    head = ("recall of", *(f"{row.tool} ({row.setting})" for row in rows))
    lines = []
    for kind in (*EDITS, *ON_REQUEST):
        asked = " (on request)" if kind in ON_REQUEST else ""
        lines.append((kind + asked, *(_number(table.get(kind), ".3f") for table in tables)))
    return _table(head, lines)


def _by_strength(truth: Truth, row: Row) -> str:
    """Recall and precision of one tool by kind and strength."""
    assert row.score is not None
    share, exact = recalls(truth, row.score.found), row.score.precision_by_kind
    head = ("kind", "what it does", *STRENGTHS, *(f"precision, {word}" for word in STRENGTHS))
    lines = []
    for kind in (*EDITS, *ON_REQUEST):
        found = [_number(share[word].get(kind), ".3f") for word in STRENGTHS]
        right = [_number(exact.get((kind, word)), ".4f") for word in STRENGTHS]
        lines.append((kind, amounts(kind).rstrip("."), *found, *right))
    return f"{row.tool}, {row.setting}: recall and precision.\n\n" + _table(head, lines)


def _number(value: float | None, form: str) -> str:
    return "" if value is None or pd.isna(value) else format(value, form)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [list(head), ["---"] * len(head)]
    rows += [[*line, *[""] * (len(head) - len(line))] for line in lines]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in rows)
