"""CVAT for images: what is written, and what an export gives back.

`benchmarks/formats_peers.py` lets datumaro read and write it.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from curate.core.errors import FaultsError, InputError
from curate.core.identity import image_id
from curate.formats import cvat
from tests.conftest import MakePhoto
from tests.formats.exchanged import NASTY, id_of, ignore, labels_of, outgoing, row

SAMPLE = f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <job><id>5</id><labels><label><name>cat</name><color>#fff</color></label></labels></job>
    <dumped>2026-01-01 00:00:00+00:00</dumped>
  </meta>
  <image id="0" name="a/1-{id_of(1)}.jpg" subset="Train" task_id="3" width="9" height="8">
    <tag label="cat" source="manual"><attribute name="sub_class">kitten</attribute></tag>
    <box label="cat" xtl="1" ytl="1" xbr="2" ybr="2" occluded="0" source="manual"></box>
  </image>
  <image id="1" name="2.jpg" width="9" height="8">
    <tag label="cat" source="auto"><attribute name="checked">false</attribute></tag>
    <tag label="dog" source="manual"></tag>
  </image>
  <image id="2" name="3.jpg" width="9" height="8">
    <tag label="cat" source="auto">
      <attribute name="checked">true</attribute>
      <attribute name="image_id">{id_of(3)}</attribute>
    </tag>
  </image>
  <image id="3" name="4.jpg" width="9" height="8">
    <tag label="cat" source="auto"/>
    <tag label="cow"><attribute name="score">0.5</attribute></tag>
  </image>
  <image id="4" name="5.jpg" width="9" height="8"></image>
</annotations>
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.xml"
    path.write_text(SAMPLE)
    return path


def test_an_export(sample: Path) -> None:
    """What a person set or checked is an answer; what curate proposed, and boxes, are not."""
    said = cvat.read(sample)
    columns = ["place", "file", "image_id", "label", "sub_class"]
    assert said.answers[columns].values.tolist() == [
        ["image 0", f"a/1-{id_of(1)}.jpg", id_of(1), "cat", "kitten"],
        ["image 1", "2.jpg", "", "dog", ""],
        ["image 2", "3.jpg", id_of(3), "cat", ""],
    ]
    assert said.notes == [
        "boxes and other shapes are passed by: 1",
        "tags that curate proposed and nobody checked are no answers: 3",
    ]


def test_an_export_is_a_zip(sample: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(sample, "annotations.xml")
        archive.writestr("images/2.jpg", b"")
    assert cvat.read(tmp_path / "task.zip").answers.equals(cvat.read(sample).answers)
    assert cvat.read(tmp_path).answers.equals(cvat.read(sample).answers)


def test_pictures_and_tags(tmp_path: Path, photo: MakePhoto) -> None:
    files = [photo(f"{n}.jpg", seed=n) for n in range(2)]
    ids = [image_id(file.read_bytes()) for file in files]
    rows = [
        row(0, image_id=ids[0], path=str(files[0]), label="cat", sub_class="kitten"),
        row(1, image_id=ids[1], path=str(files[1]), top_classes=["dog"], top_scores=[0.75]),
    ]
    cvat.write(outgoing(rows), tmp_path / "out", True, ignore)
    root = ElementTree.parse(tmp_path / "out" / "annotations.xml").getroot()
    images = root.findall("image")
    for one, file, known in zip(images, files, ids, strict=True):
        assert one.attrib["name"] == f"{file.stem}-{known}.jpg"
        placed = tmp_path / "out" / "images" / one.attrib["name"]
        assert placed.read_bytes() == file.read_bytes()
        assert not placed.is_symlink()
    assert [tag.attrib for one in images for tag in one] == [
        {"label": "cat", "source": "manual"},
        {"label": "dog", "source": "auto"},
    ]
    assert {one.attrib["name"]: one.text for one in images[1].iter("attribute")} == {
        **{"checked": "false", "image_id": ids[1], "sub_class": None, "score": "0.75"},
        "was": None,
    }


def test_links_where_nobody_asked_for_copies(tmp_path: Path, photo: MakePhoto) -> None:
    file = photo("a.jpg")
    cvat.write(outgoing([row(1, path=str(file))]), tmp_path / "out", False, ignore)
    [placed] = (tmp_path / "out" / "images").iterdir()
    assert placed.readlink() == file


def test_the_labels_of_the_task(tmp_path: Path) -> None:
    cvat.write(outgoing([], NASTY), tmp_path / "out", False, ignore)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    names = sorted([*NASTY, "rejected", "unknown"])
    assert [label["name"] for label in labels] == names
    assert {label["type"] for label in labels} == {"tag"}
    assert [one["name"] for one in labels[0]["attributes"]] == [
        *("checked", "image_id", "sub_class", "score", "was")
    ]
    root = ElementTree.parse(tmp_path / "out" / "annotations.xml").getroot()
    assert [one.text for one in root.findall("meta/task/labels/label/name")] == names


def test_pictures_that_are_gone_or_changed(tmp_path: Path, photo: MakePhoto) -> None:
    rows = [row(1, path=str(tmp_path / "gone.jpg")), row(2, path=str(photo("a.jpg")))]
    with pytest.raises(FaultsError) as caught:
        cvat.write(outgoing(rows), tmp_path / "out", True, ignore)
    assert caught.value.faults == [
        f"{tmp_path}/gone.jpg: no such file or directory",
        f"{tmp_path}/a.jpg: its content has changed since the scan",
    ]
    assert not (tmp_path / "out").exists()


def test_names_that_cvat_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="is longer than 64 characters"):
        cvat.write(outgoing([], ["a" * 65]), tmp_path / "out", False, ignore)
    with pytest.raises(FaultsError, match="which XML cannot hold"):
        cvat.write(outgoing([], ["a\x1fb"]), tmp_path / "out", False, ignore)


def test_all_faults_come_together(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        '<annotations><image id="0"><tag label="a"/></image>'
        '<image id="1" name="b.jpg"><tag source="manual"/></image></annotations>'
    )
    with pytest.raises(FaultsError) as caught:
        cvat.read(path)
    assert caught.value.faults == ["image 0: has no name", "image 1: has a tag without a label"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SAMPLE[:-200], r"line \d+: is not XML"),
        ("", "is not XML"),
        ("<VOC><image/></VOC>", "has the root <VOC>, not <annotations>"),
        ('<annotations><track id="0"/></annotations>', "is a video's"),
    ],
)
def test_what_is_no_export(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        cvat.read(path)


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"holds no annotations\.xml"):
        cvat.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.txt", "")
    with pytest.raises(InputError, match=r"holds no annotations\.xml"):
        cvat.read(path)


def test_entities_that_grow_are_refused(tmp_path: Path) -> None:
    """The billion laughs: the parser gives up long before memory does."""
    grown = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol" * 100}">' for n in range(9)
    )
    path = tmp_path / "a.xml"
    path.write_text(f"<!DOCTYPE a [{grown}]><annotations>&e8;</annotations>")
    with pytest.raises(InputError, match="is not XML"):
        cvat.read(path)


@pytest.mark.parametrize(
    ("label", "checked", "said"),
    [
        ("cat", "false", ["cat", "kitten", "cat/kitten"]),
        ("cat", "true", ["cat", "kitten", ""]),
        ("dog", "false", ["dog", "", "cat/kitten"]),
        ("dog", "true", ["dog", "", ""]),
    ],
)
def test_a_label_that_somebody_checked_is_an_answer(
    tmp_path: Path, photo: MakePhoto, label: str, checked: str, said: list[str]
) -> None:
    """What it was is no longer said of it then; a sub-class goes with its class all the same."""
    file = photo("a.jpg")
    rows = [row(1, path=str(file), label="cat", sub_class="kitten")]
    rows[0]["image_id"] = image_id(file.read_bytes())
    cvat.write(outgoing(rows), tmp_path / "out", False, ignore)
    xml = tmp_path / "out" / "annotations.xml"
    text = xml.read_text().replace('<tag label="cat"', f'<tag label="{label}"')
    xml.write_text(text.replace('name="checked">false', f'name="checked">{checked}'))
    assert cvat.read(xml).answers[["label", "sub_class", "was"]].values.tolist() == [said]


def test_labels_are_read_by_id(sample: Path) -> None:
    assert labels_of(cvat.read(sample)) == {id_of(1): "cat", "": "dog", id_of(3): "cat"}
