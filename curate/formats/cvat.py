"""CVAT for images 1.1: pictures, a tag for each, and the labels that the task must have.

CVAT finds a picture by its name, which therefore holds the image id. A tag that curate proposed is
an answer once its attribute `checked` is ticked, or once a person set another one; a label that is
ticked is one even if it was corrected in the library since.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import pandas as pd

from curate.core.errors import FaultsError, InputError
from curate.core.files import describe, write_asked, write_asked_by
from curate.core.names import REJECTED, UNKNOWN
from curate.formats import markup, pictures
from curate.formats.exchange import Advance, Format, Incoming, Outgoing, as_was
from curate.formats.incoming import Gathered, id_in, id_of, sub_class_of

ANNOTATIONS = "annotations.xml"
LABELS = "labels.json"
IMAGES = "images"
LONGEST = 64
"""Characters in the name of a label, at most (so cvat-sdk 2.80)."""

CHECKED = "checked"
_ATTRIBUTES = {
    CHECKED: "checkbox",
    **dict.fromkeys(("image_id", "sub_class", "score", "was"), "text"),
}
_SHAPES = frozenset(
    ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
)


def write(outgoing: Outgoing, folder: Path, copy: bool, advance: Advance) -> None:
    """Write a folder: the pictures, `ANNOTATIONS`, and `LABELS` for the constructor of a task.

    Labels are tags with the source ``manual``, predictions tags with the source ``auto``.

    Raises
    ------
    FaultsError
        A picture is not there, a class has a name longer than `LONGEST`, or a text has a character
        that XML cannot hold.
    InputError
        The folder is not new or empty, or cannot be written.
    """
    table = outgoing.table
    classes = sorted(
        {*outgoing.classes, *table["label"], *table["predicted"], UNKNOWN, REJECTED} - {""}
    )
    markup.check("classes", [*classes, *table["sub_class"].unique()])
    long = [f"{name!r} is longer than {LONGEST} characters" for name in classes if name[LONGEST:]]
    if long:
        raise FaultsError("classes", long, "Rename them, or choose another format.")

    def fill(part: Path) -> None:
        (part / IMAGES).mkdir()
        names = pictures.place(table, part / IMAGES, copy, advance)
        write_asked(part / LABELS, json.dumps(_labels(classes), indent=1).encode())

        def annotations(file: IO[bytes]) -> None:
            file.write(_head(classes, len(table)).encode())
            for number, (name, row) in enumerate(
                zip(names, table.itertuples(index=False), strict=True)
            ):
                file.write(_image(number, name, row).encode())
            file.write(b"</annotations>\n")

        write_asked_by(part / ANNOTATIONS, annotations)

    pictures.write_folder(folder, fill)


def read(path: Path) -> Incoming:
    """Read answers from an export "CVAT for images 1.1": the .zip, its folder, or the .xml alone.

    Raises
    ------
    InputError
        It cannot be read, is no XML, or is another format of CVAT's.
    FaultsError
        With every image at fault.
    """
    gathered = Gathered(path)
    passed: Counter[str] = Counter()
    with _opened(path) as file:
        try:
            for image in _image_elements(path, file):
                _read_image(image, gathered, passed)
        except ElementTree.ParseError as error:
            raise InputError(
                f"{path}, line {error.position[0]}",
                f"is not XML ({error})",
                "Is the file cut off? Export it again.",
            ) from error
    gathered.notes += [f"{what}: {count:,}" for what, count in passed.items()]
    return gathered.incoming()


def _labels(classes: Sequence[str]) -> list[dict[str, Any]]:
    attributes = [
        {
            "name": name,
            "input_type": kind,
            "mutable": False,
            "values": ["false" if kind == "checkbox" else ""],
            "default_value": "false" if kind == "checkbox" else "",
        }
        for name, kind in _ATTRIBUTES.items()
    ]
    return [{"name": name, "type": "tag", "attributes": attributes} for name in classes]


def _head(classes: Sequence[str], images: int) -> str:
    attributes = "".join(
        f"<attribute><name>{name}</name><mutable>False</mutable><input_type>{kind}</input_type>"
        f"<default_value>{default}</default_value><values>{default}</values></attribute>"
        for name, kind in _ATTRIBUTES.items()
        for default in ["false" if kind == "checkbox" else ""]
    )
    labels = "".join(
        f"<label><name>{markup.element(name)}</name><type>tag</type>"
        f"<attributes>{attributes}</attributes></label>\n"
        for name in classes
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><task><name>curate</name><size>{images}</size><mode>annotation</mode>"
        f"<labels>\n{labels}</labels></task></meta>\n"
    )


def _image(number: int, name: str, row: Any) -> str:
    known = pd.notna(row.width) and pd.notna(row.height)
    size = f' width="{int(row.width)}" height="{int(row.height)}"' if known else ""
    label = row.label or row.predicted
    tag = _tag(row, label) if label else ""
    return f'<image id="{number}" name={markup.attribute(name)}{size}>{tag}</image>\n'


def _tag(row: Any, label: str) -> str:
    source = "manual" if row.label else "auto"
    score = "" if row.label or pd.isna(row.score) else repr(float(row.score))
    texts = (
        *((CHECKED, "false"), ("image_id", row.image_id)),
        *(("sub_class", row.sub_class if row.label else ""), ("score", score)),
        ("was", as_was(row.label, row.sub_class) if row.label else ""),
    )
    attributes = "".join(
        f'<attribute name="{name}">{markup.element(text)}</attribute>' for name, text in texts
    )
    return f'<tag label={markup.attribute(label)} source="{source}">{attributes}</tag>'


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(ANNOTATIONS) as member:
                yield member
        else:
            with (path / ANNOTATIONS if path.is_dir() else path).open("rb") as file:
                yield file
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            str(path), f"holds no {ANNOTATIONS}", "Export as `CVAT for images 1.1`."
        ) from error
    except OSError as error:
        raise InputError(
            str(path), describe(error), "Give a .zip, .xml or folder of CVAT."
        ) from error


def _image_elements(path: Path, file: IO[bytes]) -> Iterator[ElementTree.Element]:
    """Yield the images one after another, each forgotten before the next."""
    root: ElementTree.Element | None = None
    for event, element in ElementTree.iterparse(file, events=("start", "end")):
        if root is None:
            root = element
            if element.tag != "annotations":
                raise InputError(
                    str(path),
                    f"has the root <{element.tag}>, not <annotations>",
                    "Export as `CVAT for images 1.1`.",
                )
        elif event == "end" and element.tag == "track":
            raise InputError(
                str(path), "is a video's (it has tracks)", "Export as `CVAT for images 1.1`."
            )
        elif event == "end" and element.tag == "image":
            yield element
            root.clear()


def _read_image(image: ElementTree.Element, gathered: Gathered, passed: Counter[str]) -> None:
    name = image.get("name", "")
    place = f"image {image.get('id') or name}"
    if not name:
        gathered.faults.append(f"{place}: has no name")
        return
    for tag in image:
        if tag.tag in _SHAPES:
            passed["boxes and other shapes are passed by"] += 1
        if tag.tag != "tag":
            continue
        label = tag.get("label", "")
        if not label:
            gathered.faults.append(f"{place}: has a tag without a label")
            continue
        texts = {one.get("name", ""): one.text or "" for one in tag.iter("attribute")}
        # By either, as tools between CVAT and us drop the source, and people's tags have no score.
        proposed = tag.get("source") == "auto" or texts.get("score")
        checked = texts.get(CHECKED, "").lower() == "true"
        if proposed and not checked:
            passed[f"tags that curate proposed and nobody {CHECKED} are no answers"] += 1
            continue
        image_id = id_in(name) or id_of(texts.get("image_id"))
        sub_class, was = texts.get("sub_class", ""), texts.get("was", "")
        if checked:
            # Somebody says so now, whatever it was.
            sub_class, was = sub_class_of(label, sub_class, was), ""
        gathered.answer(place, name, image_id, label, sub_class, was=was)


FORMAT = Format(
    help="CVAT for images 1.1: pictures with tags; reads what CVAT exports",
    place="a folder",
    write=write,
    read=read,
)
