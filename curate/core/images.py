"""The one opener of pixels.

Everything that looks at an image comes through `open_picture`: it decides which formats are
accepted, turns the picture upright, brings every mode to 8-bit RGB, and refuses what is broken
instead of returning half a picture. It is meant to run in a worker process with limits on memory
and time (`curate.engine`), because decoders meet files that were made to hurt them.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from curate.core.exif import camera, date_taken, exif_of, place
from curate.core.markers import plain_size

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
"""Formats that are opened (JPEG includes MPO). None of their decoders starts another program."""

MAX_PIXELS = 178_956_970
"""Pixels of the largest image that is opened; Pillow's own bound against decompression bombs."""

# How EXIF orientations 2..8 are undone: (transpose, flip rows, flip columns), in this order.
_UPRIGHT = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}

# What libjpeg-turbo says where a part of the picture is not in the file, or is not readable.
_LOST_DATA = ("premature end", "bad huffman code", "instead of rst")


class NotAnImage(Exception):
    """The bytes are not an image that can be shown; the text says why, in a few words."""


@dataclass(frozen=True)
class Picture:
    """An opened image.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        Upright RGB; smaller than the image where a smaller one was enough (see `open_picture`).
    width, height : int
        Size of the whole upright image, in pixels.
    format : str
        One of `FORMATS`, or ``MPO`` (a JPEG with further pictures behind it).
    taken : str or None
        When the photo was taken by its camera's clock, ISO 8601 without a zone.
    camera : str or None
        Make and model of its camera.
    place : (float, float) or None
        Where it was taken: latitude (north is positive) and longitude (east is), in degrees.
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    taken: str | None
    camera: str | None = None
    place: tuple[float, float] | None = None


def open_picture(data: bytes, at_least: int | None = None) -> Picture:
    """Open an image from the bytes of its file.

    Parameters
    ----------
    data : bytes
        The whole file.
    at_least : int, optional
        The caller needs no more than this many pixels along the shorter side. A larger JPEG is
        then decoded at 1/2, 1/4 or 1/8, which costs a fraction of the time; never below this.
        (The scales between, such as 3/8, change scores more than twice as much.)

    Returns
    -------
    Picture
        Animations give their first frame; transparency is laid on white.

    Raises
    ------
    NotAnImage
        Empty, of no accepted format, too large, truncated or broken.
    MemoryError
        In a process with a memory limit.
    """
    if not data:
        raise NotAnImage("empty file (0 bytes)")
    size = plain_size(data)
    if size is not None and size[0] * size[1] <= MAX_PIXELS:
        pixels = _decode_jpeg(data, size, at_least or 0, "RGB")
        if pixels is not None:
            return Picture(pixels, *size, "JPEG", taken=None)
    return _open_by_pillow(data, at_least)


def _open_by_pillow(data: bytes, at_least: int | None) -> Picture:
    with warnings.catch_warnings():
        # Decoders warn of harmless faults; a fault that is not harmless raises.
        warnings.simplefilter("ignore")
        image = _identify(data)
        width, height = image.size
        try:
            pixels = _decode(image, data, at_least)
            # After decoding: Pillow turns TIFFs upright itself, and then takes the tag away.
            exif = exif_of(image)
        except (NotAnImage, MemoryError):
            raise
        except Exception as error:  # decoders raise whatever they like on hostile bytes
            raise NotAnImage(f"broken {image.format}: {_first_line(error)}") from error
    orientation = exif.get(ExifTags.Base.Orientation)
    transpose, flip_rows, flip_columns = _UPRIGHT.get(orientation or 1, (False, False, False))
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
        width, height = height, width
    pixels = pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return Picture(
        np.ascontiguousarray(pixels),
        width,
        height,
        str(image.format),
        date_taken(exif),
        camera(exif),
        place(exif),
    )


def to_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode RGB pixels as a JPEG without metadata."""
    encoded = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality, "RGB", "420")
    return bytes(encoded)


def from_jpeg(data: bytes) -> Pixels:
    """Decode what `to_jpeg` made; `NotAnImage` where it is damaged."""
    try:
        return as_pixels(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError as error:
        raise NotAnImage(f"broken JPEG: {_first_line(error)}") from error


def as_pixels(array: Any) -> Pixels:
    """Say that a result of OpenCV is bytes; its type tells no more than that it is numbers."""
    pixels: Pixels = array
    return pixels


def _identify(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise NotAnImage(f"too large: {_first_line(error)}") from error
    except UnidentifiedImageError as error:
        accepted = ", ".join(FORMATS)
        raise NotAnImage(
            f"not an image of an accepted format ({accepted}); it starts with {data[:12]!r}"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like on hostile bytes
        raise NotAnImage(f"broken header: {_first_line(error)}") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise NotAnImage(f"too large: {width}×{height} pixels, over the limit of {MAX_PIXELS:,}")
    if width < 1 or height < 1:
        raise NotAnImage(f"no pixels: {width}×{height}")
    return image


def _decode(image: Image.Image, data: bytes, at_least: int | None) -> Pixels:
    if isinstance(image, JpegImageFile):
        # A lossless JPEG (it has no quantization) cannot be scaled.
        side = at_least if at_least and getattr(image, "quantization", None) else 0
        # For CMYK only the faults count: Pillow keeps silent of lost data and shows it grey.
        cmyk = image.mode == "CMYK"
        pixels = _decode_jpeg(data, image.size, side, "CMYK" if cmyk else "RGB")
        if pixels is not None and not cmyk:
            return pixels
    if at_least is not None:
        image.draft(image.mode, (at_least, at_least))
    image.load()
    return _to_rgb(image)


def _decode_jpeg(data: bytes, size: tuple[int, int], side: int, colours: str) -> Pixels | None:
    """Decode with libjpeg-turbo; None where Pillow shall decide, for it can mend some faults.

    Parameters
    ----------
    data : bytes
        The whole file.
    size : (int, int)
        Width and height as somebody else read them.
    side : int
        Pixels along the shorter side that are enough; 0 for all.
    colours : str
        RGB or CMYK.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != size:
            raise NotAnImage(f"broken JPEG: is {width}×{height} and {size[0]}×{size[1]}")
        factor = next(f for f in (8, 4, 2, 1) if f == 1 or (side and min(size) >= f * side))
        # Room for all of it: asked to scale what it cannot, libjpeg-turbo writes every pixel.
        room = np.empty(height * width * len(colours), np.uint8)
        pixels = simplejpeg.decode_jpeg(
            data,
            colours,
            min_height=-(-height // factor),
            min_width=-(-width // factor),
            buffer=room,
            strict=True,
        )
    except ValueError as error:
        fault = _first_line(error)
        if any(sign in fault.lower() for sign in _LOST_DATA):
            raise NotAnImage(f"broken JPEG: {fault}") from error
        return None
    return np.asarray(pixels)


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        grey = _to_grey8(np.asarray(image))
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        upper = image.convert("RGBA")
        white = Image.new("RGBA", upper.size, "white")
        return np.asarray(Image.alpha_composite(white, upper).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _to_grey8(values: NDArray[Any]) -> Pixels:
    """Bring 16-bit, 32-bit and float greys to 8 bit by the range that their values declare.

    Pillow would clip them: every 16-bit photo would be white.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return (values >> 8).astype(np.uint8)
    finite = np.nan_to_num(values.astype(np.float64))
    low, high = float(finite.min()), float(finite.max())
    if low < 0 or high > 65535:
        raise NotAnImage(f"grey values from {low:g} to {high:g}; 0 to 65535 can be shown")
    scale = 255.0 if values.dtype.kind == "f" and high <= 1 else 1.0 if high <= 255 else 255 / 65535
    return np.round(finite * scale).astype(np.uint8)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
