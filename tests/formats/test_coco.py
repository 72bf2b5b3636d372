"""COCO: read by pycocotools, and read back."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from curate.core.errors import FaultsError, InputError
from curate.formats import coco
from curate.formats.exchange import Incoming
from tests.conftest import MakePhoto
from tests.formats.exchanged import NASTY, id_of, ignore, labels_of, outgoing, row

COCO = import_module("pycocotools.coco").COCO

SAMPLE: dict[str, Any] = {
    "info": {"year": 2024, "contributor": "somebody"},
    "licenses": [],
    "images": [
        {"id": 10, "file_name": "a/1.jpg", "width": 640, "height": 480, "seq_id": "x"},
        {"id": "b-2", "file_name": "2.jpg", "width": 640, "height": 480},
        {"id": 12, "file_name": "3.jpg"},
    ],
    "categories": [{"id": 0, "name": "empty"}, {"id": 7, "name": "cat", "supercategory": "animal"}],
    "annotations": [
        {"id": 1, "image_id": 10, "category_id": 7, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
        {"id": 2, "image_id": 10, "category_id": 7, "bbox": [9, 2, 3, 4], "area": 12, "iscrowd": 0},
        {"id": "s-3", "image_id": "b-2", "category_id": 0},
    ],
}


def read(tmp_path: Path, content: object) -> Incoming:
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    return coco.read(path)


def test_pycocotools_reads_it(tmp_path: Path) -> None:
    rows = [
        row(1, label="cat", bbox="1,2,30.5,40"),
        row(2, top_classes=["dog", "cat"], top_scores=[0.75, 0.25]),
        row(3),
        *(row(10 + n, label=label) for n, label in enumerate(NASTY)),
    ]
    coco.write(outgoing(rows, ["horse"]), tmp_path / "c.json", False, ignore)
    found = COCO(tmp_path / "c.json")
    assert {one["name"] for one in found.loadCats(found.getCatIds())} == {
        *("cat", "dog", "horse", *NASTY)
    }
    by_id = {one["curate_id"]: one["id"] for one in found.loadImgs(found.getImgIds())}
    assert list(by_id) == [one["image_id"] for one in rows]

    def of(number: int) -> list[Any]:
        annotations: list[Any] = found.loadAnns(found.getAnnIds(imgIds=by_id[id_of(number)]))
        return annotations

    results = found.loadRes(str(tmp_path / "c-predictions.json"))
    [labelled], [predicted] = of(1), results.loadAnns(results.getAnnIds(imgIds=by_id[id_of(2)]))
    assert (labelled["bbox"], labelled["area"]) == ([1.0, 2.0, 30.5, 40.0], 1220.0)
    assert "score" not in labelled
    assert (predicted["bbox"], predicted["score"]) == ([0.0, 0.0, 96, 64], 0.75)
    assert found.loadCats(predicted["category_id"])[0]["name"] == "dog"
    assert of(2) == of(3) == []
    assert len(found.getAnnIds(areaRng=[1000, 2000])) == 1


def test_predictions_come_back(tmp_path: Path) -> None:
    rows = [row(1, top_classes=["dog"], top_scores=[1 / 3]), row(2, label="cat"), row(3)]
    coco.write(outgoing(rows), tmp_path / "c.json", False, ignore)
    said = coco.read(tmp_path / "c.json")
    assert said.model == "m1"
    assert said.predictions.to_dict("records") == [
        {
            "place": "image 1",
            "file": "/photos/1.jpg",
            "image_id": id_of(1),
            "status": "ok",
            "reason": "",
            "classes": ["dog"],
            "scores": [1 / 3],
        }
    ]


def test_a_tool_may_add_scores_or_drop_them(tmp_path: Path) -> None:
    """What is a label and what a prediction does not hang on the score."""
    rows = [row(1, label="cat"), row(2, top_classes=["dog"], top_scores=[0.5])]
    coco.write(outgoing(rows), tmp_path / "c.json", False, ignore)
    content = json.loads((tmp_path / "c.json").read_text())
    for annotation in content["annotations"]:
        annotation["score"] = 1.0
    del content["info"]
    scored = read(tmp_path, content)
    assert (labels_of(scored), len(scored.predictions)) == ({id_of(1): "cat"}, 0)


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ([{"image_id": 9, "category_id": 1, "score": 0.5}], "prediction 1: there is no image 9"),
        ([{"image_id": 2, "category_id": 2, "score": 2}],
         "prediction 1: score 2 is no number between 0 and 1"),
        ([7], "prediction number 1: is no object"),
        ({}, "c-predictions.json: is no list of results"),
    ],
)  # fmt: skip
def test_faults_of_the_predictions_beside(tmp_path: Path, results: object, fault: str) -> None:
    rows = [row(1, label="cat"), row(2, top_classes=["dog"], top_scores=[0.5])]
    coco.write(outgoing(rows), tmp_path / "c.json", False, ignore)
    (tmp_path / "c-predictions.json").write_text(json.dumps(results))
    with pytest.raises(FaultsError) as caught:
        coco.read(tmp_path / "c.json")
    assert caught.value.faults == [fault]


def test_predictions_that_were_left_behind(tmp_path: Path) -> None:
    rows = [row(1, label="cat"), row(2, top_classes=["dog"], top_scores=[0.5])]
    coco.write(outgoing(rows), tmp_path / "c.json", False, ignore)
    (tmp_path / "c-predictions.json").rename(tmp_path / "moved.json")
    said = coco.read(tmp_path / "c.json")
    assert (labels_of(said), len(said.predictions)) == ({id_of(1): "cat"}, 0)
    assert "predictions are not there: c-predictions.json" in said.notes
    info = {"predictions": f"../{tmp_path.name}/moved.json"}
    assert read(tmp_path, SAMPLE | {"info": info}).predictions.empty


def test_in_a_folder_predictions_lie_where_no_tool_takes_them_for_labels(
    tmp_path: Path, photo: MakePhoto
) -> None:
    rows = [row(1, path=str(photo("a.jpg")), top_classes=["dog"], top_scores=[0.5])]
    coco.write(outgoing(rows), tmp_path / "out", False, ignore)
    assert [path.name for path in (tmp_path / "out/annotations").iterdir()] == [
        "instances_default.json"
    ]
    assert len(json.loads((tmp_path / "out/predictions.json").read_text())) == 1
    for path in (tmp_path / "out", tmp_path / "out/annotations/instances_default.json"):
        assert list(coco.read(path).predictions["image_id"]) == [id_of(1)]


def test_another_class_has_neither_the_sub_class_nor_the_author_of_the_old(tmp_path: Path) -> None:
    rows = [row(n, label="kangaroo", sub_class="joey", by="ann") for n in range(3)]
    coco.write(outgoing(rows, ["wallaby"]), tmp_path / "c.json", False, ignore)
    content = json.loads((tmp_path / "c.json").read_text())
    for annotation in content["annotations"][1:]:
        annotation["category_id"] = 2
    content["annotations"][2]["attributes"] |= {"sub_class": "adult", "by": "ben"}
    answers = read(tmp_path, content).answers
    assert answers[["label", "sub_class", "by", "was"]].values.tolist() == [
        ["kangaroo", "joey", "", "kangaroo/joey"],
        ["wallaby", "", "", "kangaroo/joey"],
        ["wallaby", "adult", "ben", "kangaroo/joey"],
    ]


def test_a_folder_with_the_pictures(tmp_path: Path, photo: MakePhoto) -> None:
    """Of a tool that drops the key it does not know, the id comes back in the name."""
    rows = [row(1, path=str(photo("a.jpg")), label="cat")]
    coco.write(outgoing(rows), tmp_path / "out", False, ignore)
    name = f"a-{id_of(1)}.jpg"
    assert (tmp_path / "out" / "images" / "default" / name).exists()
    assert labels_of(coco.read(tmp_path / "out")) == {id_of(1): "cat"}
    file = tmp_path / "out" / "annotations" / "instances_default.json"
    content = json.loads(file.read_text())
    assert [image.pop("curate_id") for image in content["images"]] == [id_of(1)]
    assert labels_of(read(tmp_path, content)) == {id_of(1): "cat"}
    assert content["images"][0]["file_name"] == name


def test_sizes_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    rows = [row(1, label="cat", width=float("nan"), height=float("nan"))]
    coco.write(outgoing(rows), tmp_path / "c.json", False, ignore)
    content = json.loads((tmp_path / "c.json").read_text())
    assert "width" not in content["images"][0]
    assert content["annotations"][0]["area"] == 0


def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    """Two animals of one class on a photo are one answer; ids may be texts, and 0."""
    said = read(tmp_path, SAMPLE)
    assert said.answers[["place", "file", "image_id", "label"]].values.tolist() == [
        ["annotation 1", "a/1.jpg", "", "cat"],
        ["annotation s-3", "2.jpg", "", "empty"],
    ]
    assert said.notes == ["boxes and masks are passed by: 2"]
    assert said.model == ""


def test_two_classes_on_a_photo_are_two_rows(tmp_path: Path) -> None:
    more = {"id": 4, "image_id": 10, "category_id": 0}
    said = read(tmp_path, SAMPLE | {"annotations": [*SAMPLE["annotations"], more]})
    assert list(said.answers["label"]) == ["cat", "empty", "empty"]
    assert list(said.answers["file"]) == ["a/1.jpg", "2.jpg", "a/1.jpg"]


def test_of_several_scores_the_highest_counts(tmp_path: Path) -> None:
    scores = [(7, 0.25), (0, 0.5), (7, 0.75), (7, 0.125)]
    annotations = [
        {"id": n, "image_id": 10, "category_id": category, "score": score}
        for n, (category, score) in enumerate(scores)
    ]
    [said] = read(tmp_path, SAMPLE | {"annotations": annotations}).predictions.to_dict("records")
    assert (said["classes"], said["scores"]) == (["cat", "empty"], [0.75, 0.5])


def test_all_faults_come_together(tmp_path: Path) -> None:
    images = [*SAMPLE["images"], {"id": 10, "file_name": "z"}, {"file_name": "y"}, {"id": 13}, 5]
    annotations = [
        {"id": 1, "image_id": 99, "category_id": 7},
        {"id": 2, "image_id": 10, "category_id": 8},
        {"id": 3, "image_id": 10, "category_id": 7, "score": float("nan")},
        {"id": 4, "image_id": 10, "category_id": 7, "score": "0.5"},
        {"id": 5, "image_id": [10], "category_id": 7},
        {"id": 6, "image_id": 10, "category_id": 7, "score": 1.5},
        "seven",
    ]
    with pytest.raises(FaultsError) as caught:
        read(tmp_path, SAMPLE | {"images": images, "annotations": annotations})
    assert caught.value.faults == [
        "image 10: its id is there twice",
        "image number 5: has no id",
        "image 13: has no file_name",
        "image number 7: has no id",
        "annotation 1: there is no image 99",
        "annotation 2: there is no category 8",
        "annotation 3: score nan is no number between 0 and 1",
        "annotation 4: score '0.5' is no number between 0 and 1",
        "annotation 5: there is no image [10]",
        "annotation 6: score 1.5 is no number between 0 and 1",
        "annotation number 7: is no object",
    ]


@pytest.mark.parametrize(
    "content", [[], [{"image_id": 1, "category_id": 1, "score": 0.5}], {}, {"images": []}, 7]
)
def test_what_is_no_dataset(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="has not the lists images, categories and annotations"):
        read(tmp_path, content)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    coco.write(outgoing([row(1, label="cat")]), path, False, ignore)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"line 8: is not JSON|line \d+: is not JSON"):
        coco.read(path)


def test_ids_of_somebody_else_are_none_of_ours(tmp_path: Path) -> None:
    images = [{**SAMPLE["images"][0], "curate_id": "7"}, *SAMPLE["images"][1:]]
    assert set(labels_of(read(tmp_path, SAMPLE | {"images": images}))) == {""}
