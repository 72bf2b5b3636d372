"""MegaDetector's and SpeciesNet's own code beside ours: what they write, we read.

Run by hand, in an environment with `megadetector-utils`, pyarrow, pytest and hypothesis::

    PYTHONPATH=. python benchmarks/formats_camera_traps.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from megadetector.postprocessing.validate_batch_results import validate_batch_results
from megadetector.utils.wi_taxonomy_utils import (
    generate_md_results_from_predictions_json,
    get_common_name_from_prediction_string,
)

from curate.formats import megadetector, speciesnet
from tests.formats import test_megadetector, test_speciesnet

DEER = test_speciesnet.RED_DEER


def results() -> dict[str, Any]:
    """Results of MegaDetector with everything that the format has."""
    detection = test_megadetector.detection
    images = [
        {"file": "a.jpg", "detections": [detection("1", 0.9, ("3", 0.7), ("0", 0.2))]},
        {"file": "b.jpg", "detections": []},
        {"file": "c.jpg", "failure": "Failure image access", "detections": None},
        {"file": "d.mp4", "frame_rate": 20.0, "frames_processed": [0], "detections": []},
    ]
    return {
        "info": {"format_version": "1.6", "detector": "md_v5a.0.0.pt"},
        "detection_categories": test_megadetector.CATEGORIES,
        "classification_categories": test_megadetector.CLASSES,
        "images": images,
    }


def predicted() -> dict[str, Any]:
    """Results of SpeciesNet 5: one prediction a detection."""
    judged = test_speciesnet.judged(DEER, 0.75, (DEER, 0.75), (test_speciesnet.DEER, 0.125))
    rows = [
        {"filepath": "/p/a.jpg", "detections": [judged], "model_version": "5.0.0"},
        {"filepath": "/p/b.jpg", "detections": [], "model_version": "5.0.0"},
        {"filepath": "/p/c.jpg", "failures": ["CLASSIFIER", "DETECTOR"], "model_version": "5.0.0"},
    ]
    return {"info": {"format_version": "20261015"}, "predictions": rows}


def main() -> None:
    """Compare, and stop at the first difference."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for version in ("1.4", "1.5", "1.6"):
            said = results()
            said["info"]["format_version"] = version
            (folder / "md.json").write_text(json.dumps(said))
            found = validate_batch_results(str(folder / "md.json"))["validation_results"]
            assert not found["errors"], found
            read = megadetector.read(folder / "md.json")
            assert list(read.predictions["status"]) == ["ok", "ok", "failed"]
        print("megadetector's validator accepts what the tests read, versions 1.4 to 1.6")

        (folder / "sn.json").write_text(json.dumps(predicted()))
        ours = speciesnet.read(folder / "sn.json").predictions.set_index("file")
        generate_md_results_from_predictions_json(str(folder / "sn.json"), str(folder / "md.json"))
        theirs = megadetector.read(folder / "md.json").predictions.set_index("file")
        for file in ours.index:
            one, other = ours.loc[file], theirs.loc[file]
            assert one["status"] == other["status"], file
            assert one["classes"][:1] == other["classes"][:1], (file, one, other)
            assert one["scores"][:1] == other["scores"][:1], (file, one, other)
        print("speciesnet's results, read by us and converted by megadetector: the same classes")
        for label in (DEER, test_speciesnet.DEER, test_speciesnet.BLANK, test_speciesnet.ANIMAL):
            name_ = get_common_name_from_prediction_string(label)
            assert speciesnet.class_names({label})[label] == name_, name_
        print("and the same names of classes")


if __name__ == "__main__":
    main()
