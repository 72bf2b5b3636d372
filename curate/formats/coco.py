"""COCO: images, categories, an annotation for each label; what a model says is in a second file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd

from curate.core.errors import InputError
from curate.core.files import write_asked_by
from curate.formats import pictures
from curate.formats.exchange import Advance, Format, Incoming, Outgoing, as_was
from curate.formats.incoming import Gathered, id_in, id_of, read_json, score_of, text_of

FILE, IMAGES = "annotations/instances_default.json", "images/default"
RESULTS = "predictions.json"
"""The file of predictions in a folder; beside a file called ``zoo.json``, ``zoo-`` and this."""

_Box = tuple[float, float, float, float]


def write(outgoing: Outgoing, path: Path, copy: bool, advance: Advance) -> None:
    """Write a COCO file, which names pictures by their whole path; or a folder that holds them too.

    Some tools refuse names that lead out of the folder; these want the latter, in COCO's own
    layout: `FILE` and `IMAGES`. Every annotation is a label, whatever a tool adds to it or takes
    away. Predictions lie in a second file (`beside`) that is named in ``info``: the list of results
    that COCO's own tools load. A box is the subject's where that is
    known, the whole picture otherwise. Images carry `curate_id`, the image id.

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

    info = {"description": "curate", "version": "1.0", "model": outgoing.model}
    results = list(_results(outgoing.table, numbers))
    if results:
        info["predictions"] = beside(path).name

    def content(file: IO[bytes]) -> None:
        categories = [
            {"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()
        ]
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n'.encode())
        file.write(f'"categories": {json.dumps(categories)},\n'.encode())
        for name, entries in (
            ("images", _images(outgoing.table, names, advance)),
            ("annotations", _annotations(outgoing.table, numbers)),
        ):
            file.write(f'"{name}": '.encode())
            _list(file, entries)
            file.write(b"" if name == "annotations" else b",\n")
        file.write(b"}\n")

    write_asked_by(path, content)
    if results:
        write_asked_by(beside(path), lambda file: _list(file, results))


def beside(path: Path) -> Path:
    """Say where the predictions of a file lie: some tools read all that is in ``annotations``."""
    if path.match(FILE):
        return path.parent.parent / RESULTS
    return path.with_name(f"{path.stem}-{RESULTS}")


def second(path: Path) -> Path | None:
    """Give the place of the predictions that a file says are beside it.

    Raises
    ------
    InputError
        It cannot be read.
    """
    return beside(path) if _info(read_json(path)).get("predictions") else None


def _info(content: Any) -> Mapping[str, Any]:
    info = content.get("info") if isinstance(content, dict) else None
    return info if isinstance(info, dict) else {}


def _list(file: IO[bytes], entries: Iterable[dict[str, Any]]) -> None:
    file.write(b"[")
    for number, entry in enumerate(entries):
        file.write(b"\n" if number == 0 else b",\n")
        file.write(json.dumps(entry).encode())
    file.write(b"]")


def read(path: Path) -> Incoming:
    """Read answers and predictions.

    Of a folder, `FILE` is read. Annotations that went out as labels are answers, and so are those
    without a score; others are predictions, and so is what lies in the file that ``info`` names.
    Boxes, masks and keypoints are passed by. An image with annotations of several categories gives
    a row for each; of several scores for one category the highest counts.

    Raises
    ------
    InputError
        It cannot be read, or is no COCO file.
    FaultsError
        With every entry at fault.
    """
    file = path / FILE if path.is_dir() else path
    content = read_json(file)
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
        more = _attributes(annotation)
        # Our own labels have the whole picture as their box.
        drawn = annotation.get("bbox") or annotation.get("segmentation")
        shapes += bool(drawn and not more["was"])
        if more["was"] or "score" not in annotation:
            gathered.answer(place, *_named(images[image_id]), label, **more)
        else:
            _score(annotation, place, scored[image_id], label, gathered)
    said = _info(content)
    for number, result in enumerate(_results_beside(file, said, gathered), 1):
        found = _sound(result, number, images, categories, gathered, "prediction")
        if found is not None:
            place, image_id, label = found
            _score(result, place, scored[image_id], label, gathered)
    for image_id, best in scored.items():
        named = _named(images[image_id])
        gathered.predict(f"image {image_id}", *named, list(best), list(best.values()))
    if shapes:
        gathered.notes.append(f"boxes and masks are passed by: {shapes:,}")
    return gathered.incoming(text_of(said.get("model")))


def _results_beside(file: Path, info: Mapping[str, Any], gathered: Gathered) -> list[Any]:
    """Give the predictions that belong to a file, if it says that there are any.

    Whoever moves the labels alone moves the answers, which is what a person gave.
    """
    if not info.get("predictions"):
        return []
    place = beside(file)
    if not place.is_file():
        gathered.notes.append(f"predictions are not there: {place.name}")
        return []
    results = read_json(place)
    if not isinstance(results, list):
        gathered.faults.append(f"{place.name}: is no list of results")
        return []
    return results


def _score(
    entry: Mapping[str, Any], place: str, best: dict[str, float], label: str, gathered: Gathered
) -> None:
    """Take the score of a class, if it is the highest that an image has for it."""
    score = score_of(entry.get("score"))
    if score is None:
        said = entry.get("score")
        gathered.faults.append(f"{place}: score {said!r} is no number between 0 and 1")
    else:
        best[label] = max(score, best.get(label, 0.0))


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
        if not row.label:
            continue
        number += 1
        box = _box(row)
        said = {"sub_class": row.sub_class, "was": as_was(str(row.label), str(row.sub_class))}
        yield {
            "id": number,
            "image_id": image,
            "category_id": numbers[str(row.label)],
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": [],
            "attributes": {name: text for name, text in said.items() if text},
        }


def _results(table: pd.DataFrame, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for image, row in enumerate(table.itertuples(index=False), 1):
        if row.predicted:
            number, score = numbers[str(row.predicted)], float(str(row.score))
            yield {"image_id": image, "category_id": number, "bbox": _box(row), "score": score}


def _box(row: Any) -> list[float]:
    return list(box_of(str(row.bbox)) or (0.0, 0.0, *(_size(row) or (0.0, 0.0))))


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
    what_is_it: str = "annotation",
) -> tuple[str, Any, str] | None:
    """Give place, image and class of an annotation; None, and a fault, where one is missing."""
    if not isinstance(annotation, dict):
        gathered.faults.append(f"{what_is_it} number {number}: is no object")
        return None
    place = f"{what_is_it} {text_of(annotation.get('id')) or number}"
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


def _attributes(annotation: Mapping[str, Any]) -> dict[str, str]:
    found = annotation.get("attributes")
    known = found if isinstance(found, dict) else {}
    return {name: text_of(known.get(name)) for name in ("sub_class", "by", "was")}


FORMAT = Format(
    help="COCO: images, categories and annotations, predictions in a second file",
    place="a .json file, or a folder with the pictures",
    write=write,
    read=read,
    second=second,
)
