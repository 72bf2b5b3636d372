"""Junk of several kinds, for `cleanup_junk.py`: what a camera, a phone and a copy leave behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.core.images import from_jpeg

EACH = 30
"""Images of a kind."""

_Picture = NDArray[np.uint8]


def drawn(folder: Path, photos: list[Path]) -> None:
    """Draw `EACH` images of every kind into a folder, some of them from photos (JPEG)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dice = np.random.default_rng(7)
    for number in range(EACH):
        photo = from_jpeg(photos[number].read_bytes())
        other = from_jpeg(photos[EACH + number].read_bytes())
        for kind, picture, quality in (
            ("blank", _blank(dice), 85),
            ("blurred", _blurred(other, dice), 85),
            ("copy", _again(photo, dice), int(dice.integers(60, 90))),
            ("screen", _screen(dice), 85),
        ):
            file = folder / f"{kind}-{number:02}.jpg"
            cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


def _blank(dice: np.random.Generator) -> _Picture:
    """A lens cap, a night, a wall or a white sky: one colour and the noise of a sensor."""
    level = dice.choice([4, 12, 110, 160, 250]) + dice.uniform(-4, 4, 3)
    noise = dice.normal(0, dice.uniform(0.5, 6), (360, 480, 3))
    return np.asarray(np.clip(level + noise, 0, 255), np.uint8)


def _blurred(photo: _Picture, dice: np.random.Generator) -> _Picture:
    """A photo out of focus, so that nothing can be told."""
    side = max(photo.shape[:2]) * float(dice.uniform(0.04, 0.1))
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), side), np.uint8)


def _again(photo: _Picture, dice: np.random.Generator) -> _Picture:
    """The same photo, smaller, as messengers send it."""
    scale = float(dice.uniform(0.4, 0.9))
    return np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _screen(dice: np.random.Generator) -> _Picture:
    """A window with a bar, lines of text and buttons."""
    picture = np.full((640, 360, 3), dice.integers(225, 255), np.uint8)
    colour = tuple(int(value) for value in dice.integers(0, 200, 3))
    cv2.rectangle(picture, (0, 0), (360, 48), colour, -1)
    for top in range(80, 560, int(dice.integers(26, 44))):
        right = int(dice.integers(120, 340))
        cv2.putText(picture, "word " * 8, (16, top), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40))
        picture[top - 20 : top + 10, right:] = picture[100, 359]
    cv2.rectangle(picture, (20, 580), (int(dice.integers(120, 340)), 620), colour, -1)
    return picture
