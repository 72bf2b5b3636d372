"""Rows for a library, made in one line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pyarrow as pa

from curate.core.identity import Content
from curate.store import decisions, files, looks, runs, shards
from curate.store.decisions import Decision
from curate.store.files import FileRow
from curate.store.library import Library
from curate.store.shards import Shard

MakeRows = Callable[..., pa.Table]

_keys = count()


def content(image_id: str, **changed: Any) -> Content:
    values: dict[str, Any] = {"bytes": 100, "width": 4, "height": 3, "format": "PNG", "taken": None}
    return Content(image_id, **(values | changed))


def file_row(path: bytes, image_id: str | None = None, **changed: Any) -> FileRow:
    values: dict[str, Any] = {"bytes": 100, "mtime_ns": 1, "inode": 1, "status": "ok"}
    if image_id is None:
        values |= {"status": "failed", "reason": "decode: broken"}
    return FileRow(path, image_id, **(values | changed))


def put_files(library: Library, *rows: FileRow) -> None:
    """Register files and their images in a run of their own."""
    with runs.running(library, "scan", {}) as run, library.writing() as connection:
        contents = [content(row.image_id) for row in rows if row.image_id is not None]
        files.register(connection, run.run_id, rows, contents)


def said(kind: str, image_id: str, value: str, **changed: Any) -> Decision:
    values: dict[str, Any] = {"key": f"key-{next(_keys)}", "actor": "ann"}
    return Decision(kind, image_id, value, **(values | changed))


def decide(library: Library, *made: Decision) -> int:
    """Append decisions in a run of their own; give the number of new ones."""
    with runs.running(library, "label", {}) as run, library.writing() as connection:
        return decisions.append(connection, run.run_id, made)


def looks_rows(*image_ids: str) -> pa.Table:
    """Make looks that tell nothing but a phash and a dhash by place, and a thumbnail."""
    rows = [
        {"image_id": image_id, "phash": place, "dhash": place, "thumbnail": b"jpeg"}
        for place, image_id in enumerate(image_ids)
    ]
    return pa.Table.from_pylist(rows, schema=looks.SCHEMA)


def old_looks_rows(*image_ids: str) -> pa.Table:
    """Make looks as the first version of curate wrote them."""
    return looks_rows(*image_ids).select(["image_id", "phash", "dhash", "thumbnail"])


def put_shard(
    library: Library, *image_ids: str, number: int = 0, rows: MakeRows = looks_rows
) -> Shard:
    """Write and reference a shard of looks in a run of its own."""
    with runs.running(library, "scan", {}) as run:
        shard = shards.write(library, "looks", run.run_id, number, rows(*image_ids))
        with library.writing() as connection:
            shards.reference(connection, shard)
    return shard
