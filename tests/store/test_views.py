"""DuckDB sees the database and the shards as tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.core.errors import LibraryError
from curate.store import views
from curate.store.library import Library, opened

from .made import decide, file_row, old_looks_rows, put_files, put_shard, said


def test_every_view_is_there_in_an_empty_library(library: Library) -> None:
    with views.asked(library, *views.VIEWS) as answering:
        for name in views.VIEWS:
            answering.execute(f"SELECT * FROM {name}")
            assert answering.fetchall() == []


def test_decisions_and_shards_meet(library: Library) -> None:
    put_files(library, file_row(b"/a", "i1"), file_row(b"/b", "i2"), file_row(b"/c"))
    decide(library, said("label", "i1", "cat"))
    put_shard(library, "i1")
    put_shard(library, "i2", number=1)
    query = "SELECT image_id, label, phash FROM images JOIN looks USING (image_id) ORDER BY 1"
    with views.asked(library, "images", "looks", "files") as answering:
        assert answering.execute(query).fetchall() == [("i1", "cat", 0), ("i2", None, 0)]
        answering.execute("SELECT path, status FROM files ORDER BY path")
        assert answering.fetchall() == [("/a", "ok"), ("/b", "ok"), ("/c", "failed")]


def test_the_columns_are_the_same_with_and_without_shards(library: Library) -> None:
    def columns() -> list[tuple[str, str]]:
        with views.asked(library, "looks") as answering:
            described = answering.execute("DESCRIBE looks").fetchall()
        return [(row[0], row[1]) for row in described]

    before = columns()
    put_shard(library, "a")
    assert columns() == before


def test_what_an_older_version_did_not_write_is_null(library: Library) -> None:
    query = "SELECT image_id, phash, whash, quality, camera, thumbnail FROM looks ORDER BY 1"
    old = ("a", 0, None, None, None, b"jpeg")
    put_shard(library, "a", rows=old_looks_rows)
    with views.asked(library, "looks") as answering:
        assert answering.execute(query).fetchall() == [old]
    put_shard(library, "b", number=1)
    with views.asked(library, "looks") as answering:
        assert answering.execute(query).fetchall() == [old, ("b", *old[1:])]
        types = {row[0]: row[1] for row in answering.execute("DESCRIBE looks").fetchall()}
    assert (types["whash"], types["quality"], types["latitude"]) == ("UBIGINT", "FLOAT", "DOUBLE")


@pytest.mark.parametrize("name", ["star*", "photos[1]", "what?", "quo'te"])
def test_the_folder_of_the_library_is_no_pattern(tmp_path: Path, name: str) -> None:
    for folder in (name, "starling", "photos1", "whats"):
        (tmp_path / folder).mkdir(exist_ok=True)
        with opened(tmp_path / folder, make=True) as library:
            put_shard(library, folder)
    with opened(tmp_path / name) as library, views.asked(library, "looks") as answering:
        assert answering.execute("SELECT image_id FROM looks").fetchall() == [(name,)]


def test_a_cut_shard_is_refused(library: Library) -> None:
    shard = put_shard(library, "a")
    (library.folder / shard.path).write_bytes(b"PAR1")
    refused = pytest.raises(LibraryError, match="a shard of looks is damaged")
    with refused, views.asked(library, "looks"):
        raise AssertionError("asked of a damaged shard")
