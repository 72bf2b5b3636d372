"""A scan takes an archive as a folder, and one that lies in a folder as its members."""

from __future__ import annotations

import tarfile
from pathlib import Path

from curate.core import paths
from curate.scan import scan
from curate.store import decisions, thumbnails
from curate.store.library import Library

from ..conftest import MakePhoto


def test_members_are_images_with_the_labels_of_their_folders(
    library: Library, photo: MakePhoto, tmp_path: Path
) -> None:
    (tmp_path / "p/cat").mkdir(parents=True)
    with tarfile.open(tmp_path / "p/cat/x.tar", "w") as archive:
        archive.add(photo("one.jpg", 1), "joey/1.jpg")
    with tarfile.open(tmp_path / "p/y.tar", "w") as archive:
        archive.add(photo("two.jpg", 2), "./dog/2.jpg")
    scanned = scan(library, tmp_path / "p", labels="folder", backend="serial")
    root = paths.to_text(paths.absolute(tmp_path))
    assert scanned.table["path"].tolist() == [
        f"{root}/p/cat/x.tar//joey/1.jpg",
        f"{root}/p/y.tar//./dog/2.jpg",
    ]
    with library.reading() as connection:
        labels = decisions.current(connection, "label").set_index("image_id")["value"]
    ids = scanned.table["image_id"]
    assert labels.loc[ids].tolist() == ["cat", "dog"]
    assert thumbnails.fetch(library, ids.tolist()).keys() == set(ids)
    again = scan(library, tmp_path / "p/y.tar", labels="folder", backend="serial")
    assert (again.counts["unchanged"], again.counts["gone"]) == (1, 0)
    (tmp_path / "p/y.tar").unlink()
    assert scan(library, tmp_path / "p", backend="serial").counts["gone"] == 1
