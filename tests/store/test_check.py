"""`check` names everything that is not whole."""

from __future__ import annotations

import sqlite3

import pytest

from curate.store import check
from curate.store.files import register
from curate.store.library import Library
from curate.store.runs import running

from .made import file_row, put_files


def test_a_whole_library_has_no_faults(library: Library) -> None:
    put_files(library, file_row(b"/a", "i1"), file_row(b"/b"))
    assert check.faults(library) == []


def test_a_file_without_its_image_is_named(library: Library) -> None:
    with running(library, "scan", {}) as run, library.writing() as connection:
        register(connection, run.run_id, [file_row(b"/a\xff", "i1")], [])
    (fault,) = check.faults(library)
    assert fault.endswith("its image is not in the library")


@pytest.mark.usefixtures("in_file")
def test_a_reference_that_leads_nowhere_is_named(library: Library) -> None:
    put_files(library, file_row(b"/a", "i1"))
    connection = sqlite3.connect(library.folder / "library.db", isolation_level=None)
    connection.execute("UPDATE files SET run_id = 99")
    connection.close()
    assert check.faults(library) == ["database: a row of files refers to a missing one"]
