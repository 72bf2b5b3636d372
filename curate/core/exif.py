"""What a camera wrote into a photo: when, with what and where it was taken.

EXIF is decoration: what is malformed in it is missing, and costs the picture nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

Tags = Mapping[int, Any]


def exif_of(image: Image.Image) -> dict[int, Any]:
    """Give the EXIF tags that matter; those of the place lie under the number of their block."""
    try:
        exif = image.getexif()
        tags = dict(exif)
        if tags:
            tags.update(exif.get_ifd(ExifTags.IFD.Exif))
    except MemoryError:
        raise
    except Exception:  # whatever Pillow raises on hostile bytes
        return {}
    if ExifTags.IFD.GPSInfo in tags:
        tags[ExifTags.IFD.GPSInfo] = _block(exif, ExifTags.IFD.GPSInfo)
    return tags


def _block(exif: Image.Exif, number: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(number))
    except MemoryError:
        raise
    except Exception:  # whatever Pillow raises on hostile bytes
        return {}


def date_taken(exif: Tags) -> str | None:
    """Give the time on the camera's clock, ISO 8601 to the second, without a zone."""
    value = exif.get(ExifTags.Base.DateTimeOriginal)
    try:
        # Cameras without a set clock write zeros, which are no date.
        return datetime.strptime(str(value)[:19], "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:
        return None


def camera(exif: Tags) -> str | None:
    """Give make and model as one text; the make is said once where the model says it too."""
    make, model = (_text(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    if model.casefold().startswith(make.casefold()):
        return model or None
    return f"{make} {model}".strip()


def _text(value: Any) -> str:
    """Give a text tag in one line that can be printed and stored; '' where it is none."""
    if not isinstance(value, str):
        return ""
    printable = "".join(sign if sign.isprintable() else " " for sign in value.partition("\0")[0])
    return " ".join(printable.split())


def place(exif: Tags) -> tuple[float, float] | None:
    """Give latitude and longitude in degrees; None where either is missing or malformed."""
    gps = exif.get(ExifTags.IFD.GPSInfo, {})
    keys = ExifTags.GPS
    latitude = _degrees(gps.get(keys.GPSLatitude), gps.get(keys.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(keys.GPSLongitude), gps.get(keys.GPSLongitudeRef), "EW", 180)
    # A receiver without a fix writes zeros; off the coast of Guinea lies no photo library.
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None
    return latitude, longitude


def _degrees(value: Any, side: Any, sides: str, most: int) -> float | None:
    """Read degrees, minutes and seconds, on the first (positive) or second (negative) side."""
    try:
        degrees, minutes, seconds = (float(part) for part in value)
        sign = (1, -1)[sides.index(_text(side).upper()[:1] or "?")]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    whole = 0 <= minutes < 60 and 0 <= seconds < 60 and degrees >= 0
    return sign * total if whole and math.isfinite(total) and total <= most else None
