"""One look at a file tells everything that a scan writes down of it."""

from __future__ import annotations

import io
import os
from hashlib import sha256

import pytest
from PIL import Image

from curate.core.files import NotReadable
from curate.core.hashes import HASHES
from curate.core.identity import ID_LENGTH, file_id, image_id
from curate.core.images import NotAnImage, open_picture
from curate.core.look import HASH_SIDE, THUMBNAIL_SIDE, look

from ..conftest import MakePhoto


def test_a_look_is_of_one_content(photo: MakePhoto) -> None:
    path = photo("a.jpg", 4, (640, 480))
    data = path.read_bytes()
    seen = look(os.fsencode(path))
    picture = open_picture(data, HASH_SIDE)
    assert seen.content.image_id == sha256(data).hexdigest()[:ID_LENGTH]
    assert (seen.content.bytes, seen.content.format) == (len(data), "JPEG")
    assert (seen.content.width, seen.content.height) == (640, 480)
    assert seen.hashes == {name: take(picture.pixels) for name, take in HASHES.items()}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (160, 120)),
        ((480, 640), (120, 160)),
        ((40, 30), (40, 30)),
        ((2000, 2), (160, 1)),
    ],
)
def test_a_thumbnail_fits_its_square_and_is_never_larger(
    photo: MakePhoto, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    thumbnail = Image.open(io.BytesIO(look(os.fsencode(photo("a.png", 1, size))).thumbnail))
    assert thumbnail.format == "JPEG"
    assert max(thumbnail.size) <= THUMBNAIL_SIDE
    assert thumbnail.size == expected


def test_a_thumbnail_carries_no_private_data(photo: MakePhoto) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    path = photo("a.jpg", exif=exif.tobytes(), comment=b"at home")
    thumbnail = look(os.fsencode(path)).thumbnail
    assert not Image.open(io.BytesIO(thumbnail)).getexif()
    assert b"a camera" not in thumbnail
    assert b"at home" not in thumbnail


def test_faults_keep_their_kind(photo: MakePhoto) -> None:
    path = photo("a.jpg")
    path.write_bytes(b"text")
    with pytest.raises(NotAnImage):
        look(os.fsencode(path))
    with pytest.raises(NotReadable):
        look(os.fsencode(path.with_name("missing.jpg")))


def test_a_large_file_has_the_same_name_as_its_bytes(photo: MakePhoto) -> None:
    path = photo("a.jpg")
    assert file_id(path) == image_id(path.read_bytes())
