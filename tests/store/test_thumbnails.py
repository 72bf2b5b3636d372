"""Thumbnails come from the looks of a scan, or from the file itself."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from curate.core.files import Walked
from curate.core.listing import walk
from curate.core.look import look
from curate.store import thumbnails
from curate.store.files import FileRow
from curate.store.library import Library

from ..conftest import MakePhoto
from .made import put_files, put_shard

Register = Callable[[Path], str]


@pytest.fixture
def registered(library: Library) -> Register:
    """Put a file into the library as a bulk identification does: without a look."""

    def register(path: Path) -> str:
        (entry,) = walk(os.fsencode(path), Walked())
        image_id = look(entry.path).content.image_id
        put_files(library, FileRow.read(entry, image_id, ""))
        return image_id

    return register


def test_those_of_a_scan_are_given(library: Library) -> None:
    put_shard(library, "a", "b")
    assert thumbnails.fetch(library, ["a", "z"]) == {"a": b"jpeg"}
    assert thumbnails.fetch(library, []) == {}


def test_the_rest_is_made_from_the_files(
    library: Library, photo: MakePhoto, registered: Register
) -> None:
    put_shard(library, "a")
    image_id = registered(photo("p/x.jpg", 1))
    found = thumbnails.fetch(library, [image_id, "a"])
    assert found.keys() == {"a", image_id}
    assert Image.open(io.BytesIO(found[image_id])).size == (96, 64)


def test_a_file_with_another_content_by_now_is_not_shown(
    library: Library, photo: MakePhoto, registered: Register
) -> None:
    image_id = registered(photo("p/x.jpg", 1))
    photo("p/x.jpg", 2)
    assert thumbnails.fetch(library, [image_id]) == {}


def test_a_file_that_is_gone_is_not_shown(
    library: Library, photo: MakePhoto, registered: Register
) -> None:
    path = photo("p/x.jpg", 1)
    image_id = registered(path)
    path.unlink()
    assert thumbnails.fetch(library, [image_id]) == {}
