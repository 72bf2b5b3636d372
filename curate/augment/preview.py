"""What a recipe makes of images, to be looked at before a model trains on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from curate.augment.checks.transforms import AS_IT_IS, UPSIDE_DOWN, reached_by
from curate.augment.policy import DEFAULT, Policy, compile_policy
from curate.core import chance, paths
from curate.core.errors import FaultsError, InputError
from curate.core.files import NotReadable
from curate.core.images import NotAnImage, Pixels, to_jpeg
from curate.core.look import open_content, shrunk
from curate.core.names import UNKNOWN, nearest
from curate.formats.tables import read_records
from curate.store import facts
from curate.store.library import Library

CHECKED = ("scope", "image_id", "class", "transform", "verdict", "reason")
"""Columns that are read of the table of `curate augment check`."""

SIDE = 224
"""Pixels along the longer side of what the recipe is tried on: about what a model sees."""

_QUALITY = 85
_EVERYTHING = (
    "flip(p=1) rotate(limit=180) zoom(min=0.5, max=2) "
    "colour(brightness=1, contrast=1, saturation=1, hue=0.5)"
)


@dataclass(frozen=True)
class Shown:
    """An image and what the recipe made of it.

    Attributes
    ----------
    image_id, path, label : str
        Of the image.
    warnings : tuple of str
        Why it, or its class, does not survive the recipe; empty where nothing speaks against it.
    pictures : tuple of bytes
        JPEGs: the original and its variants; empty where the image could not be opened.
    failure : str
        Why it could not; '' otherwise.
    """

    image_id: str
    path: str
    label: str
    warnings: tuple[str, ...]
    pictures: tuple[bytes, ...]
    failure: str = ""


def preview(
    library: Library,
    classes: Collection[str] = (),
    *,
    recipe: str = DEFAULT,
    variants: int = 6,
    per_class: int = 2,
    seed: int = 0,
    unsafe: pd.DataFrame | None = None,
) -> list[Shown]:
    """Try a recipe on some images of each class.

    Parameters
    ----------
    library : Library
        Where they are.
    classes : collection of str
        All of the library when empty.
    recipe : str
        Of the augmentation.
    variants : int
        How many are made of each image.
    per_class : int
        How many images of each class.
    seed : int
        Which images, and what the recipe leaves to chance.
    unsafe : DataFrame, optional
        As `read_unsafe` gives it. Images that it warns of are chosen first.

    Returns
    -------
    list of Shown
        By class.

    Raises
    ------
    InputError
        The recipe is none, or no usable image has one of the labels.
    """
    policy = compile_policy(recipe)
    with library.reading() as connection:
        images = facts.images(connection)
    named = images[images["usable"] & images["label"].notna() & (images["label"] != UNKNOWN)]
    _refuse_unknown(classes, sorted(set(named["label"])))
    asked = named[named["label"].isin(list(classes))] if classes else named
    warned = _warnings(unsafe, recipe) if unsafe is not None else _Warnings({}, {})
    chosen = _chosen(asked, warned.images, per_class, seed)
    return [
        _shown(row["image_id"], row["path"], row["label"], warned, policy, variants, seed)
        for row in chosen.to_dict("records")
    ]


def read_unsafe(path: Path) -> pd.DataFrame:
    """Read what is unsafe from the table of `curate augment check`.

    Returns
    -------
    DataFrame
        Columns `CHECKED`, as texts; only the rows whose verdict is unsafe.

    Raises
    ------
    InputError, FaultsError
        The table cannot be read, or lacks a column.
    """
    records = read_records(path, "a table of `curate augment check`")
    _, header = next(records, ("line 1", []))
    missing = [f"line 1: the column {name!r} is missing" for name in CHECKED if name not in header]
    if missing:
        raise FaultsError(str(path), missing, "Make it with `curate augment check --csv FILE`.")
    rows = [dict(zip(header, cells, strict=False)) for _, cells in records]
    table = pd.DataFrame(rows, columns=header, dtype=object)[list(CHECKED)].fillna("")
    return table[table["verdict"] == "unsafe"].reset_index(drop=True)


@dataclass(frozen=True)
class _Warnings:
    """Reasons by image id and by class."""

    images: dict[str, list[str]]
    classes: dict[str, list[str]]


def _warnings(unsafe: pd.DataFrame, recipe: str) -> _Warnings:
    """Keep what the recipe can come to; a transform that is not known here is kept too."""
    irrelevant = (reached_by(_EVERYTHING) | {UPSIDE_DOWN}) - reached_by(recipe)
    found = _Warnings({}, {})
    for row in unsafe[~unsafe["transform"].isin(irrelevant)].to_dict("records"):
        what = "" if row["transform"] in ("", AS_IT_IS) else f"{row['transform']}: "
        kept, key = (
            (found.images, "image_id") if row["scope"] == "image" else (found.classes, "class")
        )
        kept.setdefault(row[key], []).append(f"{what}{row['reason']}")
    return found


def _refuse_unknown(classes: Collection[str], known: Sequence[str]) -> None:
    for name in classes:
        if name not in known:
            near = nearest(name, known)
            raise InputError(
                f"class {name!r}",
                "no usable image of the library has this label",
                f"Did you mean {near!r}?" if near else "`curate status` lists the classes",
            )
    if not known:
        raise InputError(
            "the library", "no usable image has a label", "`curate scan FOLDER --labels folder`"
        )


def _chosen(
    images: pd.DataFrame, warned: Collection[str], per_class: int, seed: int
) -> pd.DataFrame:
    drawn = images.assign(
        first=~images["image_id"].isin(list(warned)),
        draw=chance.fractions(seed, images["image_id"], "augment preview"),
    ).sort_values(["label", "first", "draw"])
    chosen: pd.DataFrame = drawn.groupby("label", sort=False).head(per_class)
    return chosen


def _shown(
    image_id: str,
    path: str,
    label: str,
    warned: _Warnings,
    policy: Policy,
    variants: int,
    seed: int,
) -> Shown:
    warnings = (*warned.images.get(image_id, ()), *warned.classes.get(label, ()))
    try:
        content, picture = open_content(paths.from_text(path), SIDE)
        if content.image_id != image_id:
            raise NotReadable(f"changed since it was scanned (it is {content.image_id} now)")
    except (NotReadable, NotAnImage) as error:
        return Shown(image_id, path, label, warnings, (), str(error))
    original = shrunk(picture.pixels, SIDE)
    made: list[Pixels] = [original]
    for number in range(variants):
        made.append(policy(original, chance.generator(seed, image_id, f"preview {number}")))
    return Shown(
        image_id, path, label, warnings, tuple(to_jpeg(pixels, _QUALITY) for pixels in made)
    )
