"""Libraries of real files for the tests of what `curate split` writes and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from curate.core.identity import Content, file_id
from curate.store import files, runs
from curate.store.files import FileRow
from curate.store.library import Library
from tests.store.made import decide, said


def put(library: Library, *photos: Path) -> list[str]:
    """Register files as a scan does, without looking at their pixels; give their image ids."""
    ids = [file_id(photo) for photo in photos]
    rows, contents = [], []
    for photo, image_id in zip(photos, ids, strict=True):
        status = photo.stat()
        path = str(photo.resolve()).encode()
        rows.append(
            FileRow(path, image_id, status.st_size, status.st_mtime_ns, status.st_ino, "ok")
        )
        contents.append(Content(image_id, status.st_size, 96, 64, "JPEG", None))
    with runs.running(library, "scan", {}) as run, library.writing() as connection:
        files.register(connection, run.run_id, rows, contents)
    return ids


def tell(library: Library, image_id: str, **what: Any) -> None:
    """Decide of one image: label="cat", origin="staged", reject="blurred", group_burst="7" …"""
    made = []
    for name, value in what.items():
        kind, _, field = name.partition("_")
        made.append(said(kind, image_id, value, field=field))
    decide(library, *made)


def listing(folder: Path, **columns: list[str]) -> Path:
    """Write a split file; its columns are given."""
    file = folder / "listing.csv"
    pd.DataFrame(columns).to_csv(file, index=False)
    return file
