"""A scan that is disturbed: by the disk, by Ctrl-C, by hostile files; and its laws."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import delete

from curate import engine
from curate.core.errors import InputError
from curate.core.look import look
from curate.engine import Outcome
from curate.scan import scan
from curate.store import check, files, looks, runs, schema, shards, thumbnails
from curate.store.library import Library, opened

from ..conftest import MakePhoto
from .seen import facts_of, labels_of, looks_of, scanned


def test_an_unmounted_disk_marks_nothing_gone(library: Library, photos: Path) -> None:
    scanned(library, photos, labels="folder")
    photos.rename(photos.with_name("elsewhere"))
    photos.mkdir()
    with pytest.raises(InputError, match="is its disk mounted"):
        scanned(library, photos, labels="folder")
    assert facts_of(library)["usable"].all()


@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_looks_that_are_damaged_are_made_again(library: Library, photos: Path, damage: str) -> None:
    scanned(library, photos, labels="folder")
    before = looks_of(library)
    (path,) = library.folder.glob("tables/looks/*")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.unlink()
    found = scanned(library, photos, labels="folder")
    assert (found.counts["read"], found.counts["decisions"]) == (4, 0)
    pd.testing.assert_frame_equal(looks_of(library), before)
    assert check.faults(library) == []


def test_a_library_of_an_older_version_is_looked_at_again(library: Library, photos: Path) -> None:
    scanned(library, photos, labels="folder")
    before = looks_of(library)
    (path,) = library.folder.glob("tables/looks/*")
    rows = pq.read_table(path).select(["image_id", "phash", "dhash", "thumbnail"])
    with runs.running(library, "scan", {}) as run:
        old = shards.write(library, "looks", run.run_id, 0, rows)
        with library.writing() as connection:
            connection.execute(delete(schema.shards))
            shards.reference(connection, old)
    meanwhile = looks_of(library)
    assert meanwhile.columns.tolist() == before.columns.tolist()
    assert meanwhile["whash"].isna().all()
    assert meanwhile["phash"].tolist() == before["phash"].tolist()
    shown = dict(zip(before["image_id"], map(bytes, before["thumbnail"]), strict=True))
    assert thumbnails.fetch(library, list(before["image_id"])) == shown
    for read in (4, 0):
        found = scanned(library, photos, labels="folder")
        assert (found.counts["read"], found.counts["decisions"]) == (read, 0)
        pd.testing.assert_frame_equal(looks_of(library), before)
    assert check.faults(library) == []


def test_camera_place_and_measures_are_written_down(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0110] = "One"
    exif.get_ifd(0x8825).update({1: "S", 2: (35.0, 30.0, 0.0), 3: "E", 4: (149.0, 0.0, 0.0)})
    told = look(os.fsencode(photo("p/told.jpg", 1, exif=exif.tobytes())))
    silent = look(os.fsencode(photo("p/silent.jpg", 2)))
    scanned(library, tmp_path / "p")
    rows = looks_of(library).set_index("image_id")
    row = rows.loc[told.content.image_id]
    assert (row["camera"], row["latitude"], row["longitude"]) == ("One", -35.5, 149.0)
    assert rows.loc[silent.content.image_id][["camera", "latitude", "longitude"]].isna().all()
    for one in (told, silent):
        row = rows.loc[one.content.image_id]
        assert row[list(one.hashes)].to_dict() == one.hashes
        for name, value in vars(one.quality).items():
            assert row[name] == pytest.approx(value, rel=1e-6)


def test_a_scan_that_is_interrupted_goes_on_where_it_was(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = engine.BACKENDS["serial"]

    def interrupted(*args: Any) -> Iterator[Outcome]:
        outcomes = serial(*args)
        yield next(outcomes)
        yield next(outcomes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(engine.BACKENDS, "serial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scanned(library, photos, labels="folder")
    assert labels_of(library) == {}
    found = scanned(library, photos, labels="folder")
    assert (found.counts["read"], found.counts["decisions"]) == (2, 3)
    assert len(looks_of(library)) == 4
    assert check.faults(library) == []


def test_a_disk_that_is_full_is_one_error_and_the_scan_goes_on_later(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate.core.errors import LibraryError

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("curate.core.files.sync_folder", full)
        with pytest.raises(LibraryError, match="no space left on device"):
            scanned(library, photos)
    assert scanned(library, photos).counts["read"] == 4
    assert check.faults(library) == []


def test_processes_and_serial_find_the_same(photos: Path, photo: MakePhoto) -> None:
    for number in range(40):
        photo(f"photos/many/{number}.png", number, (40, 30))
    (photos / "many/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    tables = []
    for backend in engine.BACKENDS:
        root = photos.parent / backend
        root.mkdir()
        with opened(root, make=True) as library:
            found = scanned(library, photos, labels="folder", backend=backend)
            tables.append((found.table, found.counts, facts_of(library), looks_of(library)))
    one, other = tables
    pd.testing.assert_frame_equal(one[0], other[0])
    assert one[1] == other[1]
    pd.testing.assert_frame_equal(one[2], other[2])
    pd.testing.assert_frame_equal(one[3], other[3])


def test_looks_are_what_a_look_at_each_file_says(library: Library, photos: Path) -> None:
    scanned(library, photos)
    with library.reading() as connection:
        parts = shards.paths(library, shards.referenced(connection, "looks"))
    rows = pa.concat_tables([pq.read_table(part) for part in parts]).to_pylist()
    expected = looks.rows(look(os.fsencode(path)) for path in photos.rglob("*.jpg")).to_pylist()
    assert sorted(rows, key=_image_id) == sorted(expected, key=_image_id)


def _image_id(row: dict[str, Any]) -> str:
    return str(row["image_id"])


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "copy", "move", "delete", "touch", "break", "scan"]),
            st.integers(0, 3),
            st.sampled_from(["cat", "dog", "."]),
        ),
        max_size=10,
    )
)
def test_after_any_changes_a_scan_tells_what_is_there(
    tmp_path: Path, photo: MakePhoto, steps: list[tuple[str, int, str]]
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        root = Path(name)
        photo(root / "p/start.png", 99, (12, 9))
        with opened(root, make=True) as library:
            for step, number, folder in [*steps, ("scan", 0, "")]:
                there = sorted((root / "p").rglob("*.png"))
                target = root / f"p/{folder}/{number}.png"
                target.parent.mkdir(exist_ok=True)
                if step == "scan":
                    scanned(library, root / "p", labels="folder")
                elif step == "add":
                    photo(target, number, (12, 9))
                elif step == "copy":
                    target.write_bytes(there[number % len(there)].read_bytes())
                elif step == "touch":
                    os.utime(there[number % len(there)], ns=(number, number))
                elif step == "break":
                    target.write_bytes(b"broken")
                elif step == "move":
                    there[number % len(there)].rename(target)
                elif len(there) > 1:
                    there[number % len(there)].unlink()
            expected = {}
            for path in sorted((root / "p").rglob("*.png")):
                data = path.read_bytes()
                expected[str(path)] = None if data == b"broken" else look(os.fsencode(path))
            with library.reading() as connection:
                table = files.table(connection)
            seen = dict(zip(table["path"], table["image_id"].astype(object), strict=True))
            assert {path: id_ if isinstance(id_, str) else None for path, id_ in seen.items()} == {
                path: one and one.content.image_id for path, one in expected.items()
            }
            looks = looks_of(library)
            assert looks["image_id"].is_unique
            assert set(looks["image_id"]) >= {
                one.content.image_id for one in expected.values() if one
            }
            assert check.faults(library) == []


def test_every_hostile_file_is_a_row(library: Library, shared: Path) -> None:
    corpora = shared / "corpora"
    found = scan(library, corpora)
    there = sorted(str(path) for path in corpora.rglob("*") if path.is_file())
    assert sorted(found.table["path"]) == there
    failed = found.table["status"] == "failed"
    assert (found.table["image_id"].isna() == failed).all()
    assert ((found.table["reason"] != "") == failed).all()
    kinds = set(found.table["reason"][failed].str.partition(":")[0])
    assert kinds <= {"decode", "memory", "time", "crash"}
    assert found.counts["images"] == len(looks_of(library)) > 700
    assert check.faults(library) == []


def test_trouble_of_the_system_does_not_undo_what_was_read(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned(library, photos, labels="folder")
    for shard in (library.folder / "tables" / "looks").iterdir():
        shard.unlink()  # so that every file is looked at again

    def short(path: bytes) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("curate.core.look.seen", short)
        found = scanned(library, photos, labels="folder")
    assert found.counts["missed"] == found.counts["files"] == 4
    assert found.counts["failed"] == 0
    assert facts_of(library)["usable"].all()
    assert scanned(library, photos, labels="folder").counts["missed"] == 0
    assert len(looks_of(library)) == 4


def test_classes_that_are_new_are_named(library: Library, photos: Path) -> None:
    assert scanned(library, photos, labels="folder").new_classes == ["cat", "dog"]
    assert scanned(library, photos, labels="folder").new_classes == []
