"""Label Studio: what it takes, and what its exports give back.

The samples have the form in which `label_studio_sdk.converter` (2.1.2) writes them;
`benchmarks/formats_peers.py` runs the converter itself.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from curate.core.errors import FaultsError, InputError
from curate.formats import label_studio
from curate.formats.exchange import Incoming
from tests.formats.exchanged import NASTY, id_of, ignore, labels_of, outgoing, row


def choice(*labels: str, name: str = "choice", **known: Any) -> dict[str, Any]:
    value = {"choices": list(labels)}
    region = {"id": "r", "type": "choices", "from_name": name, "to_name": "image", "value": value}
    return {"id": 9, "completed_by": 1, "was_cancelled": False, "result": [region], **known}


def task(number: int, *annotations: Any, **data: Any) -> dict[str, Any]:
    data = data or {"image": f"/data/local-files/?d=p/{number}.jpg", "image_id": id_of(number)}
    return {"id": number, "data": data, "annotations": list(annotations), "predictions": []}


def read(tmp_path: Path, content: object) -> Incoming:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(content))
    return label_studio.read(path)


def written(tmp_path: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    label_studio.write(outgoing(rows), tmp_path / "out", False, ignore)
    tasks = json.loads((tmp_path / "out" / "tasks-000.json").read_text())
    assert isinstance(tasks, list)
    return tasks


def test_a_task_with_a_prediction(tmp_path: Path) -> None:
    known = {"top_classes": ["cat", "dog"], "top_scores": [0.75, 0.25], "reason": "thin"}
    assert written(tmp_path, row(1, **known)) == [
        {
            "data": {
                "image": "/data/local-files/?d=photos/1.jpg",
                "image_id": id_of(1),
                "label": "",
                "sub_class": "",
                "predicted": "cat",
                "reason": "thin",
                "score": 0.75,
            },
            "predictions": [
                {
                    "model_version": "m1",
                    "score": 0.75,
                    "result": [
                        {
                            "id": f"{id_of(1)}-predicted",
                            "type": "choices",
                            "from_name": "choice",
                            "to_name": "image",
                            "value": {"choices": ["cat"]},
                        }
                    ],
                }
            ],
        }
    ]


def test_ids_of_results_are_one_of_a_kind(tmp_path: Path) -> None:
    both = {"label": "dog", "top_classes": ["cat"], "top_scores": [0.5]}
    ids = [
        region["id"]
        for one in written(tmp_path, row(1, **both), row(2, **both), row(3))
        for said in one.get("predictions", []) + one.get("annotations", [])
        for region in said["result"]
    ]
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/my photos/a?b&c#d%.jpg", "/data/local-files/?d=my%20photos/a%3Fb%26c%23d%25.jpg"),
        (r"/p/caf\xe9.jpg", "/data/local-files/?d=p/caf%E9.jpg"),
        ("s3://bucket/a b.jpg", "s3://bucket/a b.jpg"),
        ("https://host/a.jpg?x=1", "https://host/a.jpg?x=1"),
    ],
)
def test_where_pictures_are(tmp_path: Path, path: str, url: str) -> None:
    [one] = written(tmp_path, row(1, path=path, label="cat"))
    assert one["data"]["image"] == url
    assert list(label_studio.read(tmp_path / "out").answers["file"]) == [path]


def test_pictures_in_archives_cannot_be_shown(tmp_path: Path) -> None:
    inside = [row(1, path="/x.tar//a.jpg"), row(2), row(3, path="s3://b/y.zip//c.jpg")]
    with pytest.raises(FaultsError, match="lies in an archive") as caught:
        label_studio.write(outgoing(inside), tmp_path / "out", False, ignore)
    assert len(caught.value.faults) == 2
    assert not (tmp_path / "out").exists()


def test_the_interface_offers_every_class_and_two_more(tmp_path: Path) -> None:
    label_studio.write(outgoing([row(1)], NASTY), tmp_path / "out", False, ignore)
    root = ElementTree.parse(tmp_path / "out" / "config.xml").getroot()
    offered = [one.get("value") for one in root.iter("Choice")]
    assert offered == [*sorted(NASTY), "unknown", "rejected"]


def test_a_class_that_xml_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match=r"'a\\x00b' has the character '\\x00'"):
        label_studio.write(outgoing([], ["a\0b", "c"]), tmp_path / "out", False, ignore)


def test_many_tasks_are_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_studio, "TASKS", 2)
    sent = outgoing([row(number, label="cat") for number in range(5)])
    label_studio.write(sent, tmp_path / "out", False, ignore)
    files = sorted(path.name for path in (tmp_path / "out").glob("tasks-*"))
    assert files == ["tasks-000.json", "tasks-001.json", "tasks-002.json"]
    assert len(label_studio.read(tmp_path / "out").answers) == 5


def test_no_images_are_an_empty_list(tmp_path: Path) -> None:
    label_studio.write(outgoing([], ["cat"]), tmp_path / "out", False, ignore)
    assert label_studio.read(tmp_path / "out").answers.empty


def test_an_export_of_several_people(tmp_path: Path) -> None:
    """Cancelled and empty annotations are no answers; two people that disagree are two rows."""
    person = {"id": 7, "email": "ann@x.org", "first_name": "Ann"}
    said = read(
        tmp_path,
        [
            task(1, choice("cat", completed_by=person), choice("dog", completed_by=2)),
            task(2, choice("cat", was_cancelled=True), choice("dog", ground_truth=True)),
            task(3, {"completed_by": 1, "result": []}, choice()),
            task(4),
            {"id": 5, "data": {"image": "x"}, "annotations": [], "drafts": [], "unheard_of": {}},
        ],
    )
    assert said.answers[["place", "image_id", "label", "by"]].values.tolist() == [
        ["task 1", id_of(1), "cat", "ann@x.org"],
        ["task 1", id_of(1), "dog", "2"],
        ["task 2", id_of(2), "dog", "1"],
    ]
    assert said.notes == ["cancelled annotations are no answers: 1"]


def test_the_sub_class_stays_with_its_class(tmp_path: Path) -> None:
    data = {"image": "i", "image_id": id_of(1), "label": "kangaroo", "sub_class": "joey"}
    said = read(tmp_path, [task(1, choice("kangaroo"), choice("wallaby"), **data)])
    assert list(said.answers["sub_class"]) == ["joey", ""]


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("/data/local-files/?d=p/my%20cat.jpg", "p/my cat.jpg"),
        ("http://host:8080/data/local-files/?d=p/a.jpg&x=1", "p/a.jpg"),
        ("/data/upload/3/0123abcd-a.jpg", "a.jpg"),
        ("/data/upload/0123abcd-a.jpg", "a.jpg"),
        ("gs://bucket/a.jpg", "gs://bucket/a.jpg"),
    ],
)
def test_pictures_of_projects_that_are_not_ours(tmp_path: Path, url: str, file: str) -> None:
    said = read(tmp_path, [task(1, choice("cat"), photo=url, image_id=1, title="no picture")])
    assert said.answers[["file", "image_id"]].values.tolist() == [[file, ""]]


def test_a_question_by_another_name(tmp_path: Path) -> None:
    assert labels_of(read(tmp_path, [task(1, choice("cat", name="species"))])) == {id_of(1): "cat"}


def test_two_questions(tmp_path: Path) -> None:
    both = [task(1, choice("cat", name="species"), choice("good", name="quality"))]
    with pytest.raises(InputError, match=r"asks 2 questions with choices \(quality, species\)"):
        read(tmp_path, both)
    ours = [task(1, choice("cat"), choice("good", name="quality"))]
    assert labels_of(read(tmp_path, ours)) == {id_of(1): "cat"}


FLAT = {"annotator": 1, "annotation_id": 3, "created_at": "", "updated_at": "", "lead_time": 1.5}


def test_json_min(tmp_path: Path) -> None:
    known = {"image": "/data/local-files/?d=p/1.jpg", **FLAT}
    said = read(
        tmp_path,
        [
            {**known, "image_id": id_of(1), "id": 1, "choice": "cat"},
            {**known, "image_id": id_of(1), "id": 1, "choice": "dog", "annotator": "b@x.org"},
            {**known, "image_id": id_of(2), "id": 2},
        ],
    )
    assert said.answers[["place", "file", "label", "by"]].values.tolist() == [
        ["task 1", "/p/1.jpg", "cat", "1"],
        ["task 1", "/p/1.jpg", "dog", "b@x.org"],
    ]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        lines.writerow(["annotation_id", "annotator", "choice", "id", "image", "image_id"])
        lines.writerows(
            [n, "a@x.org", label, n, f"/data/upload/1/{n}.jpg", id_of(n)]
            for n, label in enumerate([*NASTY, ""])
        )
    said = label_studio.read(path)
    assert labels_of(said) == {id_of(n): label for n, label in enumerate(NASTY)}
    assert set(said.answers["by"]) == {"a@x.org"}
    assert said.answers["place"].iloc[0] == "line 2"


@pytest.mark.parametrize(
    "several",
    ['{"choices": ["cat", "dog"]}', '[{"choices": ["cat", "dog"]}]', [{"choices": ["cat", "dog"]}],
     ["cat", "dog"]],
)  # fmt: skip
def test_several_choices_for_one_image(tmp_path: Path, several: object) -> None:
    with pytest.raises(FaultsError, match=r"task 4: has 2 choices \('cat', 'dog'\)"):
        read(tmp_path, [{"id": 4, "image": "a.jpg", "choice": several}])


def test_a_class_that_looks_like_choices(tmp_path: Path) -> None:
    said = read(tmp_path, [{"id": 4, "image": "a.jpg", "choice": '{"choices": oh'}])
    assert list(said.answers["label"]) == ['{"choices": oh']


def test_all_faults_come_together(tmp_path: Path) -> None:
    bad = choice("cat")
    bad["result"][0]["value"] = {"choices": "cat"}
    worse = choice("cat")
    worse["result"][0]["value"] = None
    with pytest.raises(FaultsError) as caught:
        read(
            tmp_path,
            [task(1, bad), task(2, choice("a", "b")), task(3, choice("c"), x=1), task(4, worse)],
        )
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        *("task 1", "task 4", "task 2", "task 3")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"id": 1, "data"', "line 1: is not JSON"),
        ("", "is not JSON"),
        ("[1, 2]", "is not a list of tasks"),
        ('"text"', "is not a list of tasks"),
        ('[{"id": 1, "image": "a.jpg", "species": "cat"}]', "has no 'choice', only id, image, spe"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_export(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        label_studio.read(path)


def test_a_csv_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("id,image,species\n1,a.jpg,cat\n")
    with pytest.raises(InputError, match="has no 'choice', only id, image, species"):
        label_studio.read(path)
    path.write_text("id,image,choice\n1,a.jpg\n1,a.jpg,cat,x\n")
    with pytest.raises(FaultsError) as caught:
        label_studio.read(path)
    assert caught.value.faults == ["line 2: 2 cells, 3 columns", "line 3: 4 cells, 3 columns"]
