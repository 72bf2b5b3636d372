"""SpeciesNet's own ensemble and writer beside ours: what they write, we read. No model is needed.

Run by hand, in an environment with `speciesnet` (5.0.6), pandas, pyarrow and Pillow::

    PYTHONPATH=. python benchmarks/formats_speciesnet.py

What the detector and the classifier would say is made up; the ensemble that decides on it, the
file, and the reader of the list of images are SpeciesNet's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from curate.formats import speciesnet
from curate.formats.exchange import OUT_COLUMNS, Outgoing

BLANK = "f1856211-cfb7-4a5b-9158-c0f72fd09ee6;;;;;;blank"
ANIMAL = "1f689929-883d-4dae-958c-3d57ab5b6c16;;;;;;animal"
LION = "ddf59264-185a-4d35-b647-2785792bdf54;mammalia;carnivora;felidae;panthera;leo;lion"
PANTHERA = (
    "fbb23d07-6677-43db-b650-f99ac452c50f;mammalia;carnivora;felidae;panthera;;panthera species"
)
PUMA = "9c564562-9429-405c-8529-04cff7752282;mammalia;carnivora;felidae;puma;concolor;puma"
CATS = "df8514b0-10a5-411f-8ed6-0f415e8153a3;mammalia;carnivora;felidae;;;cat family"
HUMAN = "990ae9dd-7a59-4344-afcb-1b7b21368000;mammalia;primates;hominidae;homo;sapiens;human"
VEHICLE = "e2895ed5-780b-48f6-8a11-9e27cb594511;;;;;;vehicle"
TAXONOMY = (BLANK, ANIMAL, LION, PANTHERA, PUMA, CATS, HUMAN, VEHICLE)

Detections = list[tuple[float, dict[str, float]]]
SEEN: dict[str, tuple[Detections | None, str]] = {
    "/p/sure.jpg": ([(0.9, {LION: 0.95, PUMA: 0.04})], "lion"),
    "/p/unsure.jpg": ([(0.9, {LION: 0.45, PUMA: 0.44})], "cat family"),
    "/p/blank.jpg": ([(0.15, {BLANK: 0.98, LION: 0.01})], "blank"),
    "/p/two.jpg": ([(0.9, {BLANK: 0.6, LION: 0.3}), (0.8, {PUMA: 0.97, LION: 0.02})], "puma"),
    "/p/nothing.jpg": ([], "blank"),
    "/p/broken.jpg": (None, ""),
}
"""What detector (score) and classifier (classes) are made to say, and what has to come of it."""


def modules() -> tuple[Any, Any]:
    """Give SpeciesNet's ensemble and its files, without the models that its package imports."""
    found = find_spec("speciesnet")
    assert found is not None, "install speciesnet"
    package = ModuleType("speciesnet")
    package.__path__ = list(found.submodule_search_locations or [])
    sys.modules["speciesnet"] = package
    return import_module("speciesnet.ensemble"), import_module("speciesnet.utils")


def predicted(ensemble: Any, utils: Any, folder: Path) -> Path:
    """Let SpeciesNet decide on `SEEN` and write its file."""
    (folder / "taxonomy.txt").write_text("".join(f"{label}\n" for label in TAXONOMY))
    (folder / "geofence.json").write_text("{}")
    info = dict.fromkeys(("version", "type", "classifier", "classifier_labels", "detector"), "x")
    info |= {"taxonomy": "taxonomy.txt", "geofence": "geofence.json"}
    (folder / "info.json").write_text(json.dumps(info))
    detected, classified = {}, {}
    for file, (boxes, _) in SEEN.items():
        if boxes is None:
            detected[file] = {"filepath": file, "failures": ["DETECTOR"]}
            classified[file] = {"filepath": file, "failures": ["CLASSIFIER"]}
            continue
        found = [
            {"category": "1", "label": "animal", "conf": conf, "bbox": [0.1, 0.1, 0.5, 0.5]}
            for conf, _ in boxes
        ]
        detected[file] = {"filepath": file, "detections": found}
        said = [{"classes": list(one), "scores": list(one.values())} for _, one in boxes]
        raw = {"filepath": file, "classifications_list": said}
        classified[file] = utils.build_classifier_result(raw, found, [*range(len(found))], False)
    deciding = ensemble.SpeciesNetEnsemble(str(folder), geofence=False)
    rows = deciding.combine(list(SEEN), classified, detected, {file: {} for file in SEEN})
    utils.save_predictions(utils.make_predictions_dict(rows), folder / "predictions.json")
    return folder / "predictions.json"


def main() -> None:
    """Compare both ways, and stop at the first difference."""
    ensemble, utils = modules()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [{**dict.fromkeys(OUT_COLUMNS, ""), "path": file} for file in SEEN]
        sent = Outgoing(pd.DataFrame(rows), ())
        speciesnet.write(sent, folder / "instances.json", False, lambda n: None)
        asked = utils.prepare_instances_dict(instances_json=folder / "instances.json")
        assert [one["filepath"] for one in asked["instances"]] == list(SEEN), asked

        written = predicted(ensemble, utils, folder)
        done, left = utils.load_partial_predictions(written, asked["instances"])
        table = speciesnet.read(written).predictions.set_index("file")
        for file, (_, expected) in SEEN.items():
            row = table.loc[file]
            said = row["classes"][0] if row["status"] == "ok" else ""
            assert said == expected, (file, expected, row.to_dict(), done.get(file))
        print(
            f"speciesnet {version('speciesnet')}: takes our list of {len(SEEN)} images; of what "
            f"its ensemble decides and writes we read the same {len(SEEN)} ({len(left)} failed)"
        )


if __name__ == "__main__":
    main()
