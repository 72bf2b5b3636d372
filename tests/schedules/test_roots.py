"""The folders that a library was told of."""

from __future__ import annotations

import os
from pathlib import Path

from curate.scan import scan
from curate.schedules.roots import Root, declared
from curate.store.library import Library

from ..conftest import MakePhoto


def test_roots_are_given_as_they_were_scanned(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    with library.reading() as connection:
        assert declared(connection) == []
    odd = tmp_path / os.fsdecode(b"po\xffol\n")
    photo(tmp_path / "labelled" / "kudu" / "1.jpg", 1)
    photo(odd / "2.jpg", 2)
    scan(library, odd, origin="staged", backend="serial")
    scan(library, tmp_path / "labelled", labels="folder", backend="serial")
    pool, labelled = Root(str(odd), "", "staged"), Root(str(tmp_path / "labelled"), "folder", "")
    with library.reading() as connection:
        assert declared(connection) == [pool, labelled]
    scan(library, odd, backend="serial")
    with library.reading() as connection:
        assert declared(connection) == [labelled, Root(str(odd), "", "")]
