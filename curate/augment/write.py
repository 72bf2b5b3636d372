"""Synthetic images for a thin class, each made from a real one that it stays tied to.

What ties them is written into the library before the file is there, so that no scan can take one of
these files for a photo, whenever it comes along.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pandas as pd

from curate.augment.parents import TRAIN, parents, shared_out, wanted
from curate.augment.policy import DEFAULT, compile_policy
from curate.augment.variants import Variant, variants
from curate.core import paths
from curate.core.errors import InputError
from curate.core.files import NotReadable, describe, write_whole
from curate.core.identity import image_id
from curate.core.images import NotAnImage
from curate.core.look import open_content, shrunk
from curate.formats.layout import folder_name
from curate.formats.tables import read_rows, write_csv
from curate.store import decisions, facts, runs
from curate.store.decisions import Decision
from curate.store.library import Library

STAGE = "augment"
MANIFEST = "synthetic.csv"
COLUMNS = ("path", "label", "sub_class", "origin", f"{facts.GROUP_PREFIX}{facts.PARENT}")
"""Columns of the manifest, which `curate scan --labels` reads."""

SIDE = 1024
"""Pixels along the longer side of what is written, at most: more than models look at."""

_Details = list[Mapping[str, Any]]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    table : DataFrame
        One row a new file: image_id, path (text), parent, variant.
    failures : DataFrame
        One row a parent that could not be opened: image_id, path, stage, reason.
    manifest : Path
        Names the synthetic images of the folder, for `curate scan FOLDER --labels`; it is there
        when the folder has any.
    lacking : int
        How many images the class had lacked.
    parents : int
        How many images could be parents.
    unsplit : bool
        Whether the parents are in no split yet: then they will train, with all of their groups.
    """

    table: pd.DataFrame
    failures: pd.DataFrame
    manifest: Path
    lacking: int
    parents: int
    unsplit: bool


@dataclass(frozen=True)
class _Parent:
    """A real image, and what the log says of each image that was made from it."""

    image_id: str
    path: str
    sub_class: str
    split: str
    made: _Details


def write(
    library: Library, label: str, to: int, folder: Path, *, recipe: str = DEFAULT, seed: int = 0
) -> Written:
    """Make synthetic images until a class has as many usable images as it is wanted to have.

    Parameters
    ----------
    library : Library
        Read, and written to: origin and parent of each file. Labels come with the manifest.
    label : str
        The class.
    to : int
        Usable images that it is to have, of whatever origin.
    folder : Path
        Where the files are written, in a folder of their class; made where it is not there.
    recipe : str
        Of the augmentation.
    seed : int
        Which parents come first, and what the recipe leaves to chance.

    Returns
    -------
    Written
        The same library and arguments give the same files, byte for byte. There are fewer than the
        class lacks where the recipe comes to nothing new any more.

    Raises
    ------
    PolicyError
        The class has no usable image, or none that may be a parent.
    InputError
        The recipe is none, or the folder cannot be written.
    """
    compile_policy(recipe)
    asked = {"class": label, "to": to, "folder": str(folder), "recipe": recipe, "seed": seed}
    with runs.running(library, STAGE, asked) as run:
        images, made = _read(library)
        lacking = wanted(images, label, to)
        order = parents(images, label, seed) if lacking else []
        family = _family(images, order, made)
        rows: list[tuple[str, str, str, int]] = []
        failures: list[tuple[str, str, str, str]] = []
        try:
            for parent, new in _new(family, lacking, recipe, seed, failures):
                with library.writing() as connection:
                    said = _said(parent, new, recipe, seed)
                    decisions.append(connection, run.run_id, said)
                rows += _written(parent, new, folder / folder_name(label), recipe, seed)
        finally:
            # Also on Ctrl-C: the files that are there can be scanned.
            _add_to_manifest(folder, label, rows, family)
        run.summary.update(images=len(rows), lacking=lacking, failed=len(failures))
    return Written(
        pd.DataFrame(rows, columns=["image_id", "path", "parent", "variant"]),
        pd.DataFrame(failures, columns=["image_id", "path", "stage", "reason"], dtype="str"),
        folder / MANIFEST,
        lacking,
        len(family),
        any(parent.split != TRAIN for parent in family.values()),
    )


def _read(library: Library) -> tuple[pd.DataFrame, dict[str, _Details]]:
    """Give the images, with the last split of each, and what was made of each parent so far."""
    with library.reading() as connection:
        images = facts.images(connection)
        placed = decisions.current(connection, "split", withdrawn=False)
        groups = decisions.current(connection, "group")
    last = placed.set_index("image_id")["value"].astype(object)
    images["ever"] = last.reindex(images["image_id"]).fillna("").to_numpy()
    made: dict[str, _Details] = {}
    # What was decided of and never came to be, because the command was stopped, is made again.
    ours = groups[(groups["field"] == facts.PARENT) & groups["image_id"].isin(images["image_id"])]
    for parent, detail in zip(ours["value"], ours["detail"], strict=True):
        made.setdefault(parent, []).append(detail)
    return images, made


def _family(
    images: pd.DataFrame, order: Sequence[str], made: Mapping[str, _Details]
) -> dict[str, _Parent]:
    rows = images.set_index("image_id").loc[list(order)].fillna({"sub_class": ""}).reset_index()
    return {
        row["image_id"]: _Parent(
            row["image_id"],
            row["path"],
            row["sub_class"],
            row["split"],
            made.get(row["image_id"], []),
        )
        for row in rows.to_dict("records")
    }


def _new(
    family: Mapping[str, _Parent],
    lacking: int,
    recipe: str,
    seed: int,
    failures: list[tuple[str, str, str, str]],
) -> Iterator[tuple[_Parent, list[Variant]]]:
    """Make what is lacking, parent by parent; note the parents that cannot be opened."""
    have = {name: len(parent.made) for name, parent in family.items()}
    left = lacking
    while left and have:
        for name, number in shared_out(have, left).items():
            parent = family[name]
            new: list[Variant] = []
            try:
                new = list(islice(_variants(parent, recipe, seed), number))
            except (NotReadable, NotAnImage) as error:
                failures.append((name, parent.path, STAGE, str(error)))
            if len(new) < number:
                # Its share goes to the others, in another round.
                del have[name]
            else:
                have[name] += number
            parent.made.extend(_detail(variant, recipe, seed) for variant in new)
            left -= len(new)
            if new:
                yield parent, new


def _variants(parent: _Parent, recipe: str, seed: int) -> Iterator[Variant]:
    content, picture = open_content(paths.from_text(parent.path), SIDE)
    if content.image_id != parent.image_id:
        raise NotReadable(f"changed since it was scanned (it is {content.image_id} now)")
    same = [
        made for made in parent.made if (made.get("recipe"), made.get("seed")) == (recipe, seed)
    ]
    return variants(
        parent.image_id,
        shrunk(picture.pixels, SIDE),
        recipe,
        seed,
        {made["variant"] for made in same},
        {made["pixels"] for made in parent.made if "pixels" in made},
    )


def _detail(variant: Variant, recipe: str, seed: int) -> dict[str, Any]:
    return {
        "recipe": recipe,
        "seed": seed,
        "variant": variant.number,
        "pixels": variant.pixels,
    }


def _said(parent: _Parent, new: Sequence[Variant], recipe: str, seed: int) -> list[Decision]:
    made = []
    for variant in new:
        name = image_id(variant.data)
        tied = _detail(variant, recipe, seed)
        made += [
            Decision("origin", name, "synthetic", f"augment/origin/{name}", STAGE),
            Decision("group", name, parent.image_id, f"augment/{name}", STAGE, facts.PARENT, tied),
        ]
    return made


def _written(
    parent: _Parent, new: Sequence[Variant], folder: Path, recipe: str, seed: int
) -> list[tuple[str, str, str, int]]:
    how = sha256(f"{seed} {recipe}".encode()).hexdigest()[:6]
    rows = []
    for variant in new:
        place = folder / f"{parent.image_id}-{how}-{variant.number:03d}.jpg"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(place, partial(_put, data=variant.data))
        except OSError as error:
            raise InputError(
                str(place), f"cannot be written: {describe(error)}", "Give a folder that can be."
            ) from error
        path = paths.to_text(os.fsencode(place))
        rows.append((image_id(variant.data), path, parent.image_id, variant.number))
    return rows


def _put(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _add_to_manifest(
    folder: Path,
    label: str,
    rows: Sequence[tuple[str, str, str, int]],
    family: Mapping[str, _Parent],
) -> None:
    """Name new files in the manifest, beside those that are there still."""
    place = folder / MANIFEST
    if not rows:
        return
    _, *before = read_rows(place) if place.exists() else [(0, list(COLUMNS))]
    root = os.fsencode(folder)
    lines = {
        cells[0]: cells
        for _, cells in before
        if os.path.isfile(paths.beside(root, paths.from_text(cells[0])))
    }
    for _, path, parent, _ in rows:
        inside = paths.to_text(os.path.relpath(paths.from_text(path), root))
        lines[inside] = [inside, label, family[parent].sub_class, "synthetic", parent]
    table = pd.DataFrame(sorted(lines.values()), columns=list(COLUMNS), dtype=object)
    write_csv(table, place)
