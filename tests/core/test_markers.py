"""What a plain JPEG is, is known for certain; of everything else nothing is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curate.core import images
from curate.core.images import NotAnImage, open_picture
from curate.core.markers import plain_size

from ..pictures import encoded, picture

PLAIN = encoded(picture(1, (96, 64)), "JPEG")


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"comment": b"at home"}, {"restart_marker_rows": 1}],
    ids=["baseline", "progressive", "comment", "restarts"],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_plain_jpeg_tells_its_size(mode: str, options: dict[str, object]) -> None:
    image = Image.fromarray(picture(1, (95, 63))).convert(mode)
    assert plain_size(encoded(image, "JPEG", **options)) == (95, 63)


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags.tobytes()


@pytest.mark.parametrize(
    "options",
    [{"exif": exif()}, {"icc_profile": b"a profile"}, {"xmp": b"<x:xmpmeta/>"}],
    ids=["exif", "profile", "xmp"],
)
def test_a_header_that_says_more_is_left_to_pillow(options: dict[str, object]) -> None:
    assert plain_size(encoded(picture(), "JPEG", **options)) is None


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO"])
def test_other_formats_are_left_to_pillow(kind: str) -> None:
    options = {"save_all": True, "append_images": [Image.fromarray(picture(2))]}
    image = Image.fromarray(picture())
    assert plain_size(encoded(image, kind, **(options if kind == "MPO" else {}))) is None


def test_four_channels_and_lossless_jpegs_are_left_to_pillow(shared: Path) -> None:
    assert plain_size(encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG")) is None
    assert plain_size((shared / "corpora/odd/testimgl.jpg").read_bytes()) is None


@pytest.mark.parametrize("end", [0, 1, 2, 3, 4, 20, 100, 200, 600])
def test_a_header_that_ends_early_tells_nothing(end: int) -> None:
    assert plain_size(PLAIN[: min(end, PLAIN.index(b"\xff\xda"))]) is None


def test_no_pixels_and_no_tables_are_left_to_pillow() -> None:
    frame = PLAIN.index(b"\xff\xc0")
    flat = PLAIN[: frame + 5] + b"\0\0" + PLAIN[frame + 7 :]
    assert plain_size(flat) is None
    tables = PLAIN.index(b"\xff\xdb")
    assert plain_size(PLAIN[:tables] + PLAIN[frame:]) is None


@given(st.binary(max_size=60), st.integers(0, 700))
def test_no_bytes_raise(junk: bytes, place: int) -> None:
    found = plain_size(PLAIN[:place] + junk + PLAIN[place + len(junk) :])
    assert found is None or min(found) > 0
    assert plain_size(b"\xff\xd8\xff" + junk) is None


def outcome(data: bytes, at_least: int | None) -> object:
    try:
        opened = open_picture(data, at_least)
    except NotAnImage:
        return "refused"
    return opened.width, opened.height, opened.format, opened.taken, opened.pixels.tobytes()


@pytest.mark.parametrize("at_least", [None, 30])
def test_the_short_way_opens_what_pillow_opens(
    at_least: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of damaged files: every byte of the header, and some behind it, is changed."""
    rng = np.random.default_rng(0)
    places = [*range(0, 640, 3), *rng.integers(640, len(PLAIN), 60).tolist()]
    damaged = [PLAIN]
    for place in places:
        changed = bytearray(PLAIN)
        changed[place] ^= int(rng.integers(1, 256))
        damaged.append(bytes(changed))
    ours = [outcome(data, at_least) for data in damaged]
    monkeypatch.setattr(images, "plain_size", lambda data: None)
    differ = [
        number for number, data in enumerate(damaged) if ours[number] != outcome(data, at_least)
    ]
    assert differ == []
    assert 0 < ours.count("refused") < len(ours)
