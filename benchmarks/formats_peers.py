"""Exchange files with the other tools themselves, both ways, and print what came of it.

    PYTHONPATH=. PEER_PYTHON benchmarks/formats_peers.py

Run it with every Python that has some of the tools; those that are not installed there are named.
What goes out: 40 pictures of 4 classes with awkward names, 10 of them only predicted. What must
come back: the label of every labelled image, and nothing else. Modules are imported by name: none
of them is installed where this repository is checked.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from hashlib import sha256
from importlib import import_module, metadata
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from curate.formats import cleanlab, coco, cvat, label_studio, roboflow
from curate.formats.exchange import OUT_COLUMNS, Incoming, Outgoing

CLASSES = ("a&b <c> 'd'", "guinea pig", "tench Tinca", "Łoś 鹿")
IMAGES, LABELLED = 40, 30


def outgoing(folder: Path) -> Outgoing:
    """Draw pictures, and give the table that goes out."""
    rows = []
    for number in range(IMAGES):
        path = folder / f"{number}.png"
        Image.new("RGB", (40, 30), (number, 99, 5 * number)).save(path)
        first, second = CLASSES[number % 4], CLASSES[(number + 1) % 4]
        rows.append(
            {
                **dict.fromkeys(OUT_COLUMNS, ""),
                **{"image_id": sha256(path.read_bytes()).hexdigest()[:32], "path": str(path)},
                **{"width": 40, "height": 30, "bbox": "2,3,10,20" if number % 3 else ""},
                **{"label": first if number < LABELLED else "", "predicted": first, "score": 0.75},
                **{"top_classes": [first, second], "top_scores": [0.75, 0.125]},
            }
        )
    return Outgoing(pd.DataFrame(rows, columns=list(OUT_COLUMNS)), CLASSES, "m1")


def wanted(sent: Outgoing) -> dict[str, str]:
    """Give the labels that were sent, by image id."""
    held = sent.table[sent.table["label"] != ""]
    return dict(zip(held["image_id"], held["label"], strict=True))


def same(read: Incoming, sent: Outgoing) -> str:
    """Say whether all labels came back by image id, and nothing else."""
    found = dict(zip(read.answers["image_id"], read.answers["label"], strict=True))
    known = wanted(sent)
    right = sum(found.get(name) == label for name, label in known.items())
    was = (read.answers["was"] == read.answers["label"]).sum()
    others = len(read.answers) - right
    return f"{right} of {len(known)} labels back by image id ({was} as they were), {others} others"


def ignore(_: int) -> None:
    """Be told how many were written."""


def label_studio_sdk(sent: Outgoing, place: Path) -> str:
    """Let the SDK check interface, tasks, predictions; let its converter export, and read that."""
    label_studio.write(sent, place / "ls", False, ignore)
    config = (place / "ls" / "config.xml").read_text()
    interface = import_module("label_studio_sdk.label_interface").LabelInterface(config)
    interface.validate()
    tasks = json.loads((place / "ls" / "tasks-000.json").read_text())
    for number, task in enumerate(tasks, 1):
        # Its validate_task fails on any task that has predictions; these are checked one by one.
        assert interface.validate_task({"data": task["data"]})
        for prediction in task["predictions"]:
            assert not interface.validate_prediction(prediction, return_errors=True)
        task["id"] = number
        for annotation in task.setdefault("annotations", []):
            assert interface.validate_annotation(annotation)
            annotation |= {"id": number, "completed_by": 1, "created_at": "2026-01-01T00:00:00Z"}
    whole = place / "export.json"
    whole.write_text(json.dumps(tasks))
    converter = import_module("label_studio_sdk.converter").Converter(config, str(place))
    said = [f"JSON: {same(label_studio.read(whole), sent)}"]
    for name in "JSON_MIN", "CSV":
        out = place / name
        converter.convert(str(whole), str(out), name, is_dir=False)
        [file] = out.iterdir()
        said.append(f"{name}: {same(label_studio.read(file), sent)}")
    [sample] = [interface.generate_sample_annotation()]
    drawn = {"id": 1, "data": interface.generate_sample_task(), "annotations": [sample]}
    whole.write_text(json.dumps([drawn]))
    [label] = label_studio.read(whole).answers["label"]
    assert label in (*CLASSES, "unknown", "rejected")
    return "; ".join(said) + "; a sample annotation of the SDK is read"


def pycocotools(sent: Outgoing, place: Path) -> str:
    """Let pycocotools index the file, and give boxes and scores."""
    coco.write(sent, place / "coco.json", False, ignore)
    found = import_module("pycocotools.coco").COCO(str(place / "coco.json"))
    names = {one["id"]: one["name"] for one in found.loadCats(found.getCatIds())}
    ids = {one["id"]: one["curate_id"] for one in found.loadImgs(found.getImgIds())}
    annotations = found.loadAnns(found.getAnnIds())
    labels = {ids[one["image_id"]]: names[one["category_id"]] for one in annotations}
    assert labels == wanted(sent)
    results = found.loadRes(str(coco.beside(place / "coco.json")))
    boxes = len(found.getAnnIds(areaRng=[199, 201]))
    return f"{len(labels)} labels, {len(results.anns)} results with scores, {boxes} subjects' boxes"


def datumaro_coco(sent: Outgoing, place: Path) -> str:
    """Let datumaro read our COCO, write its own, and read that."""
    coco.write(sent, place / "dm", True, ignore)
    dataset = import_module("datumaro").Dataset.import_from(str(place / "dm"), "coco_instances")
    assert len(dataset) == IMAGES
    dataset.export(str(place / "dm-out"), "coco_instances", save_media=False)
    [file] = (place / "dm-out" / "annotations").glob("*.json")
    content = json.loads(file.read_text())
    told = same(coco.read(file), sent)
    return f"datumaro reads {len(dataset)} images; of its file ({len(content['images'])}): {told}"


def datumaro_cvat(sent: Outgoing, place: Path) -> str:
    """Let datumaro read our CVAT folder, write its own, and read that."""
    cvat.write(sent, place / "cvat", True, ignore)
    dataset = import_module("datumaro").Dataset.import_from(str(place / "cvat"), "cvat")
    categories = next(iter(dataset.categories().values()))
    tags = [categories[one.label].name for item in dataset for one in item.annotations]
    assert sorted(tags) == sorted(sent.table["predicted"]), tags
    told = same(cvat.read(place / "cvat"), sent)
    dataset.export(str(place / "cvat-out"), "cvat", save_media=True)
    [file] = (place / "cvat-out").glob("*.xml")
    back = same(cvat.read(file), sent)
    return f"datumaro reads {len(tags)} tags; of our file: {told}; of its file: {back}"


def cvat_sdk(sent: Outgoing, place: Path) -> str:
    """Let the SDK check the labels for the constructor of a task."""
    cvat.write(sent, place / "cvat-sdk", False, ignore)
    labels = json.loads((place / "cvat-sdk" / "labels.json").read_text())
    models = import_module("cvat_sdk.models")
    for label in labels:
        attributes = [models.AttributeRequest(**one) for one in label.pop("attributes")]
        models.PatchedLabelRequest(**label, attributes=attributes)
    return f"{len(labels)} labels with their attributes are valid"


def roboflow_package(sent: Outgoing, place: Path) -> str:
    """Let Roboflow's package parse the folder as for an upload, and read the same file back."""
    roboflow.write(sent, place / "rf", True, ignore)
    parser = import_module("roboflow.util.folderparser")
    found = parser.parsefolder(str(place / "rf"))["images"]
    ids = {Path(row.path).stem: row.image_id for row in sent.table.itertuples()}
    labels = {
        ids[image["name"].partition("-")[0]]: image["annotationfile"]["labels"] for image in found
    }
    known = wanted(sent)
    right = sum(labels[name] == ([known[name]] if name in known else []) for name in labels)
    told = same(roboflow.read(place / "rf"), sent)
    return f"its parser finds the right classes of {right} of {len(found)} pictures; back: {told}"


def cleanlab_package(sent: Outgoing, place: Path) -> str:
    """Let cleanlab find two labels that were swapped, and read its table back, answered."""
    table = sent.table.copy()
    swapped = [3, 16]
    table.loc[swapped, "label"] = CLASSES[1]
    cleanlab.write(Outgoing(table, CLASSES), place / "cl", False, ignore)
    labels, probabilities = (np.load(place / "cl" / f"{n}.npy") for n in ("labels", "pred_probs"))
    classes = json.loads((place / "cl" / "classes.json").read_text())
    found = import_module("cleanlab.filter").find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence"
    )
    lab = import_module("cleanlab").Datalab({"label": labels}, label_name="label", verbosity=0)
    lab.find_issues(pred_probs=probabilities, issue_types={"label": {}})
    issues = lab.get_issues("label")
    # It flags fewer than find_label_issues does; the person here looks at the lowest scores.
    issues["label"] = [
        classes[predicted] if score < 0.2 else ""
        for predicted, score in zip(issues["predicted_label"], issues["label_score"], strict=True)
    ]
    issues.to_csv(place / "cl" / "issues.csv")
    answers = cleanlab.read(place / "cl" / "issues.csv").answers
    back = dict(zip(answers["image_id"], answers["label"], strict=True))
    known = wanted(sent)
    right = sum(known[name] == label for name, label in back.items())
    return (
        f"find_label_issues names {sorted(map(int, found))} of {swapped}; "
        f"of its table, answered: {right} of {len(back)} answers right"
    )


PEERS: dict[str, tuple[str, Callable[[Outgoing, Path], str]]] = {
    "Label Studio": ("label-studio-sdk", label_studio_sdk),
    "COCO": ("pycocotools", pycocotools),
    "COCO, both ways": ("datumaro", datumaro_coco),
    "CVAT, both ways": ("datumaro", datumaro_cvat),
    "CVAT, labels": ("cvat-sdk", cvat_sdk),
    "Roboflow": ("roboflow", roboflow_package),
    "cleanlab": ("cleanlab", cleanlab_package),
}


def main() -> None:
    """Run all that is installed here, and print a table."""
    print(f"Python {sys.version.split()[0]}, pandas {pd.__version__}, numpy {np.__version__}\n")
    print("| format | tool | outcome |\n| --- | --- | --- |")
    for name, (package, run) in PEERS.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            print(f"| {name} | {package} | not installed here |")
            continue
        with tempfile.TemporaryDirectory() as scratch, redirect_stdout(StringIO()):
            folder: Any = Path(scratch)
            (folder / "photos").mkdir()
            outcome = run(outgoing(folder / "photos"), folder)
        print(f"| {name} | {package} {version} | {outcome} |", flush=True)


if __name__ == "__main__":
    main()
