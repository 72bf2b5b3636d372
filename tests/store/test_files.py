"""Files lead to images; what is under a folder is what starts with its path."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.files import FileEntry, Walked
from curate.store import files
from curate.store.files import FileRow, missing
from curate.store.library import Library

from .made import file_row, put_files

NAMES = [
    b"/p/a.jpg",
    b"/p/sub/b.jpg",
    b"/p.jpg",
    b"/p0/c.jpg",
    b"/p /d.jpg",
    b"/pa/e.jpg",
    b"/p/\xff\n.jpg",
    b"/P/f.jpg",
]


@pytest.mark.parametrize("root", [b"/p", b"/p/"])
def test_only_what_lies_in_a_folder_is_under_it(library: Library, root: bytes) -> None:
    put_files(library, *(file_row(path, path.hex()) for path in NAMES))
    with library.reading() as connection:
        found = files.known(connection, [root])
    assert sorted(found) == [b"/p/a.jpg", b"/p/sub/b.jpg", b"/p/\xff\n.jpg"]


def test_a_file_is_under_itself_and_everything_under_the_top(library: Library) -> None:
    put_files(library, *(file_row(path, path.hex()) for path in NAMES))
    with library.reading() as connection:
        assert list(files.known(connection, [b"/p.jpg"])) == [b"/p.jpg"]
        assert len(files.known(connection, [b"/"])) == len(NAMES)
        assert len(files.known(connection, [b"/p", b"/P"])) == 4


def test_a_file_is_known_as_it_was_last_seen(library: Library) -> None:
    row = file_row(b"/p/a.jpg", "i1", mtime_ns=2**62, inode=2**40)
    put_files(library, row)
    newer = replace(row, image_id=None, status="failed", reason="decode: broken", bytes=7)
    put_files(library, newer)
    with library.reading() as connection:
        assert files.known(connection, [b"/p"]) == {b"/p/a.jpg": newer}


def test_a_gone_file_is_remembered_and_not_listed(library: Library) -> None:
    put_files(library, *(file_row(f"/p/{n:04}".encode(), f"i{n}") for n in range(1200)))
    with library.writing() as connection:
        files.mark_gone(connection, 1, [f"/p/{n:04}".encode() for n in range(1100)])
    with library.reading() as connection:
        assert len(files.table(connection)) == 100
        assert len(files.known(connection, [b"/p"])) == 1200
        assert len(files.one_path_each(connection)) == 100


def test_the_table_is_for_people(library: Library) -> None:
    put_files(library, file_row(b"/p/\xff.jpg", "i1"), file_row(b"/p/a.jpg"))
    with library.reading() as connection:
        table = files.table(connection, [b"/p"])
    assert list(table.columns) == ["path", "image_id", "status", "reason", "bytes"]
    assert table["path"].tolist() == ["/p/a.jpg", r"/p/\xff.jpg"]
    assert table["image_id"].isna().tolist() == [True, False]


def test_copies_are_one_image_with_several_files(library: Library) -> None:
    put_files(library, *(file_row(path, "i1") for path in (b"/b", b"/a", b"/c")))
    with library.reading() as connection:
        assert files.one_path_each(connection).to_dict("records") == [
            {"image_id": "i1", "path": "/a", "files": 3}
        ]


def test_what_could_not_be_listed_is_not_missing() -> None:
    known = {
        row.path: row
        for row in (
            file_row(b"/p/a", "i"),
            file_row(b"/p/closed/b", "i"),
            file_row(b"/p/closed2/c", "i"),
            file_row(b"/p/unseen", "i"),
            file_row(b"/p/was", "i", status="gone"),
            file_row(b"/p/met", "i"),
        )
    }
    passed = Walked(failed=[(b"/p/closed", "permission denied"), (b"/p/unseen", "i/o error")])
    found = [FileEntry(b"/p/met", 1, 1, 1)]
    assert missing(known, found, passed) == [b"/p/a", b"/p/closed2/c"]


@given(st.sampled_from(["bytes", "mtime_ns", "inode"]), st.integers(1, 2**40))
def test_a_file_has_changed_when_anything_about_it_has(name: str, by: int) -> None:
    entry = FileEntry(b"/p/a", 10, 20, 30)
    row = FileRow.read(entry, "i1", "")
    assert not row.changed(entry)
    assert row.changed(replace(entry, **{name: getattr(entry, name) + by}))


def test_a_row_of_a_file_says_whether_it_could_be_read() -> None:
    entry = FileEntry(b"/p/a", 10, 20, 30)
    assert FileRow.read(entry, "i1", "").status == "ok"
    failed = FileRow.read(entry, None, "decode: broken")
    assert (failed.status, failed.reason) == ("failed", "decode: broken")
