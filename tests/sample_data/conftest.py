"""The committed zoo, its truth, and the plan it was drawn from."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

ZOO = Path(__file__).parents[2] / "sample_data"
# The drawing script is a program beside the package, not a part of it.
sys.path.insert(0, str(ZOO))

from zoo.plan import Entry, plan  # noqa: E402  (found only after the line above)

Row = dict[str, str]


@pytest.fixture(scope="session")
def zoo() -> Path:
    """The folder of the committed zoo."""
    return ZOO


@pytest.fixture(scope="session")
def truth() -> dict[str, Row]:
    """The rows of the committed ``truth.csv`` by path."""
    with (ZOO / "truth.csv").open(encoding="utf-8", newline="") as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


@pytest.fixture(scope="session")
def entries() -> list[Entry]:
    """The plan of the committed zoo."""
    return plan(2026)
