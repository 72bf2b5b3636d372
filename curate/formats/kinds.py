"""The formats of other tools, by the name that ``curate export`` and ``curate import`` take."""

from __future__ import annotations

from curate.core import names
from curate.core.errors import InputError
from curate.formats import (
    cleanlab,
    coco,
    cvat,
    fiftyone,
    hf,
    label_studio,
    megadetector,
    roboflow,
    speciesnet,
    timm_csv,
    webdataset,
)
from curate.formats.exchange import Format

FORMATS: dict[str, Format] = {
    "label-studio": label_studio.FORMAT,
    "fiftyone": fiftyone.FORMAT,
    "hf": hf.FORMAT,
    "coco": coco.FORMAT,
    "cvat": cvat.FORMAT,
    "webdataset": webdataset.FORMAT,
    "cleanlab": cleanlab.FORMAT,
    "timm": timm_csv.FORMAT,
    "roboflow": roboflow.FORMAT,
    "folders": fiftyone.TREE,
    "megadetector": megadetector.FORMAT,
    "speciesnet": speciesnet.FORMAT,
}


def format_of(name: str) -> Format:
    """Give a format by its name.

    Raises
    ------
    InputError
        There is none of this name; the known ones are listed with what they are.
    """
    if name in FORMATS:
        return FORMATS[name]
    listed = "".join(f"\n  {known:<14}{kind.help}" for known, kind in FORMATS.items())
    meant = names.nearest(name, FORMATS)
    raise InputError(
        f"format {name!r}",
        f"is not known; known are:{listed}\n",
        f"Did you mean {meant}?" if meant else "Give one of these.",
    )
