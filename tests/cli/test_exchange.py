"""`curate export --format` and `curate import`: out, answered there, and back into the library."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from sqlalchemy import select

from curate.cli import exchange
from curate.cli.main import answer
from curate.core.errors import InputError
from curate.formats.kinds import FORMATS, format_of
from curate.formats.tables import write_csv
from curate.scan import scan
from curate.store import decisions, facts, files, schema, views
from curate.store.library import Library

from ..conftest import MakePhoto
from ..queues.cases import predict, said

Ids = dict[str, str]
Fill = Callable[[Path, Ids], Path]

ANSWERS = {"a": "kudu", "b": "zebra"}
"""What the other tool's user says; `c` stays without an answer, `k` is labelled already."""


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> Ids:
    """Scan a pool of three with predictions, one labelled image with one, and a second class."""
    for seed, name in enumerate("abc"):
        photo(f"pool/{name}.jpg", seed)
    photo("photos/kudu/k.jpg", 8)
    photo("photos/zebra/z.jpg", 9)
    scan(library, tmp_path / "pool", backend="serial")
    scan(library, tmp_path / "photos", labels="folder", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    found = {Path(path).stem: name for path, name in table[["path", "image_id"]].to_numpy()}
    rows = [said(found[name], "gazelle", 0.6, "kudu", 0.3) for name in "abck"]
    for row in rows:
        row |= {"top_classes": ["gazelle", "kudu"], "top_scores": [0.6, 0.3]}
    predict(library, rows)
    return found


def labels(library: Library, ids: Ids) -> dict[str, str | None]:
    with library.reading() as connection:
        table = facts.images(connection).set_index("image_id")["label"]
    return {name: table[image_id] for name, image_id in ids.items() if table[image_id]}


def called(ids: Ids, text: str) -> str:
    """The name of the image that a file of the other tool's names; '' for none."""
    return next((name for name, image_id in ids.items() if image_id in text), "")


def told(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    capsys.readouterr()
    assert answer([*line.split(), "--json"]) == 0, capsys.readouterr().err
    return dict(json.loads(capsys.readouterr().out))


def _label_studio(out: Path, ids: Ids) -> Path:
    (file,) = out.glob("tasks*.json")
    tasks = json.loads(file.read_text())
    for task in tasks:
        label = ANSWERS.get(called(ids, json.dumps(task["data"])))
        if label:
            value = {"choices": [label]}
            result = {"from_name": "choice", "to_name": "image", "type": "choices", "value": value}
            task["annotations"] = [{"id": 1, "result": [result], "completed_by": 3}]
    done = out.parent / "export.json"
    done.write_text(json.dumps(tasks))
    return done


def _fiftyone(out: Path, ids: Ids) -> Path:
    file = out / "labels.json"
    said = json.loads(file.read_text())
    said["labels"] |= {
        key: ANSWERS[name] for key in said["labels"] if (name := called(ids, key)) in ANSWERS
    }
    file.write_text(json.dumps(said))
    return out


def _hf(out: Path, ids: Ids) -> Path:
    file = out / "metadata.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        row["label"] = ANSWERS.get(called(ids, row["file_name"]), row["label"])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return out


def _coco(out: Path, ids: Ids) -> Path:
    coco = json.loads(out.read_text())
    numbers = {category["name"]: category["id"] for category in coco["categories"]}
    for image in coco["images"]:
        label = ANSWERS.get(called(ids, json.dumps(image)))
        if label:
            new = {"id": 1000 + len(coco["annotations"]), "image_id": image["id"]}
            coco["annotations"].append({**new, "category_id": numbers[label]})
    out.write_text(json.dumps(coco))
    return out


def _cvat(out: Path, ids: Ids) -> Path:
    from xml.etree import ElementTree

    file = out / "annotations.xml"
    tree = ElementTree.parse(file)
    for image in tree.iter("image"):
        label = ANSWERS.get(called(ids, image.get("name") or ""))
        if label:
            for tag in image.findall("tag"):
                image.remove(tag)
            ElementTree.SubElement(image, "tag", {"label": label, "source": "manual"})
    tree.write(file)
    return out


def _webdataset(out: Path, ids: Ids) -> Path:
    (tar,) = out.glob("*.tar")
    edited = io.BytesIO()
    with tarfile.open(tar) as old, tarfile.open(fileobj=edited, mode="w") as new:
        for member in old:
            opened = old.extractfile(member)
            assert opened is not None
            data = opened.read()
            if member.name.endswith(".json"):
                row = json.loads(data)
                row["label"] = ANSWERS.get(called(ids, member.name), row["label"])
                data = json.dumps(row).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    tar.write_bytes(edited.getvalue())
    return out


def _cleanlab(out: Path, ids: Ids) -> Path:
    # Only labels are suspected, so the answers are about images that have one.
    table = pd.read_csv(out / "ids.csv")
    issues = pd.DataFrame({"is_label_issue": True, "label": ["zebra"] * len(table)})
    issues.to_csv(out / "issues.csv")
    return out / "issues.csv"


def _roboflow(out: Path, ids: Ids) -> Path:
    file = out / "_classes.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    for row in rows:
        label = ANSWERS.get(called(ids, row["filename"]))
        if label:
            row |= {label: "1"}
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out


def _folders(out: Path, ids: Ids) -> Path:
    for file in (out / "_unlabeled").iterdir():
        label = ANSWERS.get(called(ids, file.name))
        if label:
            (out / label).mkdir(exist_ok=True)
            file.rename(out / label / file.name)
    return out


FILL: dict[str, Fill] = {
    "label-studio": _label_studio,
    "fiftyone": _fiftyone,
    "hf": _hf,
    "coco": _coco,
    "cvat": _cvat,
    "webdataset": _webdataset,
    "cleanlab": _cleanlab,
    "roboflow": _roboflow,
    "folders": _folders,
}
"""What happens in the other tool, by the formats that labels come back from."""


@pytest.mark.parametrize("name", FILL)
def test_labels_come_back_from(
    library: Library, ids: Ids, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / ("out.json" if name == "coco" else "out")
    written = told(capsys, f"export --format {name} -o {out}")
    assert (written["images"], written["labelled"], written["predicted"]) == (5, 2, 4)
    assert written["model"] == "m1"

    back = FILL[name](out, ids)
    counts = told(capsys, f"import {back} --format {name}")["labels"]

    if name == "cleanlab":
        assert labels(library, ids) == {"k": "zebra", "z": "zebra"}
        return
    assert labels(library, ids) == {**ANSWERS, "k": "kudu", "z": "zebra"}
    assert (counts["labelled"], counts["changed"]) == (2, 0)
    again = told(capsys, f"import {back} --format {name}")["labels"]
    assert again["labelled"] == 0
    with views.asked(library, "predictions") as answering:
        # What went out with the images is no prediction of another model when it comes back.
        assert answering.sql("SELECT count(*) FROM predictions").fetchall() == [(4,)]


def test_an_export_that_comes_back_unchanged_undoes_no_correction(
    library: Library, ids: Ids, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("label-studio", "fiftyone", "hf", "coco", "cvat", "webdataset")
    for name in names:
        out = tmp_path / (f"{name}.json" if name == "coco" else name)
        told(capsys, f"export --format {name} -o {out}")
    answers = pd.DataFrame({"image_id": [ids["k"], ids["z"]], "label": ["zebra", "rejected"]})
    write_csv(answers, tmp_path / "corrected.csv")
    told(capsys, "label import corrected.csv")
    held = labels(library, ids)
    assert held["k"] == "zebra"
    for name in names:
        out = tmp_path / (f"{name}.json" if name == "coco" else name)
        counts = told(capsys, f"import {out} --format {name}")["labels"]
        assert (counts["unchanged"], counts["labelled"]) == (2, 0), name
    assert labels(library, ids) == held
    with library.reading() as connection:
        table = facts.images(connection).set_index("image_id")["usable"]
    assert not table[ids["z"]]


@pytest.mark.parametrize(
    ("name", "out", "back"),
    [
        ("timm", "out.csv", "out.csv"),
        ("timm", "out.json", "out.json"),
        ("timm", "out.parquet", "out.parquet"),
        ("fiftyone", "out", "out/predictions.json"),
        ("coco", "out.json", "out.json"),
    ],
)
def test_own_predictions_come_back_as_no_other_model(
    library: Library,
    ids: Ids,
    capsys: pytest.CaptureFixture[str],
    name: str,
    out: str,
    back: str,
) -> None:
    told(capsys, f"export --format {name} -o {out}")
    assert answer(["import", back, "--format", name]) == 0
    assert "predictions of m1 are in the library already" in capsys.readouterr().out
    with views.asked(library, "predictions") as answering:
        assert answering.sql("SELECT count(*) FROM predictions").fetchall() == [(4,)]


class _Signed(SimpleHTTPRequestHandler):
    """Gives nothing to whoever has no signature."""

    def send_head(self) -> Any:
        if "X-Amz-Signature=hush" not in self.path:
            self.send_error(403)
            return None
        return super().send_head()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its own name)
        pass


def test_a_signature_is_nowhere_written_down(
    library: Library, ids: Ids, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web").mkdir()
    _timm(tmp_path / "web" / "said.csv", ["pool/a.jpg"])
    row = {"file_name": "a.jpg", "label": "kudu", "image_id": ids["a"]}
    (tmp_path / "web" / "metadata.jsonl").write_text(json.dumps(row))
    handler = partial(_Signed, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{serving.server_address[1]}"
        query = "?X-Amz-Credential=who/s3&X-Amz-Signature=hush"
        found = told(capsys, f"import {url}/said.csv{query} --format timm --root {tmp_path}")
        assert found["predictions"]["imported"] == 1
        assert told(capsys, f"import {url}/metadata.jsonl{query} --format hf")["labels"]
        assert answer(["import", f"{url}/gone.csv{query}", "--format", "timm"]) == 1
        assert "hush" not in "".join(capsys.readouterr())
        assert answer(["import", f"{url}/said.csv?X-Amz-Signature=no", "--format", "timm"]) == 1
        assert "Signature" not in "".join(capsys.readouterr())
        serving.shutdown()
        thread.join()
    with library.reading() as connection:
        written = connection.execute(select(schema.runs)).all()
    assert url in str(written)
    assert "hush" not in str(written)


def _timm(out: Path, asked: list[str]) -> None:
    rows = [[name, "kudu", 0.9, "zebra", 0.05] for name in asked]
    write_csv(
        pd.DataFrame(rows, columns=["filename", "label_0", "prob_0", "label_1", "prob_1"]), out
    )


def _megadetector(out: Path, asked: list[str]) -> None:
    detection = {"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}
    images = [{"file": name, "detections": [detection]} for name in asked]
    info = {"format_version": "1.6", "detector": "md_v5a.0.0.pt"}
    said = {"info": info, "detection_categories": {"1": "animal"}, "images": images}
    out.write_text(json.dumps(said))


def _speciesnet(out: Path, asked: list[str]) -> None:
    label = "uuid;mammalia;cetartiodactyla;bovidae;tragelaphus;strepsiceros;greater kudu"
    rows = [{"filepath": n, "prediction": label, "prediction_score": 0.9} for n in asked]
    out.write_text(json.dumps({"predictions": rows}))


PREDICT = {
    "timm": ("csv", _timm, "kudu"),
    "megadetector": ("json", _megadetector, "animal"),
    "speciesnet": ("json", _speciesnet, "greater kudu"),
}
"""Formats that predictions come from: the suffix, the tool, and what it says."""


@pytest.mark.parametrize("name", PREDICT)
def test_predictions_come_from(
    library: Library, ids: Ids, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    suffix, tool, predicted = PREDICT[name]
    told(capsys, f"export --format {name} -o {tmp_path}/list.{suffix}")
    asked = [str(path.resolve()) for path in (tmp_path / "pool").iterdir()]
    if suffix == "json":
        assert all(path in (tmp_path / "list.json").read_text() for path in asked)
    tool(tmp_path / f"results.{suffix}", asked)

    line = f"import {tmp_path}/results.{suffix} --format {name}"
    found = told(capsys, line)

    counts = {"imported": 3, "failed": 0, "known": 0, "doubled": 0, "unfound": 0}
    assert found["predictions"] == counts
    assert found["next"] == f"curate queue uncertain --model {tmp_path}/results.{suffix}"
    with views.asked(library, "predictions") as answering:
        rows = answering.sql("SELECT predicted, score FROM predictions WHERE run_id > 3").fetchall()
    assert rows == [(predicted, 0.9)] * 3
    assert told(capsys, line)["predictions"]["known"] == 3


def test_every_format_is_tried_and_helped() -> None:
    assert set(FILL) | set(PREDICT) == set(FORMATS)
    assert exchange.NAMES.split(", ") == list(FORMATS)
    assert all(kind.help and kind.place.startswith("a ") for kind in FORMATS.values())


def test_an_unknown_format_lists_the_known() -> None:
    with pytest.raises(InputError) as caught:
        format_of("label_studio")
    assert all(f"\n  {name}" in str(caught.value) for name in FORMATS)
    assert caught.value.remedy == "Did you mean label-studio?"


def test_a_queue_goes_out_in_its_order_by_file_and_by_name(
    library: Library, ids: Ids, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["c", "a"]
    table = pd.DataFrame({"image_id": [ids[n] for n in order], "reason": ["=why", "so"]})
    write_csv(table.assign(label=""), tmp_path / "queue.csv")

    said = told(capsys, "export queue.csv --format hf -o out")

    assert (said["images"], said["left_out"]) == (2, 0)
    rows = [json.loads(line) for line in Path("out/metadata.jsonl").read_text().splitlines()]
    assert [row["image_id"] for row in rows] == [ids[name] for name in order]
    assert [row["reason"] for row in rows] == ["=why", "so"]
    assert answer(["export", "monday", "--format", "hf", "-o", "other"]) == 1
    assert "none is saved under this name" in capsys.readouterr().err


def test_what_the_other_tool_calls_its_people_decided(
    library: Library, ids: Ids, tmp_path: Path
) -> None:
    rows = [{"file_name": "a.jpg", "label": "okapi", "image_id": ids["a"], "by": "zoe"},
            {"file_name": "b.jpg", "label": "okapi"}]  # fmt: skip
    file = tmp_path / "metadata.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ["import", "metadata.jsonl", "--format", "hf", "--by", "ann", "--root", "pool"]

    assert answer(line) == 1
    assert answer([*line, "--new-class", "okapi"]) == 0

    with library.reading() as connection:
        said = decisions.current(connection, "label").set_index("image_id")["actor"]
    assert (said[ids["a"]], said[ids["b"]]) == ("zoe", "ann")


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("export -o out", 2, "Give a checkpoint, or the --format of images"),
        ("export ckpt.pt -o out --copy", 2, "belong to --format"),
        ("export --format hf --arch resnet18 -o out", 2, "are of a checkpoint"),
        ("export --format hff -o out", 1, "Did you mean hf?"),
        ("import gone.json --format coco", 1, "no such file or folder"),
        ("import pool --format folders", 1, "neither metadata nor an image in a class folder"),
        ("export --format hf -o pool", 1, "is there already"),
        ("export gone.csv --format hf -o out", 1, "gone.csv: no such file"),
    ],
)
def test_wrong_use(
    ids: Ids, capsys: pytest.CaptureFixture[str], line: str, status: int, said: str
) -> None:
    assert answer(line.split()) == status
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


def test_an_export_of_nothing_is_an_error(
    library: Library, photo: MakePhoto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo("pool/a.jpg")
    scan(library, tmp_path / "pool", backend="serial")
    assert answer(["export", "--format", "coco", "-o", "out.json"]) == 1
    assert "curate status" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("export -o x.onnx ckpt.pt --arch resnet18", "curate.cli.show.export_checkpoint"),
        ("import f.json --format coco", "curate.cli.exchange._read"),
    ],
)
def test_a_command_calls_its_verb(ids: Ids, tmp_path: Path, line: str, verb: str) -> None:
    (tmp_path / "f.json").touch()
    with patch(verb, side_effect=InputError("stop", "here", "now")) as called:
        assert answer(line.split()) == 1
    _, *arguments = called.call_args.args
    if verb.endswith("checkpoint"):
        assert arguments == [Path("ckpt.pt"), Path("x.onnx"), "resnet18", None]
    else:
        assert arguments == ["coco", Path("f.json")]


def test_to_a_bucket_and_back(
    library: Library, ids: Ids, tmp_path: Path, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    root = f"s3://{bucket.name}/sent"
    told(capsys, f"export --format hf -o {root}/hf")
    keys = sorted(object_.key for object_ in bucket.objects.all())
    assert keys[:2] == ["sent/hf/README.md", f"sent/hf/images/a-{ids['a']}.jpg"]
    assert len(keys) == 2 + 5
    content = bucket.Object(f"sent/hf/images/a-{ids['a']}.jpg").get()["Body"].read()
    assert content == (tmp_path / "pool/a.jpg").read_bytes()
    line = {"file_name": f"images/a-{ids['a']}.jpg", "label": "kudu"}
    bucket.put_object(Key="sent/hf/metadata.jsonl", Body=json.dumps(line).encode())

    assert told(capsys, f"import {root}/hf --format hf")["labels"]["labelled"] == 1
    assert labels(library, ids)["a"] == "kudu"
    assert answer(["export", "--format", "hf", "-o", f"{root}/hf"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert answer(["import", f"{root}/gone.json", "--format", "coco"]) == 1


def test_a_url_that_cannot_be_written(ids: Ids, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["export", "--format", "coco", "-o", "ftp://host/x.json"]) == 1
    assert "a scheme that is not opened" in capsys.readouterr().err
    assert not [name for name in os.listdir() if "tmp" in name]
