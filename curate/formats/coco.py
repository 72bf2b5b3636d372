"""COCO: images, categories, and one annotation an image: its label, or else what a model says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd

from curate.core.errors import InputError
from curate.core.files import write_asked_by
from curate.formats import pictures
from curate.formats.exchange import Advance, Format, Incoming, Outgoing
from curate.formats.incoming import Gathered, id_in, id_of, read_json, score_of, text_of

FILE, IMAGES = "annotations/instances_default.json", "images/default"

_Box = tuple[float, float, float, float]


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write a COCO file, which names pictures by their whole path; or a folder that holds them too.

    Some tools refuse names that lead out of the folder; these want the latter, in COCO's own
    layout: `FILE` and `IMAGES`. An annotation with a `score` is a prediction, one without is a
    label. Its box is the subject's where that is known, the whole picture otherwise. Images carry
    `curate_id`, the image id.

    Parameters
    ----------
    path : Path
        The file where it ends with ``.json``, the folder otherwise.

    Raises
    ------
    FaultsError
        A picture that the folder shall hold is not there.
    InputError
        It cannot be written there.
    """
    if path.suffix == ".json":
        _write(path, outgoing, list(outgoing.table["path"]), advance)
        return

    def fill(part: Path) -> None:
        (part / IMAGES).mkdir(parents=True)
        (part / FILE).parent.mkdir()
        names = pictures.place(outgoing.table, part / IMAGES, copy, advance)
        _write(part / FILE, outgoing, names, lambda _: None)

    pictures.write_folder(path, fill)


def _write(path: Path, outgoing: Outgoing, names: Sequence[str], advance: Advance) -> None:
    named = {*outgoing.classes, *outgoing.table["label"], *outgoing.table["predicted"]} - {""}
    numbers = {name: number for number, name in enumerate(sorted(named), 1)}

    def content(file: IO[bytes]) -> None:
        info = {"description": "curate", "version": "1.0", "model": outgoing.model}
        categories = [
            {"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()
        ]
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n'.encode())
        file.write(f'"categories": {json.dumps(categories)},\n'.encode())
        for name, entries in (
            ("images", _images(outgoing.table, names, advance)),
            ("annotations", _annotations(outgoing.table, numbers)),
        ):
            file.write(f'"{name}": ['.encode())
            for number, entry in enumerate(entries):
                file.write(b"\n" if number == 0 else b",\n")
                file.write(json.dumps(entry).encode())
            file.write(b"]" if name == "annotations" else b"],\n")
        file.write(b"}\n")

    write_asked_by(path, content)


def read(path: Path) -> Incoming:
    """Read answers (annotations without a score) and predictions (those with one).

    Of a folder, `FILE` is read. Boxes, masks and keypoints are passed by. An image with annotations
    of several categories gives a row for each; of several scores for one category the highest
    counts.

    Raises
    ------
    InputError
        It cannot be read, or is no COCO file.
    FaultsError
        With every entry at fault.
    """
    content = read_json(path / FILE if path.is_dir() else path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in ("images", "categories", "annotations")
    ):
        raise InputError(
            str(path),
            "has not the lists images, categories and annotations of a COCO file",
            "Give one that has them (a file of results alone does not name its images).",
        )
    gathered = Gathered(path)
    images = _by_id(content["images"], "image", "file_name", gathered)
    categories = _by_id(content["categories"], "category", "name", gathered)
    scored: dict[Any, dict[str, float]] = defaultdict(dict)
    shapes = 0
    for number, annotation in enumerate(content["annotations"], 1):
        found = _sound(annotation, number, images, categories, gathered)
        if found is None:
            continue
        place, image_id, label = found
        shapes += bool(annotation.get("bbox") or annotation.get("segmentation"))
        if "score" not in annotation:
            more = _attributes(annotation)
            gathered.answer(place, *_named(images[image_id]), label, *more)
            continue
        score = score_of(annotation["score"])
        if score is None:
            said = annotation["score"]
            gathered.faults.append(f"{place}: score {said!r} is no number between 0 and 1")
            continue
        best = scored[image_id]
        best[label] = max(score, best.get(label, 0.0))
    for image_id, best in scored.items():
        named = _named(images[image_id])
        gathered.predict(f"image {image_id}", *named, list(best), list(best.values()))
    if shapes:
        gathered.notes.append(f"boxes and masks are passed by: {shapes:,}")
    info = content.get("info")
    return gathered.incoming(text_of(info.get("model")) if isinstance(info, dict) else "")


def _images(
    table: pd.DataFrame, names: Sequence[str], advance: Advance
) -> Iterator[dict[str, Any]]:
    rows = zip(names, table.itertuples(index=False), strict=True)
    for number, (name, row) in enumerate(rows, 1):
        image = {"id": number, "file_name": name, "curate_id": row.image_id}
        size = _size(row)
        yield image | (dict(zip(("width", "height"), size, strict=True)) if size else {})
        advance(1)


def _annotations(table: pd.DataFrame, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    number = 0
    for image, row in enumerate(table.itertuples(index=False), 1):
        label = str(row.label or row.predicted)
        if not label:
            continue
        number += 1
        size = _size(row)
        box = box_of(str(row.bbox)) or (0.0, 0.0, *(size or (0.0, 0.0)))
        annotation = {
            "id": number,
            "image_id": image,
            "category_id": numbers[label],
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": [],
        }
        if row.label:
            more = {"sub_class": row.sub_class, "by": row.by}
            annotation["attributes"] = {name: text for name, text in more.items() if text}
        else:
            annotation["score"] = float(str(row.score))
        yield annotation


def box_of(text: str) -> _Box | None:
    """Read the four numbers of a box (x, y, width, height); None where there is none."""
    parts = [float(part) for part in text.strip("[]() ").replace(",", " ").split()]
    return (parts[0], parts[1], parts[2], parts[3]) if len(parts) == 4 else None


def _size(row: Any) -> tuple[int, int] | None:
    known = pd.notna(row.width) and pd.notna(row.height)
    return (int(row.width), int(row.height)) if known else None


def _by_id(
    entries: Sequence[Any], what: str, name: str, gathered: Gathered
) -> dict[Any, Mapping[str, Any]]:
    """Entries by their id; note those without one, without their name, or with one met before."""
    found: dict[Any, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries, 1):
        key = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(key, int | str):
            gathered.faults.append(f"{what} number {number}: has no id")
        elif not text_of(entry.get(name)):
            gathered.faults.append(f"{what} {key}: has no {name}")
        elif key in found:
            gathered.faults.append(f"{what} {key}: its id is there twice")
        else:
            found[key] = entry
    return found


def _sound(
    annotation: Any,
    number: int,
    images: Mapping[Any, Any],
    categories: Mapping[Any, Any],
    gathered: Gathered,
) -> tuple[str, Any, str] | None:
    """Give place, image and class of an annotation; None, and a fault, where one is missing."""
    if not isinstance(annotation, dict):
        gathered.faults.append(f"annotation number {number}: is no object")
        return None
    place = f"annotation {text_of(annotation.get('id')) or number}"
    image_id, category = annotation.get("image_id"), annotation.get("category_id")
    for what, key, known in (("image", image_id, images), ("category", category, categories)):
        if not isinstance(key, int | str) or key not in known:
            gathered.faults.append(f"{place}: there is no {what} {key!r}")
            return None
    return place, image_id, text_of(categories[category]["name"])


def _named(image: Mapping[str, Any]) -> tuple[str, str]:
    """Give name and id; who drops a key that he does not know keeps the name, and the id in it."""
    name = text_of(image["file_name"])
    return name, id_of(image.get("curate_id")) or id_in(name)


def _attributes(annotation: Mapping[str, Any]) -> tuple[str, str]:
    found = annotation.get("attributes")
    known = found if isinstance(found, dict) else {}
    return text_of(known.get("sub_class")), text_of(known.get("by"))


FORMAT = Format(
    help="COCO: images, categories and annotations, predictions with a score",
    place="a .json file, or a folder with the pictures",
    write=write,
    read=read,
)
