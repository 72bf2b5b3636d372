"""A library of rows alone: images of a pool with measures, predictions and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from curate.store import duplicates, looks, runs, schema, shards
from curate.store.dialect import insert_or_replace
from curate.store.library import Library

from ..queues.cases import predict, said
from ..store.made import decide, file_row, put_files
from ..store.made import said as decision

FINE = {"contrast": 30.0, "sharpness": 100.0, "brightness": 120.0, "quality": 0.7}
BLANK = {"contrast": 1.0, "sharpness": 1.0, "brightness": 5.0, "quality": 0.05}


def pool(
    library: Library,
    root: Path,
    images: Mapping[str, Mapping[str, float]],
    *,
    declared: bool = True,
) -> int:
    """Bring in images, each in one file of its name, with their measures; give the run."""
    root.mkdir(exist_ok=True)
    (root / "there").touch()
    put_files(library, *(file_row(bytes(root / f"{name}.jpg"), name) for name in images))
    rows = [{"image_id": name, **measures} for name, measures in images.items()]
    with runs.running(library, "scan", {}) as run:
        shard = shards.write(
            library, looks.TABLE, run.run_id, 0, pa.Table.from_pylist(rows, schema=looks.SCHEMA)
        )
        with library.writing() as connection:
            shards.reference(connection, shard)
            if declared:
                row = {"path": bytes(root), "labels": "", "origin": "", "run_id": run.run_id}
                insert_or_replace(connection, schema.roots, [row])
    return arrived(library, next(iter(images)))


def arrived(library: Library, image_id: str) -> int:
    """Give the run in which an image came in."""
    with library.reading() as connection:
        query = schema.images.select().where(schema.images.c.image_id == image_id)
        return int(connection.execute(query).one().run_id)


def begun(library: Library, run_id: int, at: str) -> None:
    """Set the clock of a run back."""
    with library.writing() as connection:
        table = schema.runs
        connection.execute(table.update().where(table.c.run_id == run_id).values(started_at=at))


def group(library: Library, keeper: str, *others: str) -> None:
    """Say which images look alike, and which of them is kept."""
    rows = [(name, keeper, keeper, keeper, 0.9, "") for name in (keeper, *others)]
    with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
        duplicates.replace(connection, run.run_id, pd.DataFrame(rows, columns=duplicates.COLUMNS))


def labelled(library: Library, root: Path) -> None:
    """Label one image, so that somebody wants something."""
    pool(library, root, {"wanted": FINE})
    decide(library, decision("label", "wanted", "kudu"))


def predicted(library: Library, scores: Mapping[str, float]) -> None:
    """Let a model say something of images."""
    rows: Sequence[dict[str, Any]] = [said(name, "kudu", score) for name, score in scores.items()]
    predict(library, rows)
