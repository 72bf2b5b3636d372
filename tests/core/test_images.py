"""Every mode and format comes out as upright 8-bit RGB, at the size that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.core.hashes import HASHES
from curate.core.images import FORMATS, Pixels, open_picture

from ..pictures import encoded, picture

ORIENTATION = 0x0112
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "BMP": {},
    "TIFF": {},
    "PPM": {},
    "WEBP": {"lossless": True},
    "JPEG2000": {},
    "GIF": {},
}


def difference(one: Pixels, other: Pixels) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("kind", sorted(set(LOSSLESS) - {"GIF"}))
def test_a_lossless_format_gives_its_pixels_back(kind: str) -> None:
    pixels = picture()
    opened = open_picture(encoded(pixels, kind, **LOSSLESS[kind]))
    assert np.array_equal(opened.pixels, pixels)
    assert (opened.width, opened.height, opened.format) == (96, 64, kind)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_a_lossy_format_comes_close(kind: str) -> None:
    pixels = picture()
    opened = open_picture(encoded(pixels, kind))
    assert difference(opened.pixels, pixels) < (16 if kind == "GIF" else 6)
    assert opened.format == kind


def test_every_format_is_tested() -> None:
    assert set(FORMATS) == set(LOSSLESS) | {"JPEG", "AVIF"}


def test_pixels_are_contiguous_rgb_bytes() -> None:
    opened = open_picture(encoded(picture(), "PNG"))
    assert opened.pixels.dtype == np.uint8
    assert opened.pixels.flags.c_contiguous
    assert opened.pixels.shape == (64, 96, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bit_grey_is_shown_by_its_high_byte_and_not_white(kind: str, mode: str) -> None:
    ramp = np.arange(0, 65536, 64, dtype=np.uint16).reshape(16, 64)
    stored = ramp if mode == "I;16" else ramp.astype(">u2")
    image = Image.frombytes(mode, (64, 16), stored.tobytes())
    opened = open_picture(encoded(image, kind))
    assert np.array_equal(opened.pixels[:, :, 1], ramp >> 8)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_a_dark_16_bit_grey_stays_dark_in_either_byte_order(mode: str) -> None:
    dark = np.full((8, 8), 200, "<u2" if mode == "I;16" else ">u2")
    image = Image.frombytes(mode, (8, 8), dark.tobytes())
    assert open_picture(encoded(image, "TIFF")).pixels.max() == 0


@pytest.mark.parametrize("top", [255, 65535])
def test_32_bit_grey_is_scaled_by_the_range_its_values_declare(top: int) -> None:
    values = np.array([[0, top // 5], [top // 3, top]], np.int32)
    opened = open_picture(encoded(Image.fromarray(values), "TIFF"))
    assert opened.pixels[:, :, 0].tolist() == [[0, 51], [85, 255]]


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_float_grey_is_scaled_by_the_range_its_values_declare(top: float) -> None:
    values = np.array([[0, top / 5], [top / 3, top]], np.float32)
    opened = open_picture(encoded(Image.fromarray(values), "TIFF"))
    assert opened.pixels[:, :, 2].tolist() == [[0, 51], [85, 255]]


def test_a_float_that_is_no_number_is_black() -> None:
    values = np.array([[np.nan, 1.0]], np.float32)
    assert open_picture(encoded(Image.fromarray(values), "TIFF")).pixels[0, :, 0].tolist() == [
        0,
        255,
    ]


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert open_picture(encoded(image, "PNG")).pixels[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_grey_has_three_equal_channels() -> None:
    grey = Image.fromarray(picture()).convert("L")
    for format_ in ("PNG", "JPEG"):
        pixels = open_picture(encoded(grey, format_)).pixels
        assert np.array_equal(pixels[:, :, 0], pixels[:, :, 2])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    if mode == "PA":  # written as a palette with a transparent colour
        written = encoded(image.quantize(2, Image.Quantize.FASTOCTREE), "PNG")
    else:
        written = encoded(image.convert(mode), "PNG")
    assert open_picture(written).pixels[0].tolist() == [[255, 255, 255], [0, 0, 0]]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_half_transparent_red_is_pink(kind: str) -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 128))
    pixels = open_picture(encoded(image, kind, **LOSSLESS.get(kind, {}))).pixels
    assert np.abs(pixels.astype(int) - (255, 127, 127)).max() <= 6


def test_a_colour_named_transparent_is_white() -> None:
    image = Image.fromarray(np.array([[[9, 9, 9], [200, 10, 10]]], np.uint8))
    written = encoded(image, "PNG", transparency=(9, 9, 9))
    assert open_picture(written).pixels[0].tolist() == [[255, 255, 255], [200, 10, 10]]


@pytest.mark.parametrize("at_least", [None, 16])
def test_cmyk_comes_out_in_its_colours(at_least: int | None) -> None:
    pixels = picture(size=(96, 64))
    written = encoded(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=95)
    opened = open_picture(written, at_least)
    assert (opened.width, opened.height) == (96, 64)
    height, width = opened.pixels.shape[:2]
    assert min(height, width) >= (at_least or 64)
    assert (
        difference(opened.pixels, np.asarray(Image.fromarray(pixels).resize((width, height)))) < 6
    )


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    first = Image.new("RGB", (16, 16), (250, 0, 0))
    second = Image.new("RGB", (16, 16), (0, 0, 250))
    written = encoded(first, kind, save_all=True, append_images=[second], **LOSSLESS[kind])
    assert open_picture(written).pixels[8, 8].tolist() == [250, 0, 0]


def test_a_jpeg_with_further_pictures_gives_the_first() -> None:
    first, second = (Image.fromarray(picture(seed)) for seed in (1, 2))
    written = encoded(first, "MPO", save_all=True, append_images=[second], quality=95)
    opened = open_picture(written)
    assert opened.format == "MPO"
    assert difference(opened.pixels, picture(1)) < 6


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Store an upright picture as a camera does that writes this orientation."""
    undo = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: pixels.transpose(1, 0, 2)[::-1],
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: pixels.transpose(1, 0, 2)[:, ::-1],
    }
    return np.ascontiguousarray(undo[orientation])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_every_orientation_is_turned_upright(kind: str, orientation: int) -> None:
    pixels = picture(3)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = turned(pixels, orientation)
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "AVIF": {"quality": 95}}
    written = encoded(
        stored, kind, exif=exif.tobytes(), **LOSSLESS.get(kind, options.get(kind, {}))
    )
    opened = open_picture(written)
    assert (opened.width, opened.height) == (96, 64)
    if kind in LOSSLESS:
        assert np.array_equal(opened.pixels, pixels)
        for take in HASHES.values():
            assert take(opened.pixels) == take(pixels)
    else:
        assert difference(opened.pixels, pixels) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_scaled_decode_is_turned_and_reports_the_whole_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    pixels = picture(3, (960, 640))
    written = encoded(turned(pixels, orientation), "JPEG", exif=exif.tobytes())
    opened = open_picture(written, 64)
    assert (opened.width, opened.height) == (960, 640)
    height, width = opened.pixels.shape[:2]
    assert 64 <= height < 640
    assert abs(width - height * 1.5) <= 1
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
    assert difference(opened.pixels, np.asarray(small)) < 4


@pytest.mark.parametrize("value", [0, 9, 99])
def test_an_orientation_that_means_nothing_changes_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = value
    written = encoded(picture(), "PNG", exif=exif.tobytes())
    assert np.array_equal(open_picture(written).pixels, picture())


@pytest.mark.parametrize("side", [1, 7, 32, 63, 64, 65, 100, 399, 400, 401, 5000])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(600, 400), (401, 777)])
def test_never_below_the_side_that_was_asked_for(
    side: int, mode: str, size: tuple[int, int]
) -> None:
    written = encoded(Image.fromarray(picture(1, size)).convert(mode), "JPEG")
    opened = open_picture(written, side)
    assert (opened.width, opened.height) == size
    shorter = min(opened.pixels.shape[:2])
    assert min(side, *size) <= shorter <= min(size)


def test_much_smaller_is_decoded_much_smaller() -> None:
    written = encoded(picture(1, (1600, 1200)), "JPEG")
    assert open_picture(written, 100).pixels.shape == (150, 200, 3)


@pytest.mark.parametrize("seed", range(4))
def test_hashes_of_a_scaled_decode_are_close_to_those_of_the_whole(seed: int) -> None:
    written = encoded(picture(seed, (1600, 1200)), "JPEG")
    whole, scaled = open_picture(written), open_picture(written, 256)
    assert scaled.pixels.shape < whole.pixels.shape
    for take in HASHES.values():
        assert (take(whole.pixels) ^ take(scaled.pixels)).bit_count() <= 2


@pytest.mark.parametrize("value", ["2024:05:06 07:08:09", "2024:05:06 07:08:09.250"])
def test_the_camera_clock_is_read(value: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = value
    opened = open_picture(encoded(picture(), "JPEG", exif=exif.tobytes()))
    assert opened.taken == "2024-05-06T07:08:09"


@pytest.mark.parametrize(
    "value", ["0000:00:00 00:00:00", "yesterday", "2024:13:01 00:00:00", "", "    :  :     :  :  "]
)
def test_a_camera_clock_without_a_date_is_none(value: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = value
    assert open_picture(encoded(picture(), "JPEG", exif=exif.tobytes())).taken is None


def test_without_exif_there_is_no_date() -> None:
    assert open_picture(encoded(picture(), "PNG")).taken is None


def test_malformed_exif_costs_nothing() -> None:
    written = encoded(picture(), "PNG", exif=b"Exif\x00\x00MM\x00*\x00\xff\xff\xff" + b"\xff" * 40)
    assert np.array_equal(open_picture(written).pixels, picture())


@pytest.mark.parametrize(
    ("family", "numbers", "bits", "at_least"),
    [
        ("exif/test_{}.jpg", range(2, 9), 10, None),
        ("exif/orientation/Landscape_{}.jpg", range(9), 0, 256),
        ("exif/orientation/Portrait_{}.jpg", range(9), 0, 256),
        ("odd/Landscape_{}.jpg", range(2, 9), 6, None),
        ("odd/Portrait_{}.jpg", range(2, 9), 6, None),
        ("odd/Portrait_{}.jpg", range(2, 9), 6, 256),
    ],
)
def test_real_files_of_one_scene_hash_alike_however_they_are_turned(
    shared: Path, family: str, numbers: range, bits: int, at_least: int | None
) -> None:
    # They were encoded one by one, so pixels are not equal; turned wrongly, some 32 bits differ.
    opened = [
        open_picture((shared / "corpora" / family.format(number)).read_bytes(), at_least)
        for number in numbers
    ]
    assert len({(one.width, one.height) for one in opened}) == 1
    assert len({one.pixels.shape for one in opened}) == 1
    for take in HASHES.values():
        hashes = [take(one.pixels) for one in opened]
        assert max((hashes[0] ^ other).bit_count() for other in hashes) <= bits
