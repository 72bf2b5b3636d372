"""An augmentation policy is a recipe; compiled, it is a function of pixels and a generator."""

from __future__ import annotations

import difflib
import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.errors import InputError
from curate.models.recipe import Call, parse

# albumentations asks a server for its newest version when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2

Pixels = NDArray[np.uint8]
Policy = Callable[[Pixels, np.random.Generator], Pixels]

DEFAULT = (
    "flip(p=0.5) rotate(limit=10) zoom(min=0.85, max=1.15) "
    "colour(brightness=0.15, contrast=0.15, saturation=0.15, hue=0.02)"
)
"""Safe for most photographs: what stays recognisable to a person stays recognisable here."""


def compile_policy(recipe: str) -> Policy:
    """Make a policy out of its recipe.

    Parameters
    ----------
    recipe : str
        Steps of `KINDS` in the order in which they are applied, with keyword arguments.
        The empty recipe changes nothing.

    Returns
    -------
    callable
        ``policy(pixels, generator)`` takes and returns uint8 (height, width, 3). All chance comes
        out of the generator, so the same state gives the same pixels. One policy is for one
        thread at a time.

    Raises
    ------
    InputError
        An unknown step, or an argument that it does not take.
    """
    steps = [_step(call) for call in parse(recipe)]
    compose = albumentations.Compose(steps)

    def policy(pixels: Pixels, generator: np.random.Generator) -> Pixels:
        # Steps draw from a NumPy generator and from one of Python's: the second is made by the
        # first, and so both are set by whoever calls.
        compose.set_random_state(generator, random.Random(int(generator.integers(1 << 62))))
        return np.ascontiguousarray(compose(image=pixels)["image"])

    return policy


def _flip(p: float) -> Any:
    return albumentations.HorizontalFlip(p=p)


def _rotate(limit: float) -> Any:
    # The picture is mirrored past its border: black corners would tell a model how far it turned.
    return albumentations.Rotate(limit=(-limit, limit), border_mode=cv2.BORDER_REFLECT_101, p=1.0)


def _zoom(min: float, max: float) -> Any:  # noqa: A002 - the recipe's own words
    return albumentations.Affine(scale=(min, max), border_mode=cv2.BORDER_REFLECT_101, p=1.0)


def _colour(brightness: float, contrast: float, saturation: float, hue: float) -> Any:
    return albumentations.ColorJitter(
        brightness=(1 - brightness, 1 + brightness),
        contrast=(1 - contrast, 1 + contrast),
        saturation=(1 - saturation, 1 + saturation),
        hue=(-hue, hue),
        p=1.0,
    )


KINDS: dict[str, tuple[Callable[..., Any], dict[str, tuple[float, float]]]] = {
    "flip": (_flip, {"p": (0, 1)}),
    "rotate": (_rotate, {"limit": (0, 180)}),
    "zoom": (_zoom, {"min": (0.1, 10), "max": (0.1, 10)}),
    "colour": (
        _colour,
        {"brightness": (0, 1), "contrast": (0, 1), "saturation": (0, 1), "hue": (0, 0.5)},
    ),
}
"""The steps: what makes each, and its arguments with the range of each. All must be given."""


def _step(call: Call) -> Any:
    if call.name not in KINDS:
        near = difflib.get_close_matches(call.name, KINDS, n=1)
        raise InputError(
            f"augmentation {call.name!r}",
            f"known are {', '.join(KINDS)}",
            f"Did you mean {near[0]}?" if near else "Take one of these",
        )
    make, ranges = KINDS[call.name]
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
    return make(**call.keywords)
