"""FiftyOne: its image classification dataset (``data/`` and ``labels.json``), and its class tree.

A dataset of FiftyOne's has one field of labels. Labels lie in ``labels.json``, and what a model
says in ``predictions.json``, which is of the same kind and becomes a second field::

    dataset = fo.Dataset.from_dir(folder, dataset_type=fo.types.FiftyOneImageClassificationDataset)
    dataset.merge_dir(folder, dataset_type=fo.types.FiftyOneImageClassificationDataset,
                      labels_path="predictions.json", label_field="predictions")

Attributes say what a label `was` and which `model` predicted. A label that comes back with a
confidence, or with a model, is a model's word, and no answer.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from curate.core import paths
from curate.core.errors import InputError
from curate.formats.exchange import Advance, Format, Incoming, Outgoing, as_was
from curate.formats.hf import NO_CLASS, from_folders
from curate.formats.incoming import Gathered, id_in, only, read_json, score_of, text_of
from curate.formats.layout import folder_name
from curate.formats.pictures import place, write_folder

DATA = "data"
LABELS = "labels.json"
PREDICTIONS = "predictions.json"
UNLABELLED = "_unlabeled"
RENAMED = ".classes.json"
"""In a tree: the labels of folders that are called differently; FiftyOne passes it by."""


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write ``data/``, ``labels.json`` and ``predictions.json``; see `formats.exchange.Write`."""

    def fill(folder: Path) -> None:
        (folder / DATA).mkdir()
        names = place(outgoing.table, folder / DATA, copy, advance)
        stems = [os.path.splitext(name)[0] for name in names]
        table = outgoing.table
        held = zip(stems, table["label"], table["sub_class"], strict=True)
        labels = {
            stem: {"label": label, "attributes": {"was": as_was(label, inner)}} if label else None
            for stem, label, inner in held
        }
        said = zip(stems, table["predicted"], table["score"], strict=True)
        model = {"attributes": {"model": outgoing.model}}
        predicted = {
            stem: {"label": label, "confidence": score, **model}
            for stem, label, score in said
            if label
        }
        _write(folder / LABELS, labels)
        if predicted:
            _write(folder / PREDICTIONS, predicted)

    write_folder(path, fill)


def _write(path: Path, labels: dict[str, Any]) -> None:
    # With a list of classes, FiftyOne takes every label for a number in it.
    said = {"classes": None, "labels": labels}
    path.write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")


def read(path: Path) -> Incoming:
    """Read a folder, or its ``labels.json``; see `formats.exchange.Read`."""
    root = Path(os.path.realpath(path))
    file = root / LABELS if root.is_dir() else root
    said = read_json(file)
    labels = said.get("labels") if isinstance(said, dict) else None
    if not isinstance(labels, dict):
        raise InputError(
            str(file),
            "is no labels.json of FiftyOne: it has no labels",
            "Export with dataset_type=fo.types.FiftyOneImageClassificationDataset.",
        )
    classes = said.get("classes")
    gathered = Gathered(path)
    files = _files(file.parent / DATA)
    known = classes if isinstance(classes, list) else None
    models = {
        _take(gathered, f"labels[{key!r}]", files.get(key, str(key)), target, known)
        for key, target in labels.items()
    } - {None}
    return gathered.incoming(only(models))


def _files(data: Path) -> dict[str, str]:
    """Give the files by their name without its suffix, which is how labels name them."""
    found = {}
    for folder, _, names in os.walk(os.fsencode(data)):
        for name in names:
            full = os.path.join(folder, name)
            stem = os.path.splitext(os.path.relpath(full, os.fsencode(data)))[0]
            found[os.fsdecode(stem)] = paths.to_text(full)
    return found


def _take(
    gathered: Gathered, where: str, file: str, target: Any, classes: list[Any] | None
) -> str | None:
    """Take what is said of a file; give the model where it is a prediction, '' for one unknown."""
    image_id = id_in(f"{file}.")
    if isinstance(target, list):
        if len(target) > 1:
            gathered.faults.append(f"{where}: has {len(target)} labels; an image has one")
            return None
        target = target[0] if target else None
    detail = target if isinstance(target, dict) else {"label": target}
    score, label = score_of(detail.get("confidence")), detail.get("label")
    attributes = detail.get("attributes")
    told = attributes if isinstance(attributes, dict) else {}
    model = text_of(told.get("model"))
    if isinstance(label, int) and not isinstance(label, bool) and classes is not None:
        label = classes[label] if 0 <= label < len(classes) else label
    if label is None:
        return None
    if not isinstance(label, str):
        gathered.faults.append(f"{where}: label {label!r} is no name of a class")
    elif score is not None:
        gathered.predict(where, file, image_id, [label], [score])
        return model
    if model:
        note = "predictions without a confidence are passed by"
        gathered.notes += [note] if note not in gathered.notes else []
    else:
        gathered.answer(where, file, image_id, label, was=text_of(told.get("was")))
    return None


def write_tree(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write a folder for each class; see `formats.exchange.Write`."""

    def fill(folder: Path) -> None:
        renamed = {}
        for group, rows in outgoing.table.groupby("label", sort=True):
            label = str(group)
            # A class may be called as a folder of images without one is.
            name = folder_name("/" + label if label in NO_CLASS else label)
            name = name if label else UNLABELLED
            if label and name != label:
                renamed[name] = label
            (folder / name).mkdir()
            place(rows, folder / name, copy, advance)
        if renamed:
            (folder / RENAMED).write_text(json.dumps(renamed, ensure_ascii=False), encoding="utf-8")

    write_folder(path, fill)


def read_tree(path: Path) -> Incoming:
    """Read the class of every image from its folder; see `formats.exchange.Read`."""
    root = Path(os.path.realpath(path))
    gathered = Gathered(path)
    renamed = read_json(root / RENAMED) if (root / RENAMED).is_file() else {}
    from_folders(gathered, root, renamed)
    return gathered.incoming()


FORMAT = Format(
    help="FiftyOne: data/ with labels.json, a FiftyOneImageClassificationDataset",
    place="a folder",
    write=write,
    read=read,
)

TREE = Format(
    help="A folder for each class, as FiftyOne, Keras and torchvision read it",
    place="a folder",
    write=write_tree,
    read=read_tree,
)
