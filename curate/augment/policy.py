"""An augmentation policy is a recipe; compiled, it is a function of pixels and a generator.

What chance decides is drawn here, as a row of changes; a library only carries them out. So the
same recipe and the same generator mean the same picture, whichever library does it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models.recipe import Call, parse

Pixels = NDArray[np.uint8]
Policy = Callable[[Pixels, np.random.Generator], Pixels]

DEFAULT = (
    "flip(p=0.5) rotate(limit=10) zoom(min=0.85, max=1.15) "
    "colour(brightness=0.15, contrast=0.15, saturation=0.15, hue=0.02)"
)
"""Safe for most photographs: what stays recognisable to a person stays recognisable here."""


@dataclass(frozen=True)
class Mirror:
    """The picture mirrored: left and right exchanged, or top and bottom."""

    upside_down: bool


@dataclass(frozen=True)
class Turn:
    """The picture turned by so many quarters, clockwise."""

    quarters: int


@dataclass(frozen=True)
class Warp:
    """The picture turned and scaled about its centre, then moved; what lies beyond is mirrored.

    Attributes
    ----------
    degrees : float
        Clockwise.
    scale : float
        Above 1 things become larger.
    right, down : float
        As shares of the width and the height.
    """

    degrees: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0

    def then(self, other: Warp, height: int, width: int) -> Warp:
        """Give both as one, which reads the pixels once and is less blurred."""
        angle = radians(other.degrees)
        x, y = self.right * width * other.scale, self.down * height * other.scale
        return Warp(
            self.degrees + other.degrees,
            self.scale * other.scale,
            (x * cos(angle) - y * sin(angle)) / width + other.right,
            (x * sin(angle) + y * cos(angle)) / height + other.down,
        )


@dataclass(frozen=True)
class Colour:
    """Brightness, contrast and saturation multiplied, in this order; the hue moved round."""

    brightness: float
    contrast: float
    saturation: float
    hue: float


Change = Mirror | Turn | Warp | Colour
Changer = Callable[[Pixels, Sequence[Change]], Pixels]
"""What a library does: changes, one after the other, of pixels that it does not write to."""

LIBRARIES: dict[str, str] = {
    "albumentations": "curate.augment.with_albumentations:change",
    "torchvision": "curate.augment.with_torchvision:change",
}
"""Who can carry out a policy; imported when asked for."""


def compile_policy(recipe: str, library: str = "albumentations") -> Policy:
    """Make a policy out of its recipe.

    Parameters
    ----------
    recipe : str
        Steps of `KINDS` in the order in which they are applied, with keyword arguments.
        The empty recipe changes nothing.
    library : str
        One of `LIBRARIES`.

    Returns
    -------
    callable
        ``policy(pixels, generator)`` takes and returns uint8 (height, width, 3). All chance comes
        out of the generator, so the same state gives the same pixels. Threads may share it.

    Raises
    ------
    InputError
        An unknown step or library, or an argument that a step does not take.
    """
    calls = [_checked(call) for call in parse(recipe)]
    change = _changer(library)

    def policy(pixels: Pixels, generator: np.random.Generator) -> Pixels:
        changes = _drawn(calls, generator, *pixels.shape[:2])
        return np.ascontiguousarray(change(pixels, changes))

    return policy


def _changer(library: str) -> Changer:
    if library not in LIBRARIES:
        raise InputError(
            f"library {library!r}", f"known are {', '.join(LIBRARIES)}", "Take one of these"
        )
    module, _, name = LIBRARIES[library].partition(":")
    changer: Changer = getattr(import_module(module), name)
    return changer


def _drawn(
    calls: list[Call], generator: np.random.Generator, height: int, width: int
) -> list[Change]:
    """Let chance decide; changes that follow on each other and can be one become one."""
    changes: list[Change] = []
    for call in calls:
        draw, _ = KINDS[call.name]
        change = draw(generator, **call.keywords)
        last = changes[-1] if changes else None
        if isinstance(change, Warp) and isinstance(last, Warp):
            changes[-1] = last.then(change, height, width)
        elif isinstance(change, Turn) and height != width:
            # A batch has one shape: what is not square can only be turned by a half.
            changes += [Turn(2)] if change.quarters >= 2 else []
        elif change is not None:
            changes.append(change)
    return changes


def _flip(generator: np.random.Generator, p: float) -> Change | None:
    return Mirror(upside_down=False) if generator.random() < p else None


def _vflip(generator: np.random.Generator, p: float) -> Change | None:
    return Mirror(upside_down=True) if generator.random() < p else None


def _rot90(generator: np.random.Generator, p: float) -> Change | None:
    turned, quarters = generator.random() < p, int(generator.integers(1, 4))
    return Turn(quarters) if turned else None


def _rotate(generator: np.random.Generator, limit: float) -> Change:
    return Warp(degrees=generator.uniform(-limit, limit))


def _zoom(generator: np.random.Generator, min: float, max: float) -> Change:  # noqa: A002
    scale = generator.uniform(min, max)
    # Zoomed in, any window of the picture is as good as the middle; zoomed out, the middle keeps
    # the mirrored strips round the picture as narrow as can be.
    room = np.maximum(scale - 1, 0) / 2
    right, down = generator.uniform(-room, room, 2)
    return Warp(scale=scale, right=right, down=down)


def _colour(
    generator: np.random.Generator,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> Change:
    most = np.array([brightness, contrast, saturation, hue])
    drawn = generator.uniform(-most, most).tolist()
    return Colour(1 + drawn[0], 1 + drawn[1], 1 + drawn[2], drawn[3])


_Range = tuple[float, float]
KINDS: dict[str, tuple[Callable[..., Change | None], dict[str, _Range]]] = {
    "flip": (_flip, {"p": (0, 1)}),
    "rotate": (_rotate, {"limit": (0, 180)}),
    "zoom": (_zoom, {"min": (0.1, 10), "max": (0.1, 10)}),
    "colour": (
        _colour,
        {"brightness": (0, 1), "contrast": (0, 1), "saturation": (0, 1), "hue": (0, 0.5)},
    ),
    "vflip": (_vflip, {"p": (0, 1)}),
    "rot90": (_rot90, {"p": (0, 1)}),
}
"""The steps: what draws each, and its arguments with the range of each. All must be given.

`vflip` exchanges top and bottom and `rot90` turns by 90°, 180° or 270°: for pictures without an
upper side (from above, through a microscope), and so in no default.
"""


def _checked(call: Call) -> Call:
    if call.name not in KINDS:
        near = difflib.get_close_matches(call.name, KINDS, n=1)
        raise InputError(
            f"augmentation {call.name!r}",
            f"known are {', '.join(KINDS)}",
            f"Did you mean {near[0]}?" if near else "Take one of these",
        )
    _, ranges = KINDS[call.name]
    if call.keywords.keys() != ranges.keys():
        raise InputError(
            f"augmentation {call}",
            f"it takes exactly {', '.join(ranges)}",
            f"Write like: {DEFAULT}",
        )
    for name, (low, high) in ranges.items():
        value = call.keywords[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise InputError(
                f"augmentation {call}", f"{name} lies in {low}…{high}", f"Write like: {DEFAULT}"
            )
    if call.name == "zoom" and call.keywords["min"] > call.keywords["max"]:
        raise InputError(f"augmentation {call}", "min is not above max", "Exchange them")
    return call
