"""What `curate split` is given: options that go together, and images by id or path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from curate.cli.images import find_image

if TYPE_CHECKING:
    import pandas as pd

    from curate.store.library import Library

COLUMNS = ("image_id", "path", "label", "sub_class", "origin", "group", "split", "reason")

_ALONE = ("--explain", "--check", "--folds", "--from-lock")
"""Each of these is a command of its own."""


def only_given(options: Mapping[str, float | str | None]) -> dict[str, Any]:
    """The options that were given; a whole number of images is one, whatever it was parsed as."""
    return {
        name: int(value) if isinstance(value, float) and value >= 1 and value % 1 == 0 else value
        for name, value in options.items()
        if value is not None
    }


def refuse_contradictions(given: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """Refuse options that do not go together, before anything is read."""
    from curate.core.errors import InputError

    there = {name for name, value in given.items() if value not in (None, "", False, [])}
    alone = [name for name in _ALONE if name in there]
    others = sorted(there - set(_ALONE))
    if alone == ["--check", "--from-lock"]:
        alone = ["--check"]
    wrong = alone if len(alone) > 1 else []
    if alone and not wrong:
        refused = {"--lock", "--move"} if alone == ["--from-lock"] else set(given)
        wrong = [alone[0], *(name for name in others if name in refused)]
        if "--from-lock" in there:
            wrong += [f"--{name.replace('_', '-')}" for name in asked]
    if len(wrong) > 1:
        raise InputError(
            " and ".join(wrong[:2]),
            "these do not go together"
            + (": the lock has the policy" if "--from-lock" in there and asked else ""),
            "Give one of them.",
        )
    if "--copy" in there and not there & {"--tree", "--imagefolder"}:
        raise InputError("--copy", "there is nothing to copy to", "Add --tree or --imagefolder.")
    folders = [given["--tree"], given["--imagefolder"]]
    if None not in folders and folders[0] == folders[1]:
        raise InputError(
            str(folders[0]), "a folder is a tree or an imagefolder", "Give two folders."
        )


def read_moves(place: Library, move: Sequence[str]) -> dict[str, str]:
    """Read IMAGE=SPLIT, all faults together."""
    from curate.core.errors import CurateError, FaultsError
    from curate.splits import OUT, SPLITS

    moves: dict[str, str] = {}
    faults = []
    for text in move:
        image, _, where = text.rpartition("=")
        try:
            if not image or where not in (*SPLITS, OUT):
                faults.append(f"{text}: is not IMAGE=SPLIT with one of {', '.join(SPLITS)}, {OUT}")
            elif moves.setdefault(find_image(place, image), where) != where:
                faults.append(f"{text}: the same image is moved elsewhere too")
        except CurateError as error:
            faults.append(f"{text}: {error.value} {error.rule}")
    if faults:
        raise FaultsError("--move", faults, "Mend these and give the command again.")
    return moves


def with_paths(place: Library, table: pd.DataFrame) -> pd.DataFrame:
    """Lay a place and the format of each image beside a table of splits."""
    from sqlalchemy import select

    from curate.store import files, schema

    with place.reading() as connection:
        placed = files.one_path_each(connection)[["image_id", "path"]]
        formats = dict(
            connection.execute(select(schema.images.c.image_id, schema.images.c.format)).all()
        )
    laid = table.merge(placed, on="image_id", how="left")
    laid["format"] = laid["image_id"].map(formats).fillna("")
    first = [name for name in COLUMNS if name in laid]
    return laid[[*first, *(name for name in laid if name not in first)]]
