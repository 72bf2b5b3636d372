"""Why one image lies where it lies, in a few lines."""

from __future__ import annotations

import pandas as pd

from curate.core.errors import InputError
from curate.splits.assign import Assignment
from curate.splits.tables import SPLITS

_SHOWN = 8


def explain(assignment: Assignment, image_id: str) -> str:
    """Say where an image lies and why, with its group and its class.

    Parameters
    ----------
    assignment : Assignment
        What `assign` answered.
    image_id : str
        The image.

    Returns
    -------
    str
        A few lines: the image, its group mates, its class, a change and a conflict if any, with the
        ways out of it.

    Raises
    ------
    InputError
        The assignment does not know the image.
    """
    table = assignment.table
    found = table[table["image_id"] == image_id]
    if found.empty:
        raise InputError(
            f"image {image_id!r}",
            "it is not among the images that were split",
            "Give an image_id from the library; `curate status` says what the library holds.",
        )
    image = {str(name): str(value) for name, value in found.iloc[0].items()}
    what = " / ".join(name for name in (image["label"], image["sub_class"]) if name)
    lines = [
        f"{image_id}: {image['split'] or 'left out'} ({image['reason']})",
        f"{image['origin']} image, labelled {what or 'nothing'}",
        *_group(table, image),
        *_class(assignment.classes, image["label"]),
    ]
    changes, conflicts = assignment.changes, assignment.conflicts
    was = changes.loc[changes["image_id"] == image_id, "was"].astype(str)
    lines += [f"changed: was in {split}, now {image['split'] or 'left out'}" for split in was]
    clash = conflicts[conflicts["image_id"] == image_id]
    for reason, ways_out in zip(clash["reason"], clash["ways_out"], strict=True):
        lines.append(f"conflict: {reason}")
        lines += [f"way out: {way}" for way in str(ways_out).split("; ")]
    return "\n".join(lines)


def _group(table: pd.DataFrame, image: dict[str, str]) -> list[str]:
    if not image["group"]:
        return ["group: none, it is tied to no other image"]
    mates = table[(table["group"] == image["group"]) & (table["image_id"] != image["image_id"])]
    few = mates.head(_SHOWN)
    shown = (few["image_id"] + " (" + few["split"].replace("", "left out") + ")").to_list()
    if len(mates) > _SHOWN:
        shown.append(f"{len(mates) - _SHOWN} more")
    if not shown:
        # Its own tie is left out with it, so that nothing else bears the name of this group.
        return [f"group {image['group']}: left out of it, because of the conflict below"]
    return [f"group {image['group']}: with {', '.join(shown)}"]


def _class(classes: pd.DataFrame, label: str) -> list[str]:
    named = classes[classes["class"] == label]
    lines = []
    for line in ({str(k): v for k, v in row.items()} for row in named.to_dict("records")):
        filled = ", ".join(f"{name} {line[name]}" for name in SPLITS)
        short = f", {line['short']} short" if line["short"] else ""
        cut = f", {line['cut']} cut" if line["cut"] else ""
        note = f"; {line['note']}" if line["note"] else ""
        lines.append(
            f"class {label} is {line['status']}: {line['usable']} usable, {line['counted']} counted"
            f"{short}, {line['used']} used{cut} ({filled}){note}"
        )
    return lines
