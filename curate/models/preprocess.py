"""What an image goes through before a model sees it: resize, crop, and the numbers to normalise by.

`prepare` gives the pixels that timm's evaluation transform gives, bit for bit, without loading
torch: it runs in the workers that decode. Normalising is left to the device that runs the model,
which does it for a whole batch at once; until then an image is a quarter of the size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.core.errors import InputError

Pixels = NDArray[np.uint8]

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}

LARGEST_SIDE = 4096
"""Pixels of the largest input side of a model that is accepted."""

ELONGATED = 16
"""An image is cut before it is resized where the result would be this many crops long.

A strip of 1×60,000 pixels would otherwise grow to 256×15,000,000 before its middle is cut out.
"""


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become a model's input.

    Attributes
    ----------
    height, width : int
        The model's input, in pixels.
    interpolation : str
        A key of `INTERPOLATIONS`.
    crop_pct : float
        Input side over resized side: 0.875 resizes to 256 and crops 224.
    crop_mode : str
        ``center`` (shorter side to the resized side, crop), ``squash`` (both sides, the aspect is
        lost) or ``border`` (longer side, padded with the mean).
    mean, std : tuple of float
        By channel, for values in 0…1.
    """

    height: int
    width: int
    interpolation: str
    crop_pct: float
    crop_mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault is not None:
            raise InputError(*fault)

    @property
    def resized(self) -> tuple[int, int]:
        """Height and width that the image is resized to (before the crop)."""
        return math.floor(self.height / self.crop_pct), math.floor(self.width / self.crop_pct)

    def at_size(self, size: int) -> Preprocessing:
        """Give the same preprocessing for a square input of `size` pixels."""
        return replace(self, height=size, width=size)

    def to_json(self) -> dict[str, Any]:
        """Give plain values from which `from_json` makes an equal record."""
        return {
            "height": self.height,
            "width": self.width,
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            "crop_mode": self.crop_mode,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Read what `to_json` gave.

        Raises
        ------
        InputError
            A value is missing, of the wrong type or out of its range.
        """
        try:
            return cls(
                height=values["height"],
                width=values["width"],
                interpolation=values["interpolation"],
                crop_pct=values["crop_pct"],
                crop_mode=values["crop_mode"],
                mean=tuple(values["mean"]),
                std=tuple(values["std"]),
            )
        except (KeyError, TypeError) as error:
            raise InputError(
                f"preprocessing {dict(values)!r}", f"cannot be read ({error!r})", _REMEDY
            ) from error

    @classmethod
    def from_data_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Take over timm's data config (the result of `timm.data.resolve_model_data_config`)."""
        channels, height, width = config["input_size"]
        if channels != 3:
            raise InputError(
                f"a model for {channels} channels", "images have three", "Take another model"
            )
        return cls(
            height=height,
            width=width,
            interpolation=config["interpolation"],
            crop_pct=config["crop_pct"],
            crop_mode=config["crop_mode"],
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
        )


def decode_side(preprocessing: Preprocessing) -> int:
    """Pixels along the shorter side that `curate.core.images.open_picture` should keep.

    Twice the side that is resized to: then the last halving is always done by the resize's own
    filter, and the decoder's cheaper one cannot be seen in the scores (`docs/training.md` has the
    largest difference that was measured).
    """
    return 2 * max(preprocessing.resized)


Box = tuple[float, float, float, float]
Resize = Callable[[Pixels, tuple[int, int], str, Box], Pixels]
"""From pixels, the wanted (height, width), the interpolation and the part that is taken."""


def with_pillow(pixels: Pixels, size: tuple[int, int], interpolation: str, box: Box) -> Pixels:
    """Resize as timm does."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size[::-1], INTERPOLATIONS[interpolation], box=box))


def prepare(pixels: Pixels, preprocessing: Preprocessing, resize: Resize = with_pillow) -> Pixels:
    """Resize and crop an upright RGB image as timm's evaluation transform does.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        As `open_picture` gives them.
    preprocessing : Preprocessing
        Of the model.
    resize : callable
        What resizes; `resizing.with_torch` is faster, and off by a level in a few pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Not yet normalised. Equal to timm's pixels bit for bit, except that an image more than
        `ELONGATED` times longer than wide may differ by one level.
    """
    height, width = pixels.shape[:2]
    target_height, target_width = _RESIZES[preprocessing.crop_mode](
        height, width, preprocessing.resized
    )
    box = (0.0, 0.0, float(width), float(height))
    limit = ELONGATED * max(preprocessing.resized)
    if max(target_height, target_width) > limit:
        box, target_height, target_width = _middle(
            height, width, target_height, target_width, limit
        )
    resized = resize(pixels, (target_height, target_width), preprocessing.interpolation, box)
    return _crop(resized, preprocessing)


def _resize_center(height: int, width: int, resized: tuple[int, int]) -> tuple[int, int]:
    if resized[0] == resized[1]:
        side = resized[0]
        if width <= height:
            return int(side * height / width), side
        return side, int(side * width / height)
    ratio = min(height / resized[0], width / resized[1])
    return round(height / ratio), round(width / ratio)


def _resize_border(height: int, width: int, resized: tuple[int, int]) -> tuple[int, int]:
    ratio = max(height / resized[0], width / resized[1])
    # A very thin image would be rounded away.
    return max(1, round(height / ratio)), max(1, round(width / ratio))


_RESIZES = {
    "center": _resize_center,
    "squash": lambda height, width, resized: resized,
    "border": _resize_border,
}


def _middle(
    height: int, width: int, target_height: int, target_width: int, limit: int
) -> tuple[tuple[float, float, float, float], int, int]:
    """Give the box of the source whose resize holds the middle `limit` pixels of the long side."""
    # An even cut keeps the middle where it was, so that the crop rounds the same way.
    kept_height = limit - (limit - target_height) % 2 if target_height > limit else target_height
    kept_width = limit - (limit - target_width) % 2 if target_width > limit else target_width
    margin_y = (target_height - kept_height) / 2 * height / target_height
    margin_x = (target_width - kept_width) / 2 * width / target_width
    return (margin_x, margin_y, width - margin_x, height - margin_y), kept_height, kept_width


def _crop(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Cut the middle out; where the image is smaller than that, it is padded first."""
    height, width = preprocessing.height, preprocessing.width
    pad_y = max(0, height - pixels.shape[0])
    pad_x = max(0, width - pixels.shape[1])
    if pad_y or pad_x:
        border = preprocessing.crop_mode == "border"
        fill = [round(255 * value) for value in preprocessing.mean] if border else [0, 0, 0]
        canvas = np.empty((pixels.shape[0] + pad_y, pixels.shape[1] + pad_x, 3), np.uint8)
        canvas[:] = fill
        top, left = pad_y // 2, pad_x // 2
        canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        pixels = canvas
    top = round((pixels.shape[0] - height) / 2)
    left = round((pixels.shape[1] - width) / 2)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


_REMEDY = "Take a checkpoint whose preprocessing is complete, or give the size that it was made for"


def _fault(preprocessing: Preprocessing) -> tuple[str, str, str] | None:
    for name in ("height", "width"):
        side = getattr(preprocessing, name)
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= LARGEST_SIDE:
            return f"{name} {side!r}", f"a side has 1 to {LARGEST_SIDE} whole pixels", _REMEDY
    if preprocessing.interpolation not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        return f"interpolation {preprocessing.interpolation!r}", f"known are {known}", _REMEDY
    if preprocessing.crop_mode not in _RESIZES:
        known = ", ".join(_RESIZES)
        return f"crop mode {preprocessing.crop_mode!r}", f"known are {known}", _REMEDY
    if not _is_number(preprocessing.crop_pct) or not 0.05 <= preprocessing.crop_pct <= 2:
        return f"crop_pct {preprocessing.crop_pct!r}", "it lies in 0.05…2", _REMEDY
    if min(preprocessing.resized) < 1:
        return (
            f"crop_pct {preprocessing.crop_pct!r}",
            "it leaves no pixel of this side",
            _REMEDY,
        )
    for name in ("mean", "std"):
        values: Sequence[Any] = getattr(preprocessing, name)
        if len(values) != 3 or not all(_is_number(value) for value in values):
            return f"{name} {values!r}", "it is three finite numbers", _REMEDY
    if min(preprocessing.std) <= 0:
        return f"std {preprocessing.std!r}", "a standard deviation is above 0", _REMEDY
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value)
