"""What the verdicts come to: a recipe for each class that the common one would spoil."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from curate.augment.checks.rows import CLASS, UNSAFE
from curate.augment.checks.transforms import FLIP, TURNS, UPSIDE_DOWN, reached_by
from curate.models.recipe import Call, parse


@dataclass(frozen=True)
class Proposal:
    """A policy to be looked at by a person; nothing applies it.

    Attributes
    ----------
    augment : str
        The recipe of every other class.
    augment_classes : dict of str to str
        Recipes of the classes that must have another.
    """

    augment: str
    augment_classes: dict[str, str]

    def to_toml(self) -> str:
        """Write it as it can stand in `curate.toml`."""
        lines = ["[train]", f"augment = {_quoted(self.augment)}"]
        if self.augment_classes:
            lines += ["", "[train.augment_classes]"]
        own = self.augment_classes.items()
        return "\n".join(lines + [f"{_quoted(name)} = {_quoted(recipe)}" for name, recipe in own])


def proposed(verdicts: pd.DataFrame, recipe: str) -> Proposal:
    """Take out of the recipe of each class what is unsafe for it, and nothing else.

    Parameters
    ----------
    verdicts : DataFrame
        As `rows.COLUMNS`. Only those of classes count: an image that does not survive is a
        person's to look at, and ``unknown`` is no reason to change anything.
    recipe : str
        The common one.
    """
    rows = verdicts[(verdicts["scope"] == CLASS) & (verdicts["verdict"] == UNSAFE)]
    rows = rows[rows["transform"].isin(reached_by(recipe))]
    classes = {
        str(name): without(recipe, set(members["transform"]))
        for name, members in rows.groupby("class")
    }
    return Proposal(recipe, classes)


_ALL_OR_NOTHING = {
    "flip": {FLIP},
    "vflip": {UPSIDE_DOWN},
    "rot90": set(TURNS[1:]),
}
"""Steps with a probability, and the transforms that forbid them."""


def without(recipe: str, transforms: set[str]) -> str:
    """Give a recipe that never comes to these transforms."""
    # Two steps may come to it together; then the rarer one goes too.
    made = recipe
    for also in ((), (UPSIDE_DOWN,), (UPSIDE_DOWN, *TURNS[1:])):
        if reached_by(made) & transforms:
            made = _without(parse(recipe), {*transforms, *also})
    return made


def _without(calls: Sequence[Call], transforms: set[str]) -> str:
    turning = sum(call.name == "rotate" for call in calls)
    reduced = [_reduced(call, transforms, turning) for call in calls]
    return " ".join(str(call) for call in reduced if reached_by(str(call)))


def _reduced(call: Call, transforms: set[str], turning: int) -> Call:
    """Change one step; `turning` rotations share the angle that is left."""
    changed: dict[str, Any] = {}
    if call.name in _ALL_OR_NOTHING:
        changed = {"p": 0} if _ALL_OR_NOTHING[call.name] & transforms else {}
    elif call.name == "rotate":
        limit = call.keywords["limit"]
        ends = ((0, {"rotate left", "rotate right"}), (89, {"turn 90", "turn 270"}),
                (179, {"turn 180"}))  # fmt: skip
        left = (end // turning for end, names in ends if names & transforms)
        changed = {"limit": min([limit, *left])}
    elif call.name == "zoom":
        changed = {"min": 1} if "zoom out" in transforms else {}
        changed |= {"max": 1} if "zoom in" in transforms else {}
    elif call.name == "colour":
        light = ("brightness", "contrast", "saturation")
        changed = dict.fromkeys(light, 0) if {"dark", "bright"} & transforms else {}
        changed |= {"hue": 0} if {"hue down", "hue up"} & transforms else {}
    return Call(call.name, {**call.keywords, **changed})


def _quoted(text: str) -> str:
    # What JSON writes is a TOML string too, except that DEL must be escaped there.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
