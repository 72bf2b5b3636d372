"""What is done to a picture to see whether it survives: the ends of a recipe, flips and turns.

A recipe draws by chance between its ends; what survives both ends survives what lies between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np

from curate.augment.policy import Change, Colour, Mirror, Pixels, Warp, compile_policy
from curate.augment.with_albumentations import change
from curate.core.images import as_pixels
from curate.models.recipe import parse

AS_IT_IS = "as it is"
FLIP = "flip"
UPSIDE_DOWN = "upside down"
TURNS = (AS_IT_IS, "turn 90", "turn 180", "turn 270")
"""By how many degrees, clockwise; in order of quarters."""


@dataclass(frozen=True)
class Transform:
    """One thing that is done to a picture.

    Attributes
    ----------
    change : callable
        Pixels to pixels of the same shape.
    inverse : str
        The transform that undoes it; '' where none of those that are tried does.
    """

    change: Callable[[Pixels], Pixels]
    inverse: str


def transforms_of(recipe: str) -> dict[str, Transform]:
    """Give the transforms that a recipe is checked with, by name.

    Flips and turns are always among them; a rotation, a zoom or a change of colour only where the
    recipe has it, at both of its ends.

    Raises
    ------
    InputError
        As `compile_policy`.
    """
    compile_policy(recipe)
    used = _steps(recipe)
    limit = used.get("rotate", {}).get("limit", 0)
    least, most = zoom_of(recipe)
    colour = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, **used.get("colour", {})}
    hue = colour.pop("hue")
    dark, bright = ({name: 1 + way * by for name, by in colour.items()} for way in (-1, 1))
    quarters = {
        name: Transform(partial(turned, quarters=number), TURNS[-number % 4])
        for number, name in enumerate(TURNS)
    }
    ends: dict[str, tuple[Change, str]] = {
        FLIP: (Mirror(upside_down=False), FLIP),
        UPSIDE_DOWN: (Mirror(upside_down=True), UPSIDE_DOWN),
        "rotate left": (Warp(degrees=-limit), "rotate right"),
        "rotate right": (Warp(degrees=limit), "rotate left"),
        "zoom out": (Warp(scale=least), ""),
        "zoom in": (Warp(scale=most), ""),
        "dark": (Colour(**dark, hue=0.0), "bright"),
        "bright": (Colour(**bright, hue=0.0), "dark"),
        "hue down": (Colour(1.0, 1.0, 1.0, -hue), "hue up"),
        "hue up": (Colour(1.0, 1.0, 1.0, hue), "hue down"),
    }
    wanted = reached_by(recipe) | {FLIP, UPSIDE_DOWN}
    others = {
        name: Transform(partial(_changed, one=one), inverse)
        for name, (one, inverse) in ends.items()
        if name in wanted
    }
    return quarters | others


def reached_by(recipe: str) -> frozenset[str]:
    """Name the transforms that a recipe may come to, by chance; never `AS_IT_IS`.

    Steps add up: both flips make half a turn, a flip and half a turn the other flip.
    """
    used = _steps(recipe)
    limit = used.get("rotate", {}).get("limit", 0)
    least, most = zoom_of(recipe)
    colour = used.get("colour", {})
    light = any(colour.get(name, 0) > 0 for name in ("brightness", "contrast", "saturation"))
    hue = colour.get("hue", 0) > 0
    quarter = used.get("rot90", {}).get("p", 0) > 0
    may = {
        FLIP: used.get("flip", {}).get("p", 0) > 0,
        UPSIDE_DOWN: used.get("vflip", {}).get("p", 0) > 0,
        "turn 90": quarter or limit >= 90,
        "turn 180": quarter or limit >= 180,
        "turn 270": quarter or limit >= 90,
        "rotate left": limit > 0,
        "rotate right": limit > 0,
        "zoom out": least < 1,
        "zoom in": most > 1,
        "dark": light,
        "bright": light,
        "hue down": hue,
        "hue up": hue,
    }
    reached = {name for name, is_reached in may.items() if is_reached}
    # None of the three comes from the step of another, so any two can meet.
    halves = {FLIP, UPSIDE_DOWN, "turn 180"}
    return frozenset(reached | halves if len(reached & halves) > 1 else reached)


def zoom_of(recipe: str) -> tuple[float, float]:
    """Give the least and the largest scale that a recipe zooms by; 1 where it does not."""
    zoom = _steps(recipe).get("zoom", {"min": 1.0, "max": 1.0})
    return float(zoom["min"]), float(zoom["max"])


def turned(pixels: Pixels, quarters: int) -> Pixels:
    """Turn a picture clockwise by quarters; its shape stays, which squeezes what is no square."""
    height, width = pixels.shape[:2]
    made = np.ascontiguousarray(np.rot90(pixels, -quarters))
    return made if made.shape == pixels.shape else as_pixels(cv2.resize(made, (width, height)))


def _changed(pixels: Pixels, one: Change) -> Pixels:
    return np.ascontiguousarray(change(pixels, [one]))


def _steps(recipe: str) -> dict[str, dict[str, Any]]:
    """Give the arguments of each step; of a step that is there twice, of both as one."""
    steps: dict[str, dict[str, Any]] = {}
    for call in parse(recipe):
        before = steps.get(call.name)
        steps[call.name] = call.keywords if before is None else _both(before, call.keywords)
    return steps


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: _TOGETHER[name](one[name], other[name]) for name in one}


_TOGETHER: dict[str, Callable[[float, float], float]] = {
    "p": max,
    "limit": lambda one, other: min(one + other, 180),
    "min": lambda one, other: one * other,
    "max": lambda one, other: one * other,
    "hue": lambda one, other: min(one + other, 0.5),
    **dict.fromkeys(
        ("brightness", "contrast", "saturation"), lambda one, other: min(one + other, 1)
    ),
}
"""What the same step twice comes to, by argument."""
