"""MegaDetector's results as predictions of whole images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import FaultsError, InputError
from curate.formats import megadetector
from curate.formats.exchange import PREDICTION_COLUMNS, Incoming

from .exchanged import ignore, outgoing, row

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
CLASSES = {"0": "fox", "3": "bear"}


def detection(category: str, conf: float, *classes: tuple[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {"category": category, "conf": conf, "bbox": [0.1, 0.2, 0.3, 0.4]}
    return found | ({"classifications": [list(one) for one in classes]} if classes else {})


def read(folder: Path, *images: dict[str, Any], **info: Any) -> Incoming:
    content = {
        "info": {"format_version": "1.6", "detector": "md_v5a.0.0.pt", **info},
        "detection_categories": CATEGORIES,
        "classification_categories": CLASSES,
        "images": list(images),
    }
    (folder / "md.json").write_text(json.dumps(content))
    return megadetector.read(folder / "md.json")


def said(read: Incoming) -> list[dict[str, float]]:
    table = read.predictions
    return [
        dict(zip(names, scores, strict=True))
        for names, scores in zip(table["classes"], table["scores"], strict=True)
    ]


@pytest.mark.parametrize(
    ("detections", "scores"),
    [
        ([], {"blank": 1.0}),
        ([detection("1", 0.9)], {"animal": 0.9}),
        ([detection("1", 0.25), detection("1", 0.5)], {"animal": 0.5}),
        ([detection("2", 0.3), detection("1", 0.9)], {"animal": 0.9, "person": 0.3}),
        # What lies below the threshold is said of blank images only.
        ([detection("1", 0.9), detection("3", 0.1)], {"animal": 0.9}),
        ([detection("1", 0.125), detection("3", 0.1)],
         {"blank": 0.875, "animal": 0.125, "vehicle": 0.1}),
        # A classifier's word stands for the detector's, where the detection counts.
        ([detection("1", 0.9, ("3", 0.7), ("0", 0.2))], {"bear": 0.7, "fox": 0.2}),
        ([detection("1", 0.9, ("3", 0.1)), detection("2", 0.4)], {"person": 0.4, "bear": 0.1}),
        ([detection("1", 0.25, ("3", 0.15))], {"bear": 0.15}),
        ([detection("1", 0.125, ("3", 0.99))], {"blank": 0.875, "animal": 0.125}),
        ([detection("1", 0.9, ("3", 0.5)), detection("1", 0.9, ("3", 0.75))], {"bear": 0.75}),
        # A category without a name is no detection.
        ([detection("9", 0.9)], {"blank": 1.0}),
    ],
)  # fmt: skip
def test_an_image_is_what_was_found_in_it(
    tmp_path: Path, detections: list[Any], scores: dict[str, float]
) -> None:
    (found,) = said(read(tmp_path, {"file": "a.jpg", "detections": detections}))
    assert list(found.items()) == list(scores.items())


def test_the_threshold_is_that_of_the_file(tmp_path: Path) -> None:
    image = {"file": "a.jpg", "detections": [detection("1", 0.75)]}
    metadata = {"typical_detection_threshold": 0.8}
    (found,) = said(read(tmp_path, image, detector_metadata=metadata))
    assert found == {"blank": 0.25}


def test_failures_are_rows_and_videos_are_passed_by(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"file": "a.jpg", "failure": "Failure image access", "detections": None},
        {"file": "b.jpg", "failure": "Failure inference"},
        {"file": "c.MP4", "frame_rate": 20, "detections": []},
        {"file": "d.jpg", "failure": None, "detections": []},
        classifier="v4.0.2a",
    )
    assert tuple(found.predictions.columns) == PREDICTION_COLUMNS
    assert list(found.predictions["status"]) == ["failed", "failed", "ok"]
    assert found.predictions["reason"][0] == "MegaDetector: Failure image access"
    assert list(found.predictions["place"]) == ["image 1", "image 2", "image 4"]
    assert found.model == "md_v5a.0.0.pt + v4.0.2a"
    assert found.notes == ["1 video passed by"]
    assert found.answers.empty


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("cam 1/a.jpg", "cam 1/a.jpg"),
        (r"cam1\b\a.jpg", "cam1/b/a.jpg"),
        (r"/x/a\b.jpg", r"/x/a\\b.jpg"),
        ("a\udcff.jpg", r"a\xff.jpg"),
    ],
)
def test_paths_are_written_as_ours_are(tmp_path: Path, file: str, named: str) -> None:
    assert list(read(tmp_path, {"file": file, "detections": []}).predictions["file"]) == [named]


def test_faults_come_together(tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as caught:
        read(
            tmp_path,
            {"detections": []},
            {"file": "a.jpg"},
            {"file": "b.jpg", "detections": [{"category": "1", "conf": 1.5}]},
            {"file": "c.jpg", "detections": [detection("1", 0.9, ("7", 0.5))]},
        )
    assert caught.value.faults == [
        "image 1: no file",
        "image 2: neither detections nor a failure",
        "image 3: a detection without a score between 0 and 1",
        "image 4: classification ['7', 0.5] is of no known category, or no score",
    ]


def test_other_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="no list of images"):
        megadetector.read(tmp_path / "x.json")


def test_the_list_names_files_as_the_system_does(tmp_path: Path) -> None:
    rows = [row(0, path="/p/a.jpg"), row(1, path=r"/p/\xff\\b.jpg")]
    megadetector.write(outgoing(rows), tmp_path / "list.json", False, ignore)
    listed = json.loads((tmp_path / "list.json").read_text())
    assert listed == ["/p/a.jpg", "/p/\udcff\\b.jpg"]


_SCORES = st.dictionaries(
    st.sampled_from(["animal", "person", "blank"]), st.floats(0, 1), max_size=3
)


@given(above=_SCORES, below=_SCORES)
def test_the_best_comes_first(above: dict[str, float], below: dict[str, float]) -> None:
    found = list(megadetector.scores_of(above, below).values())
    assert found
    assert found == sorted(found, reverse=True)
    assert all(0 <= score <= 1 for score in found)
