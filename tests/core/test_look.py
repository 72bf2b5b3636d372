"""One look at a file tells everything that a scan writes down of it."""

from __future__ import annotations

import io
import os
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from curate.core.files import NotReadable
from curate.core.hashes import HASHES
from curate.core.identity import ID_LENGTH, file_id, image_id
from curate.core.images import NotAnImage, open_picture
from curate.core.look import (
    DECODED_SIDE,
    HASHED_SIDE,
    THUMBNAIL_SIDE,
    finished,
    hashed,
    look,
    seen,
    shrunk,
)
from curate.core.quality import measured

from ..conftest import MakePhoto
from ..pictures import picture


def test_a_look_is_of_one_content(photo: MakePhoto) -> None:
    path = photo("a.jpg", 4, (640, 480))
    data = path.read_bytes()
    found = look(os.fsencode(path))
    picture = open_picture(data, DECODED_SIDE)
    assert found.content.image_id == sha256(data).hexdigest()[:ID_LENGTH]
    assert (found.content.bytes, found.content.format) == (len(data), "JPEG")
    assert (found.content.width, found.content.height) == (640, 480)
    assert found.hashes == {name: take(hashed(picture.pixels)) for name, take in HASHES.items()}
    assert found.quality == measured(shrunk(picture.pixels, THUMBNAIL_SIDE))
    assert (found.camera, found.place) == (None, None)


def test_looks_that_are_finished_together_are_those_of_each_alone(photo: MakePhoto) -> None:
    sizes = [(640, 480), (480, 640), (90, 70), (640, 480), (1, 1), (30, 200), (348, 348)]
    paths = [
        os.fsencode(photo(f"{number}.jpg", number, size)) for number, size in enumerate(sizes * 3)
    ]
    together = finished([seen(path) for path in paths])
    assert together == [look(path) for path in paths]
    assert together[0].hashes != together[1].hashes
    assert finished([]) == []


@pytest.mark.parametrize("size", [(1, 1), (64, 90), (127, 500), (128, 128), (500, 333)])
def test_hashes_are_of_the_means_of_whole_blocks(size: tuple[int, int]) -> None:
    width, height = size
    pixels = picture(2, size)
    found = hashed(pixels)
    blocks = max(1, min(size) // HASHED_SIDE)
    assert found.shape == (height // blocks, width // blocks, 3)
    assert blocks == 1 or min(found.shape[:2]) >= HASHED_SIDE
    left, top = width % blocks // 2, height % blocks // 2
    first = pixels[top : top + blocks, left : left + blocks].mean(axis=(0, 1))
    assert np.abs(found[0, 0] - first).max() <= 0.5


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


@pytest.mark.parametrize("size", [(348, 348), (319, 200), (349, 261), (500, 375), (1403, 260)])
def test_a_thumbnail_averages_areas(size: tuple[int, int]) -> None:
    """Fine noise comes out nearly as it does from the exact mean of areas, and not as samples."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    smooth = picture(1, size)
    pixels = (smooth // 2 + noise // 2).astype(np.uint8)
    small = shrunk(pixels, THUMBNAIL_SIDE)
    exact = np.asarray(
        Image.fromarray(pixels).resize((small.shape[1], small.shape[0]), Image.Resampling.BOX)
    )
    assert max(small.shape) == THUMBNAIL_SIDE
    sampled = Image.fromarray(pixels).resize(exact.shape[1::-1], Image.Resampling.NEAREST)
    error, coarse = (np.abs(np.asarray(one).astype(int) - exact).mean() for one in (small, sampled))
    assert error < coarse / 2
    assert abs(float(small.mean()) - float(pixels.mean())) < 0.5


def test_a_thumbnail_does_not_shift() -> None:
    """A picture that is its own mirror image stays so, whatever is left over at its edges."""
    for width in (480, 481, 482, 1403):  # 0, 1 and 2 columns left over of blocks of 3; 3 of 8
        half = picture(width, (width, 300))
        pixels = np.maximum(half, half[:, ::-1])
        small = shrunk(np.ascontiguousarray(pixels), THUMBNAIL_SIDE).astype(int)
        assert np.abs(small - small[:, ::-1]).mean() < 1.5


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
