"""What is broken, too large or no image at all is refused, and never shown as half a picture."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.core.images import MAX_PIXELS, NotAnImage, open_picture

from ..pictures import encoded, picture

WRITTEN: dict[str, dict[str, Any]] = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_deflate"},
    "AVIF": {},
    "JPEG2000": {},
    "PPM": {},
}


@cache
def written(kind: str) -> bytes:
    return encoded(picture(1, (160, 120)), kind, **WRITTEN[kind])


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = encoded(picture(), "PNG")
    chunk = b"IHDR" + header
    return start[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + start[33:]


@pytest.mark.parametrize("at_least", [None, 32])
@pytest.mark.parametrize("percent", [0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90])
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_truncated_file_is_refused(kind: str, percent: int, at_least: int | None) -> None:
    whole = written(kind)
    open_picture(whole, at_least)
    with pytest.raises(NotAnImage):
        open_picture(whole[: len(whole) * percent // 100], at_least)


@pytest.mark.parametrize("at_least", [None, 32])
@pytest.mark.parametrize("percent", [20, 50, 90])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_truncated_jpeg_of_any_kind_is_refused(
    mode: str, options: dict[str, bool], percent: int, at_least: int | None
) -> None:
    whole = encoded(Image.fromarray(picture(1, (320, 240))).convert(mode), "JPEG", **options)
    cut = whole[: len(whole) * percent // 100]
    with pytest.raises(NotAnImage):
        open_picture(cut, at_least)


@pytest.mark.parametrize("at_least", [None, 32])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_ends_properly_in_the_middle_is_not_shown_grey(
    mode: str, at_least: int | None
) -> None:
    whole = encoded(Image.fromarray(picture(1, (320, 240))).convert(mode), "JPEG")
    with pytest.raises(NotAnImage, match="premature end"):
        open_picture(whole[: len(whole) // 2] + b"\xff\xd9", at_least)


def test_a_jpeg_with_a_hole_is_refused() -> None:
    whole = encoded(picture(1, (320, 240)), "JPEG")
    middle = len(whole) // 2
    with pytest.raises(NotAnImage):
        open_picture(whole[:middle] + bytes(500) + whole[middle + 500 :])


def test_junk_behind_a_whole_picture_does_no_harm() -> None:
    whole = encoded(picture(), "JPEG")
    expected = open_picture(whole).pixels
    assert np.array_equal(open_picture(whole + b"junk" * 100).pixels, expected)


def test_an_empty_file_says_so() -> None:
    with pytest.raises(NotAnImage, match="empty file"):
        open_picture(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"%PDF-1.4\n",
        b"\x00" * 1000,
        b"just text",
    ],
    ids=["eps", "svg", "html", "pdf", "zeros", "text"],
)
def test_what_is_no_image_is_refused_by_its_content(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="not an image of an accepted format"):
        open_picture(data)


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "SGI", "DDS", "EPS"])
def test_formats_that_are_not_on_the_list_are_refused(kind: str) -> None:
    with pytest.raises(NotAnImage, match="not an image of an accepted format"):
        open_picture(encoded(picture(), kind))


def test_no_other_program_is_started(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    for path in sorted((shared / "corpora/pillow/eps").glob("*.eps")):
        with pytest.raises(NotAnImage):
            open_picture(path.read_bytes())


@pytest.mark.parametrize("size", [(50_000, 50_000), (1, MAX_PIXELS + 1), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(NotAnImage, match="too large"):
        open_picture(bomb(*size))


def test_a_size_between_warning_and_error_warns_nobody() -> None:
    # Pillow warns from 89 million pixels on; the header is accepted, the missing data is not.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NotAnImage, match="broken PNG"):
            open_picture(bomb(10_000, 10_000))


@pytest.mark.parametrize(
    "name",
    [
        "pillow/decompression_bomb.gif",
        "pillow/decompression_bomb.ico",
        "pillow/bmp/b/badwidth.bmp",
        "pillow/bmp/b/reallybig.bmp",
        "pillow/png_decompression_dos.png",
        "odd/giant-image.jpg",
        "odd/65536-uint32-limit.png",
    ],
)
def test_real_bombs_are_refused(shared: Path, name: str) -> None:
    with pytest.raises(NotAnImage):
        open_picture((shared / "corpora" / name).read_bytes())


def test_grey_values_that_cannot_be_shown_say_their_range() -> None:
    values = np.array([[-3.0, 1e6]], np.float32)
    with pytest.raises(NotAnImage, match=r"grey values from -3 to 1e\+06"):
        open_picture(encoded(Image.fromarray(values), "TIFF"))


def test_a_lossless_jpeg_is_opened_at_any_side(shared: Path) -> None:
    # It cannot be scaled; asked to, libjpeg-turbo writes past the end of a small buffer. In a
    # process of its own: where this fails, it takes the process with it.
    path = shared / "corpora/odd/testimgl.jpg"
    code = (
        "import sys; from curate.core.images import open_picture\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "shapes = {open_picture(data, side).pixels.shape for side in (None, 1, 30, 100, 200)}\n"
        "print(shapes)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout.strip()) == (0, "{(149, 227, 3)}"), told.stderr


def test_a_lossless_jpeg_in_disguise_ends_no_process(shared: Path) -> None:
    # With a quantization table it looks like a JPEG that can be scaled.
    data = (shared / "corpora/odd/testimgl.jpg").read_bytes()
    table = b"\xff\xdb\x00\x43\x00" + bytes(range(1, 65))
    disguised = data[:2] + table + data[2:]
    code = (
        "import sys; from curate.core.images import NotAnImage, open_picture\n"
        "data = sys.stdin.buffer.read()\n"
        "for side in (1, 30, 100):\n"
        "    try: open_picture(data, side)\n"
        "    except NotAnImage: pass"
    )
    told = subprocess.run([sys.executable, "-c", code], input=disguised, check=False)
    assert told.returncode == 0
