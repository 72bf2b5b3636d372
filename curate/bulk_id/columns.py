"""The columns of predictions and embeddings: in shards, in tables, in flat files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from curate.core import paths
from curate.core.identity import Content
from curate.engine import Computed, Outcome
from curate.store import embeddings as embeddings_kept

PREDICTIONS = "predictions"
EMBEDDINGS = embeddings_kept.TABLE

_NUMBERS = ("second_score", "margin", "entropy", "energy", "novelty")

COLUMNS = (
    *("image_id", "path", "status", "reason", "predicted", "score", "second"),
    *_NUMBERS,
    *("top_classes", "top_scores"),
)
"""Columns of the table of predictions."""

PREDICTIONS_SCHEMA = pa.schema(
    [("run_id", pa.int64())]
    + [(name, pa.string()) for name in ("image_id", "path", "status", "reason", "predicted")]
    + [("score", pa.float64()), ("second", pa.string())]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [("top_classes", pa.list_(pa.string())), ("top_scores", pa.list_(pa.float64()))]
)


def embeddings_schema(width: int) -> pa.Schema:
    """Give the columns of embeddings of so many numbers."""
    return pa.schema(
        [
            ("run_id", pa.int64()),
            ("image_id", pa.string()),
            ("embedding", pa.list_(pa.float16(), width)),
        ]
    )


def read_well(block: Computed) -> list[tuple[Outcome, Content]]:
    """Give the files of a block that have a row of its result, in the result's order."""
    return [(o, o.value) for o in block.outcomes if not o.reason]


def predictions(blocks: Sequence[Computed], run_id: int) -> pa.Table:
    """Lay what a model said of some blocks out as rows of a shard."""
    tables = [_predictions_of(block, run_id) for block in blocks if block.result is not None]
    return pa.concat_tables(tables) if tables else PREDICTIONS_SCHEMA.empty_table()


def embeddings(blocks: Sequence[Computed], run_id: int) -> pa.Table | None:
    """Lay the features of some blocks out as rows of a shard; None where there are none."""
    tables = [
        _embeddings_of(block, run_id)
        for block in blocks
        if block.result is not None and block.result.features is not None
    ]
    return pa.concat_tables(tables) if tables else None


def frame(block: Computed) -> pd.DataFrame:
    """Give one row for every file of a block, in its order, with `COLUMNS`."""
    rows = pd.DataFrame(
        {
            "path": [paths.to_text(outcome.entry.path) for outcome in block.outcomes],
            "status": ["failed" if outcome.reason else "ok" for outcome in block.outcomes],
            "reason": [outcome.reason for outcome in block.outcomes],
        }
    )
    well = rows.index[rows["status"] == "ok"]
    said = predictions([block], 0).to_pandas().set_index(well)
    refused = said.index[said["status"] == "failed"]
    rows.loc[refused, "status"] = "failed"
    rows.loc[refused, "reason"] = "score: " + said.loc[refused, "reason"]
    found: pd.DataFrame = rows.join(said.drop(columns=["path", "status", "reason", "run_id"]))
    return found[list(COLUMNS)]


def flat(table: pd.DataFrame, width: int) -> pd.DataFrame:
    """Spread the top classes over columns: `class_1`, `score_1`, `class_2`, …, for flat files."""
    spread = table.drop(columns=["top_classes", "top_scores"])
    for place in range(width):
        for name, column in (("class", "top_classes"), ("score", "top_scores")):
            values = [
                listed[place]
                if isinstance(listed, np.ndarray | list) and place < len(listed)
                else None
                for listed in table[column]
            ]
            # Of a type whatever there is: pieces of one table must have the same columns.
            kind = "str" if name == "class" else "float64"
            spread[f"{name}_{place + 1}"] = pd.Series(values, spread.index, kind)
    return spread


def _predictions_of(block: Computed, run_id: int) -> pa.Table:
    files = read_well(block)
    said: dict[str, Any] = {
        **block.result.columns,
        "run_id": np.full(len(files), run_id),
        "image_id": [content.image_id for _, content in files],
        "path": [paths.to_text(outcome.entry.path) for outcome, _ in files],
    }
    arrays = [pa.array(said[field.name], field.type) for field in PREDICTIONS_SCHEMA]
    return pa.table(arrays, schema=PREDICTIONS_SCHEMA)


def _embeddings_of(block: Computed, run_id: int) -> pa.Table:
    files = read_well(block)
    features: NDArray[np.float16] = block.result.features
    schema = embeddings_schema(features.shape[1])
    return pa.table(
        [
            pa.array(np.full(len(files), run_id)),
            pa.array([content.image_id for _, content in files]),
            pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1]),
        ],
        schema=schema,
    )
