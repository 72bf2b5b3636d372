"""Rows of blocks: for shards, and for tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.bulk_id import COLUMNS
from curate.bulk_id.columns import embeddings, embeddings_schema, frame, predictions
from curate.bulk_id.thinking import Said
from curate.core.identity import Content
from curate.engine import Computed, Outcome
from curate.models.scores import score_table
from curate.store.views import VIEWS

from .made import CLASSES, entry


def block(ways: list[str], first: int = 0) -> Computed:
    """A block of files that are well, cannot be decoded, or give no number."""
    outcomes: list[Outcome] = []
    logits: list[list[float]] = []
    for at, way in enumerate(ways, start=first):
        if way == "broken":
            outcomes.append(Outcome(entry(f"{at}.jpg"), None, f"decode: {at}"))
            continue
        outcomes.append(Outcome(entry(f"{at}.jpg"), Content(f"id{at}", 1, 1, 1, "JPEG", None)))
        logits.append([float("nan") if way == "nan" else at] * 3 + [0.0])
    if not logits:
        return Computed(outcomes)
    said = score_table(np.array(logits), CLASSES, 2)
    said["novelty"] = np.arange(len(logits), dtype=float)
    return Computed(outcomes, Said(said, np.array(logits, np.float16)))


WAYS = st.lists(st.sampled_from(["well", "broken", "nan"]), max_size=8)


@given(WAYS)
def test_a_frame_has_a_row_for_every_file_in_order(ways: list[str]) -> None:
    table = frame(block(ways))
    assert list(table.columns) == list(COLUMNS)
    assert list(table["path"]) == [f"/photos/{at}.jpg" for at in range(len(ways))]
    for at, (way, row) in enumerate(zip(ways, table.to_dict("records"), strict=True)):
        if way == "well":
            assert (row["status"], row["reason"], row["image_id"]) == ("ok", "", f"id{at}")
            assert row["energy"] == pytest.approx(-np.log(3 * np.exp(at) + 1))
            assert len(row["top_classes"]) == 2
        elif way == "broken":
            assert (row["status"], row["reason"]) == ("failed", f"decode: {at}")
            assert row["predicted"] != row["predicted"]
        else:
            assert row["status"] == "failed"
            assert row["reason"].startswith("score: the model's output")
            assert row["image_id"] == f"id{at}"


@given(st.lists(WAYS, max_size=4))
def test_a_shard_has_the_rows_of_all_blocks_that_were_read(parts: list[list[str]]) -> None:
    blocks = [block(ways, first=10 * at) for at, ways in enumerate(parts)]
    rows = predictions(blocks, 7)
    read = [
        f"id{10 * at + number}"
        for at, ways in enumerate(parts)
        for number, way in enumerate(ways)
        if way != "broken"
    ]
    assert rows["image_id"].to_pylist() == read
    assert set(rows["run_id"].to_pylist()) <= {7}
    features = embeddings(blocks, 7)
    if not read:
        assert features is None
        return
    assert features is not None
    assert features.schema == embeddings_schema(4)
    assert features["image_id"].to_pylist() == read
    for image, values in zip(read, features["embedding"].to_pylist(), strict=True):
        assert values[0] == int(image[2:]) or np.isnan(values[0])


def test_blocks_without_features_have_no_embeddings() -> None:
    plain = block(["well"])
    plain.result = Said(plain.result.columns, None)
    assert embeddings([plain], 1) is None


def test_the_view_of_predictions_has_these_columns() -> None:
    import duckdb

    answering: Any = duckdb.connect()
    assert "predictions" in VIEWS
    rows = predictions([block(["well"])], 1)
    assert isinstance(rows, pa.Table)
    answering.register("rows", rows)
    names = [name for name, *_ in answering.execute("DESCRIBE rows").fetchall()]
    assert set(names) == {"run_id", *COLUMNS}
