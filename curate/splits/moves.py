"""What a user asks to be moved: whole groups, to another split or out of all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from curate.core.errors import FaultsError
from curate.splits.cutoffs import Cut
from curate.splits.groups import Ties
from curate.splits.tables import TRAIN, Bools, Rows, missing_columns, text


def moved(rows: Rows, ties: Ties, found: Cut, moves: pd.DataFrame) -> Rows:
    """Lay the moves over what was assigned before.

    The group of each image goes where the image is to go. To leave an image out takes along those
    of its group that lie in the same split, so that one side of a conflict can be left out.

    Parameters
    ----------
    rows : Rows
        The images.
    ties : Ties
        Their groups.
    found : Cut
        Which of them are used, as things are.
    moves : DataFrame
        image_id and split, '' or missing to leave out.

    Returns
    -------
    Rows
        With other places, reasons and wishes; tie and count again with them.

    Raises
    ------
    FaultsError
        An image cannot go where it is asked to go; all faults together.
    """
    where = _read(rows, moves)
    faults: list[str] = []
    by = np.full(len(rows.ids), -1, dtype=np.int64)
    was, why_not, asked = rows.was.copy(), rows.why_not.copy(), rows.asked.copy()
    # What is left out comes first: it does not go along with the rest of its group.
    for i, split in sorted(where.items(), key=lambda move: (move[1] != "", move[0])):
        mates = ties.whole == ties.whole[i] if ties.linking[i] else ties.root == ties.root[i]
        if split:
            faults += _why_not_there(rows, ties, found, i, mates, split)
            goes = mates & rows.eligible & ((by < 0) | (why_not == rows.why_not))
            goes[i] = True
            what = f"moved to {split}"
        else:
            faults += _why_not_out(rows, i)
            goes = mates & (rows.was == rows.was[i]) & ~rows.frozen
            what = "left out"
        other = goes & (by >= 0)
        faults += [
            f"image {rows.ids[j]} cannot be {what} with image {rows.ids[i]} "
            f"and {asked[j].split(' with ')[0].removesuffix(' as asked')} "
            f"with image {rows.ids[by[j]]}"
            for j in np.flatnonzero(other)[:1]
            if where[int(by[j])] != split
        ]
        by[goes] = i
        asked[goes] = f"{what} with image {rows.ids[i]}, as asked"
        asked[i] = f"{what} as asked"
        was[goes] = rows.places.index(split) if split else -1
        if not split:
            why_not[goes] = asked[goes]
    if faults:
        raise FaultsError(
            "the moves", faults, "Ask for other moves; `curate split --explain IMAGE` says more."
        )
    return replace(rows, was=was, why_not=why_not, asked=asked)


def _read(rows: Rows, moves: pd.DataFrame) -> dict[int, str]:
    """The wished split of each row, '' for none."""
    faults = missing_columns(moves, ("image_id", "split"))
    if faults:
        raise FaultsError("the moves", faults, "Give a table with image_id and split.")
    ids, splits = text(moves["image_id"]), text(moves["split"])
    place = pd.Index(rows.ids).get_indexer(pd.Index(ids))
    known = ", ".join(rows.places)
    faults = [f"image {name!r} is not in the library" for name in ids[place < 0]]
    faults += [
        f"image {name}: split {split!r} is none of {known}"
        for name, split in zip(ids, splits, strict=True)
        if split not in (*rows.places, "")
    ]
    if faults:
        raise FaultsError("the moves", faults, "Mend the table; an empty split leaves out.")
    where: dict[int, str] = {}
    for row, name, split in zip(place.tolist(), ids, splits, strict=True):
        if where.setdefault(row, split) != split:
            faults.append(f"image {name} is to go to {where[row] or 'out'} and to {split or 'out'}")
    if faults:
        raise FaultsError("the moves", faults, "Ask for one split an image.")
    return dict(sorted(where.items()))


def _why_not_out(rows: Rows, image: int) -> list[str]:
    if rows.frozen[image]:
        return [f"image {rows.ids[image]} is in the frozen benchmark, which it never leaves"]
    return []


def _why_not_there(
    rows: Rows, ties: Ties, found: Cut, image: int, mates: Bools, split: str
) -> list[str]:
    name = rows.ids[image]
    frozen = np.flatnonzero(mates & rows.frozen)
    if len(frozen) and split != rows.places[-1]:
        whom = "it is" if rows.frozen[image] else f"image {rows.ids[frozen[0]]} of its group is"
        return [f"image {name} cannot go to {split}: {whom} in the frozen benchmark"]
    said = rows.why_not[image] or found.short[image]
    if said:
        return [f"image {name} cannot go to {split}: {said}"]
    staged = np.flatnonzero(mates & rows.eligible & ~rows.real)
    if len(staged) and split != rows.places[TRAIN]:
        whom = "it" if not rows.real[image] else f"image {rows.ids[staged[0]]} of its group"
        return [f"image {name} cannot go to {split}: {whom} is not real, and only trains"]
    return []
