"""The table of results, beside the same table made by plain pandas."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.bulk_id import COLUMNS, Results, results
from curate.bulk_id.columns import PREDICTIONS_SCHEMA
from curate.bulk_id.listed import Listed
from curate.core.files import FileEntry, Walked
from curate.core.identity import Content
from curate.formats import tables
from curate.store import files, runs, shards
from curate.store.files import FileRow
from curate.store.library import Library, opened

SAID = ("predicted", "score", "second", "second_score", "margin", "entropy", "energy", "novelty")


def said(image: str, run: int, path: str, number: float) -> dict[str, Any]:
    """One row of predictions; a negative number stands for an output that is none."""
    row: dict[str, Any] = dict.fromkeys(PREDICTIONS_SCHEMA.names)
    row |= {"run_id": run, "image_id": image, "path": path, "status": "ok"}
    if number < 0:
        numbers = {name: math.nan for name in SAID if name not in ("predicted", "second")}
        return row | {"status": "failed", "reason": "not a finite number", **numbers}
    measured = {"second_score": 0.1, "margin": number, "entropy": 1.0, "energy": -number}
    names = ["cat" if number < 0.5 else "dog", "bee"]
    return row | {
        **measured,
        "predicted": names[0],
        "score": number,
        "second": names[1],
        "novelty": math.nan,
        "top_classes": names,
        "top_scores": [number, 0.1],
    }


NUMBERS = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.99, 1.0])
IMAGES = ["i0", "i1", "i2", "i3"]


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Files with few contents, predictions of three runs, and trouble of every kind."""
    number = draw(st.integers(0, 9))
    kinds = st.sampled_from(["ok", "ok", "ok", "failed", "gone", "changed", "unknown", "missed"])
    return {
        "files": [(draw(kinds), draw(st.sampled_from(IMAGES))) for _ in range(number)],
        "hidden": draw(st.lists(st.sampled_from(IMAGES), max_size=3)),
        "said": draw(
            st.lists(
                st.tuples(
                    st.sampled_from(IMAGES), st.sampled_from([1, 2, 3]), st.sampled_from("ab"),
                    NUMBERS,
                ),
                unique_by=lambda row: row[:3],
                max_size=8,
            )
        ),
        "runs": draw(st.sampled_from([[1, 2, 3], [2], [1, 3]])),
    }  # fmt: skip


def build(library: Library, world: dict[str, Any]) -> tuple[Results, list[dict[str, Any]]]:
    """Write such a world down; give its results, and the rows that plain Python expects."""
    rows = [said(*row) for row in world["said"]]
    for run_id in (1, 2, 3):
        with runs.running(library, "bulk-id", {}) as run:
            assert run.run_id == run_id
            mine = pa.Table.from_pylist(
                [row for row in rows if row["run_id"] == run_id], PREDICTIONS_SCHEMA
            )
            shard = shards.write(library, "predictions", run_id, 0, mine)
            with library.writing() as connection:
                shards.reference(connection, shard)
    entries, known, missed = [], [], {}
    expected: list[dict[str, Any]] = []
    for number, (kind, image) in enumerate(world["files"]):
        entry = FileEntry(b"/pool/%03d.jpg" % number, 5, 6, number)
        entries.append(entry)
        row = {"path": entry.path.decode(), "image_id": image, **_last(rows, image, world["runs"])}
        if kind == "failed":
            known.append(FileRow.read(entry, None, "decode: no image"))
            row = {"path": row["path"], "status": "failed", "reason": "decode: no image"}
        elif kind == "gone":
            known.append(FileRow(entry.path, image, 5, 6, number, "gone"))
            continue
        elif kind == "changed":
            known.append(FileRow.read(FileEntry(entry.path, 4, 6, number), image, ""))
            continue
        elif kind == "unknown":
            continue
        else:
            known.append(FileRow.read(entry, image, ""))
        if kind == "missed":
            missed[entry.path] = "memory: short"
            row.setdefault("reason", "memory: short")
            row.setdefault("status", "failed")
        if "status" in row:
            expected.append(row)
    for number, image in enumerate(world["hidden"]):
        entry = FileEntry(b"/pool/shut/%03d.jpg" % number, 5, 6, number)
        known.append(FileRow.read(entry, image, ""))
        reason = "read: its folder could not be listed (no)"
        row = {"path": entry.path.decode(), "image_id": image, "status": "failed", "reason": reason}
        expected.append(row | _last(rows, image, world["runs"]))
    with library.writing() as connection:
        contents = [Content(image, 5, 1, 1, "JPEG", None) for image in IMAGES]
        files.register(connection, 1, known, contents)
    found = Listed()
    found.add(entries, lambda _: {}, lambda *_: None, lambda _: None)
    passed = Walked(failed=[(b"/pool/shut", "no")])
    return Results(library, found, passed, world["runs"], missed), expected


def _last(rows: list[dict[str, Any]], image: str, run_ids: list[int]) -> dict[str, Any]:
    mine = [row for row in rows if row["image_id"] == image and row["run_id"] in run_ids]
    if not mine:
        return {}
    last = max(mine, key=lambda row: (row["run_id"], row["path"]))
    reason = f"score: {last['reason']}" if last["reason"] else ""
    kept = {name: last[name] for name in (*SAID, "top_classes", "top_scores", "status")}
    return {**kept, "reason": reason}


@pytest.fixture(scope="module")
def homes() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=25)
@given(world=worlds())
def test_the_table_is_that_of_plain_python(homes: Path, world: dict[str, Any]) -> None:
    with TemporaryDirectory(dir=homes) as folder, opened(Path(folder), make=True) as library:
        asked, expected = build(library, world)
        table = asked.table()
        assert list(table.columns) == list(COLUMNS)
        assert [_plain(row) for row in table.to_dict("records")] == [_plain(r) for r in expected]
        _adds_up(asked.summary(), table)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(results, "PIECE", 2)
            pieces = list(asked.pieces(2))
        assert len(pieces) >= 1
        whole = pd.concat(pieces, ignore_index=True)
        own = list(COLUMNS[:-2])
        pd.testing.assert_frame_equal(whole[own], table[own])
        assert {tuple(piece.dtypes) for piece in pieces} == {tuple(pieces[0].dtypes)}


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Take what is missing out, so that no missing value has to equal another one."""
    plain = {name: list(v) if name.startswith("top_") and v is not None and not _nan(v) else v
             for name, v in row.items()}  # fmt: skip
    return {name: value for name, value in plain.items() if value is not None and not _nan(value)}


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _adds_up(summary: dict[str, Any], table: pd.DataFrame) -> None:
    fine = table[table["status"] == "ok"]
    assert summary["files"] == len(table)
    assert summary["identified"] == len(fine)
    assert summary["failed"] == len(table) - len(fine) == sum(summary["failures"].values())
    assert summary["top_classes"] == fine["predicted"].value_counts().to_dict()
    assert summary["median_scores"] == fine.groupby("predicted")["score"].median().to_dict()
    histogram = summary["score_histogram"]
    assert sum(count for _, _, count in histogram) == len(fine)
    for low, high, count in histogram:
        inside = (fine["score"] >= low) & ((fine["score"] < high) | (high == 1.0))
        assert count == inside.sum()
    json.dumps(summary)


def test_pieces_of_failures_alone_fit_those_behind_them(
    monkeypatch: pytest.MonkeyPatch, library: Library, tmp_path: Path
) -> None:
    """The first thousands of a table may be failures; its columns have their types all the same."""
    world = {
        "files": [("failed", "i0")] * 3 + [("ok", "i1")] * 2,
        "hidden": [],
        "said": [("i1", 1, "a", 0.5)],
        "runs": [1],
    }
    asked, _ = build(library, world)
    monkeypatch.setattr(results, "PIECE", 3)
    tables.write_parquet_pieces(asked.pieces(3), tmp_path / "a.parquet")
    tables.write_csv_pieces(asked.pieces(3), tmp_path / "a.csv")
    written = pq.read_table(tmp_path / "a.parquet").to_pandas()
    assert list(written["class_1"].dropna()) == ["dog", "dog"]
    assert list(written["score_2"].dropna()) == [0.1, 0.1]
    # More columns than there are classes stay empty.
    assert written["class_3"].isna().all()
    assert len(pd.read_csv(tmp_path / "a.csv")) == 5
