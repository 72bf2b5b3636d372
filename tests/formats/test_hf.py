"""Imagefolders of a queue: `datasets` reads them, and their metadata comes back."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.core.errors import FaultsError, InputError
from curate.core.identity import file_id
from curate.formats import fiftyone, hf
from curate.formats.exchange import Outgoing

from ..conftest import MakePhoto
from .exchanged import CLASSES, NASTY, expected, ignore, labels_of, outgoing, row


@pytest.fixture
def sent(photo: MakePhoto) -> Outgoing:
    """Three pictures: labelled with a class that looks like a number, predicted, and bare."""
    # `datasets` would take this name for a split of its own.
    files = [photo(f"pool/{name}.jpg", seed) for seed, name in enumerate(("test_1", "b", "c"))]
    known: list[dict[str, Any]] = [
        {"label": "1", "sub_class": "NA", "bbox": "1 2 3 4"},
        {"top_classes": ["cat", "dog"], "top_scores": [0.75, 0.25], "reason": "why"},
        {},
    ]
    rows = [
        row(n, path=str(file), image_id=file_id(file), **more)
        for n, (file, more) in enumerate(zip(files, known, strict=True))
    ]
    return outgoing(rows)


@pytest.mark.parametrize("copy", [False, True])
def test_datasets_loads_it(sent: Outgoing, tmp_path: Path, copy: bool) -> None:
    hf.write(sent, tmp_path / "out", copy, ignore)
    datasets = pytest.importorskip("datasets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert list(found) == ["train"]
    rows = list(found["train"])
    assert [r["image_id"] for r in rows] == list(sent.table["image_id"])
    assert [(r["label"], r["sub_class"], r["predicted"]) for r in rows] == [
        ("1", "NA", ""),
        ("", "", "cat"),
        ("", "", ""),
    ]
    assert [r["score"] for r in rows] == [None, 0.75, None]
    for r, path in zip(rows, sent.table["path"], strict=True):
        assert r["image"].tobytes() == Image.open(path).tobytes()
    links = [file.is_symlink() for file in (tmp_path / "out/images").iterdir()]
    assert links == [not copy] * 3


def test_what_was_written_comes_back(sent: Outgoing, tmp_path: Path) -> None:
    hf.write(sent, tmp_path / "out", False, ignore)
    for place in (tmp_path / "out", tmp_path / "out/metadata.jsonl"):
        read = hf.read(place)
        assert labels_of(read) == {sent.table["image_id"][0]: "1"}
        assert list(read.answers["sub_class"]) == ["NA"]


ROWS = [{"file_name": "d/a.jpg", "label": "cat", "by": "ann"}, {"file_name": "b.jpg", "label": ""}]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_each_form_of_metadata_is_read(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / "photos" / "train" / f"metadata.{suffix}"
    file.parent.mkdir(parents=True)
    table = pd.DataFrame(ROWS)
    if suffix == "csv":
        table.to_csv(file, index=False)
    elif suffix == "jsonl":
        table.to_json(file, orient="records", lines=True)
    else:
        table.to_parquet(file)
    answers = hf.read(tmp_path / "photos").answers
    assert list(answers["file"]) == [str(file.parent.resolve() / "d/a.jpg")]
    assert list(answers["label"]) == ["cat"]
    assert list(answers["by"]) == ["ann"]
    assert answers["place"][0].startswith(f"train/metadata.{suffix}, ")


def test_class_folders_are_labels_where_there_is_no_metadata(
    photo: MakePhoto, tmp_path: Path
) -> None:
    for name in ("train/cat/a.jpg", "dog/b.png", "_/c.jpg", "d.jpg", "dog/notes.txt"):
        photo(f"photos/{name}")
    answers = hf.read(tmp_path / "photos").answers
    assert dict(zip(answers["place"], answers["label"], strict=True)) == {
        "dog/b.png": "dog",
        "train/cat/a.jpg": "cat",
    }


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        (['{"label": "a"}', '{"file_name": "x", "label": 3}'],
         ["line 1: no file_name", "line 2: label 3 is no name of a class"]),
        (['"x"'], ["line 1: no file_name"]),
    ],
)  # fmt: skip
def test_faults_come_together(tmp_path: Path, lines: Sequence[str], faults: list[str]) -> None:
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(FaultsError) as caught:
        hf.read(tmp_path / "metadata.jsonl")
    assert caught.value.faults == faults


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metadata.jsonl", b'{"file_name": "a"}\n{', "line 2: is not JSON"),
        ("metadata.parquet", b"PAR1", "is not a Parquet file"),
        ("metadata.txt", b"", "neither metadata nor an image"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        hf.read(tmp_path)


def test_a_picture_that_has_changed_stops_it(sent: Outgoing, tmp_path: Path) -> None:
    Path(sent.table["path"][0]).write_bytes(b"other")
    Path(sent.table["path"][1]).unlink()
    with pytest.raises(FaultsError) as caught:
        hf.write(sent, tmp_path / "out", True, ignore)
    assert [fault.rpartition(": ")[2] for fault in caught.value.faults] == [
        "its content has changed since the scan",
        "no such file or directory",
    ]
    assert not (tmp_path / "out").exists()


def test_fiftyones_labels_are_read(tmp_path: Path) -> None:
    """As FiftyOne writes them: texts, numbers in a list of classes, or with a confidence."""
    labels = {"a": "cat", "s/b": {"label": "dog", "attributes": {}}, "c": 1, "d": None,
              "e": {"label": "cat", "confidence": 0.5}, "f": [{"label": "x"}], "g": []}  # fmt: skip
    (tmp_path / "labels.json").write_text(json.dumps({"classes": ["u", "v"], "labels": labels}))
    (tmp_path / "data/s").mkdir(parents=True)
    (tmp_path / "data/s/b.png").touch()
    read = fiftyone.read(tmp_path)
    assert list(zip(read.answers["file"], read.answers["label"], strict=True)) == [
        ("a", "cat"),
        (str((tmp_path / "data/s/b.png").resolve()), "dog"),
        ("c", "v"),
        ("f", "x"),
    ]
    assert read.predictions[["file", "classes", "scores"]].values.tolist() == [
        ["e", ["cat"], [0.5]]
    ]


def test_fiftyones_faults_come_together(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps({"labels": {"a": 3, "b": ["x", "y"]}}))
    with pytest.raises(FaultsError) as caught:
        fiftyone.read(tmp_path)
    assert caught.value.faults == [
        "labels['a']: label 3 is no name of a class",
        "labels['b']: has 2 labels; an image has one",
    ]
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(InputError, match="has no labels"):
        fiftyone.read(tmp_path / "labels.json")


def test_fiftyone_gets_labels_and_predictions_apart(sent: Outgoing, tmp_path: Path) -> None:
    fiftyone.write(sent, tmp_path / "out", False, ignore)
    labels = json.loads((tmp_path / "out/labels.json").read_text())["labels"]
    predicted = json.loads((tmp_path / "out/predictions.json").read_text())["labels"]
    stems = [f"{name}-{i}" for name, i in zip(("test_1", "b", "c"), sent.table["image_id"],
                                              strict=True)]  # fmt: skip
    held = {"label": "1", "attributes": {"was": "1/NA"}}
    assert labels == dict(zip(stems, [held, None, None], strict=True))
    said = {"label": "cat", "confidence": 0.75, "attributes": {"model": "m1"}}
    assert predicted == {stems[1]: said}
    back = fiftyone.read(tmp_path / "out/predictions.json")
    assert (back.model, len(back.predictions)) == ("m1", 1)
    # Exported by FiftyOne with their attributes alone, predictions are no answers either.
    del predicted[stems[1]]["confidence"]
    (tmp_path / "out/labels.json").write_text(json.dumps({"labels": predicted}))
    back = fiftyone.read(tmp_path / "out")
    assert back.answers.empty
    assert back.notes == ["predictions without a confidence are passed by"]
    assert sorted(file.stem for file in (tmp_path / "out/data").iterdir()) == sorted(stems)


def test_a_tree_keeps_classes_that_cannot_be_folders(sent: Outgoing, tmp_path: Path) -> None:
    sent.table.loc[:1, "label"] = ["a:b?", "_"]
    fiftyone.write_tree(sent, tmp_path / "out", False, ignore)
    assert "_unlabeled" in {file.name for file in (tmp_path / "out").iterdir()}
    assert set(fiftyone.read_tree(tmp_path / "out").answers["label"]) == {"a:b?", "_"}


@settings(max_examples=25)
@given(st.lists(st.one_of(CLASSES, st.sampled_from(["", "_", *NASTY])), min_size=1, max_size=5))
def test_every_class_comes_back_from_a_tree(labels: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        (picture := Path(name, "a.jpg")).touch()
        sent = outgoing([row(n, label=label, path=str(picture)) for n, label in enumerate(labels)])
        fiftyone.write_tree(sent, Path(name, "out"), False, ignore)
        assert labels_of(fiftyone.read_tree(Path(name, "out"))) == expected(sent)
