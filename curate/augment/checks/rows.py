"""The table of verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

COLUMNS = ("scope", "image_id", "class", "transform", "verdict", "reason", "figure")
"""`scope` (``image`` or ``class``), `image_id` ('' for a class), `class`, `transform`, `verdict`,
`reason`, `figure` (a number that the verdict rests on; the reason says which; NaN for none)."""

IMAGE, CLASS = "image", "class"
UNSAFE, SAFE, UNKNOWN = "unsafe", "safe", "unknown"


def row(
    scope: str, image_id: str, name: str, transform: str, verdict: str, reason: str, figure: float
) -> dict[str, Any]:
    """Make one row."""
    return dict(
        zip(COLUMNS, (scope, image_id, name, transform, verdict, reason, figure), strict=True)
    )


def rows_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Make the table, of no rows too."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({name: "float64" if name == "figure" else "str" for name in COLUMNS})
