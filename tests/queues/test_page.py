from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from curate.core import contact_sheet
from curate.core.contact_sheet import Tile
from curate.queues import Filters, queue, sheet
from curate.scan import scan
from curate.store import files
from curate.store.library import Library

from ..conftest import MakePhoto
from .cases import predict, said


def test_a_queue_becomes_a_page_with_its_reasons(
    library: Library, photo: MakePhoto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [photo(f"pool/{seed}.jpg", seed) for seed in range(3)]
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        ids = list(files.one_path_each(connection)["image_id"])
    predict(library, [said(image_id, "zebra", 0.5) for image_id in ids])
    table = queue(library, "low-score", Filters(), min_count=40)
    drawn: list[Tile] = []

    def draw(tiles: list[Tile], **options: object) -> bytes:
        drawn.extend(tiles)
        return contact_sheet.contact_sheet(tiles, title=str(options["title"]))

    monkeypatch.setattr("curate.queues.page.contact_sheet", draw)
    page = sheet(library, table, "low-score")

    assert Image.open(io.BytesIO(page)).format == "JPEG"
    assert len(drawn) == len(paths)
    assert all(tile.thumbnail for tile in drawn)
    assert list(drawn[0].caption) == ["1. zebra", "best score 0.50 (zebra)"]
