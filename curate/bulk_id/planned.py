"""How the models are run, remembered: what one run measured, the next ones need not."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from curate import engine
from curate.bulk_id.done import STAGE
from curate.bulk_id.thinking import Ask, Means
from curate.models.plan import Plan
from curate.store import schema

NAME = "plan"
"""Where the summary of a run keeps it."""

_MOST = 100
"""Runs that are looked through for a plan, the last ones first."""


def circumstances(means: Means, ask: Ask) -> dict[str, Any]:
    """Say what a plan depends on beside the models."""
    return {
        "machine": platform.node(),
        "cores": engine.available_cores(),
        "embeddings": ask.embeddings,
        **asdict(means),
    }


def kept(under: dict[str, Any], plans: Sequence[Plan]) -> dict[str, Any]:
    """Write plans down for a summary."""
    return {"under": under, "plans": [asdict(plan) for plan in plans]}


def remembered(
    connection: Connection, key: str, under: dict[str, Any]
) -> tuple[list[Plan], int] | None:
    """Give the plans that a run of this key measured under these circumstances, and its number."""
    runs = schema.runs
    query = (
        select(runs.c.run_id, runs.c.summary)
        .where(runs.c.stage == STAGE, runs.c.key == key)
        .order_by(runs.c.run_id.desc())
        .limit(_MOST)
    )
    for run_id, summary in connection.execute(query):
        found = json.loads(summary).get(NAME)
        if found is not None and found["under"] == under:
            return [Plan(**plan) for plan in found["plans"]], run_id
    return None
