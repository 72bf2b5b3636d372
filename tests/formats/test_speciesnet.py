"""SpeciesNet's results as predictions of whole images, in both forms that it has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.core.errors import FaultsError, InputError
from curate.formats import speciesnet
from curate.formats.exchange import Incoming

from .exchanged import ignore, outgoing, row

BLANK = "f1856211-cfb7-4a5b-9158-c0f72fd09ee6;;;;;;blank"
ANIMAL = "1f689929-883d-4dae-958c-3d57ab5b6c16;;;;;;animal"
RED_DEER = "u1;mammalia;cetartiodactyla;cervidae;cervus;elaphus;red deer"
DEER = "u2;mammalia;cetartiodactyla;cervidae;;;deer family"
WAPITI = "u3;mammalia;cetartiodactyla;cervidae;cervus;canadensis;red deer"
NAMELESS = "u4;mammalia;rodentia;;;;"


def read(folder: Path, *predictions: dict[str, Any]) -> Incoming:
    rows = [{"filepath": f"{n}.jpg", **one} for n, one in enumerate(predictions)]
    (folder / "sn.json").write_text(json.dumps({"predictions": rows}))
    return speciesnet.read(folder / "sn.json")


def said(folder: Path, **prediction: Any) -> dict[str, float]:
    table = read(folder, prediction).predictions
    return dict(zip(table["classes"][0], table["scores"][0], strict=True))


def ranked(*pairs: tuple[str, float]) -> dict[str, list[Any]]:
    return {"classes": [name for name, _ in pairs], "scores": [score for _, score in pairs]}


def test_one_prediction_an_image(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        prediction=RED_DEER,
        prediction_score=0.75,
        classifications=ranked((RED_DEER, 0.75), (BLANK, 0.2)),
    )
    assert list(found.items()) == [("red deer", 0.75), ("blank", 0.2)]


def test_what_the_ensemble_set_aside_does_not_come_first(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        prediction=DEER,
        prediction_score=0.6,
        classifications=ranked((BLANK, 0.7), (RED_DEER, 0.25)),
    )
    assert list(found.items()) == [("deer family", 0.6), ("red deer", 0.25)]


def test_the_classifier_alone(tmp_path: Path) -> None:
    found = said(tmp_path, classifications=ranked((RED_DEER, 0.5), (DEER, 0.25)))
    assert list(found) == ["red deer", "deer family"]


def judged(label: str, score: float, *raw: tuple[str, float], conf: float = 0.9) -> dict[str, Any]:
    return {
        "category": "1",
        "label": "animal",
        "conf": conf,
        "bbox": [0, 0, 1, 1],
        "raw_classifications": ranked(*raw),
        "processed_classification": {"class": label, "score": score},
    }


DETECTED = {"category": "1", "label": "animal", "bbox": [0, 0, 1, 1]}
WHOLE = {"category": "0", "label": "whole_image_classification", "conf": 1.0}


@pytest.mark.parametrize(
    ("detections", "scores"),
    [
        ([judged(RED_DEER, 0.75, (RED_DEER, 0.75), (DEER, 0.125))],
         {"red deer": 0.75, "deer family": 0.125}),
        # A blank crop says nothing of the image; two blank ones do.
        ([judged(BLANK, 0.9, (BLANK, 0.9)), judged(RED_DEER, 0.5, (RED_DEER, 0.5))],
         {"red deer": 0.5}),
        ([judged(BLANK, 0.9, (BLANK, 0.9)), judged(BLANK, 0.5, (BLANK, 0.5))], {"blank": 0.9}),
        ([judged(RED_DEER, 0.75, (RED_DEER, 0.75)), judged(DEER, 0.5, (DEER, 0.5))],
         {"red deer": 0.75, "deer family": 0.5}),
        ([{**DETECTED, "conf": 0.9, "raw_classifications": ranked((DEER, 0.5), (BLANK, 0.25))}],
         {"deer family": 0.5, "blank": 0.25}),
        ([{**DETECTED, "conf": 0.9}, WHOLE], {"animal": 0.9}),
        ([{**DETECTED, "conf": 0.125}], {"blank": 0.875, "animal": 0.125}),
        ([], {"blank": 1.0}),
    ],
)  # fmt: skip
def test_one_prediction_a_detection(
    tmp_path: Path, detections: list[Any], scores: dict[str, float]
) -> None:
    assert list(said(tmp_path, detections=detections).items()) == list(scores.items())


def test_failures_are_rows(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"failures": ["CLASSIFIER", "DETECTOR"], "model_version": "4.0.2a"},
        {"failures": ["GEOLOCATION"], "prediction": ANIMAL, "prediction_score": 0.5},
        {"model_version": "4.0.2a"},
    )
    rows = found.predictions.sort_values("file")
    assert list(rows["status"]) == ["failed", "ok", "failed"]
    assert list(rows["reason"]) == ["SpeciesNet: CLASSIFIER, DETECTOR", "", "SpeciesNet: no result"]
    assert found.model == "SpeciesNet 4.0.2a"


def test_classes_have_their_common_names_and_differ() -> None:
    assert speciesnet.class_names({RED_DEER, DEER, NAMELESS, BLANK, "my own class"}) == {
        RED_DEER: "red deer",
        DEER: "deer family",
        NAMELESS: "rodentia",
        BLANK: "blank",
        "my own class": "my own class",
    }
    assert speciesnet.class_names({RED_DEER, WAPITI}) == {
        RED_DEER: "red deer (cervus elaphus)",
        WAPITI: "red deer (cervus canadensis)",
    }
    # What the detector finds, and the class without a rank, are the same.
    assert set(speciesnet.class_names({ANIMAL, "animal"}).values()) == {"animal"}


def test_faults_come_together(tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as caught:
        read(
            tmp_path,
            {"filepath": ""},
            {"classifications": {"classes": ["a"], "scores": []}},
            {"detections": [{"category": "1", "conf": 0.5}]},
        )
    assert caught.value.faults == [
        "prediction 1: no filepath",
        "prediction 2: classes and scores (between 0 and 1) do not fit",
        "prediction 3: a detection without a label, or without a score",
    ]
    (tmp_path / "x.json").write_text('{"images": []}')
    with pytest.raises(InputError, match="no list of predictions"):
        speciesnet.read(tmp_path / "x.json")


def test_the_instances_name_the_files(tmp_path: Path) -> None:
    speciesnet.write(outgoing([row(0, path="/p/a.jpg")]), tmp_path / "i.json", False, ignore)
    listed = json.loads((tmp_path / "i.json").read_text())
    assert listed == {"instances": [{"filepath": "/p/a.jpg"}]}
