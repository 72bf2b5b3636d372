"""FiftyOne reads what curate writes, and curate what FiftyOne writes: by FiftyOne's own classes.

Run by hand, in an environment with FiftyOne, pandas, pyarrow and Pillow::

    PYTHONPATH=. python benchmarks/formats_fiftyone.py

Its importers and exporters need no MongoDB; `fo.Dataset` does, and is tried where one answers:
``FIFTYONE_DATABASE_URI=mongodb://127.0.0.1:27017`` names one that runs already, and
``FIFTYONE_DATABASE_VALIDATION=false`` lets it be older than version 6.
"""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from curate.formats import fiftyone
from curate.formats.exchange import OUT_COLUMNS, Outgoing
from curate.formats.incoming import id_in

LABELS = ("cat", "", "tiger's eye, 鹿", "1", "")


def made(folder: Path) -> Outgoing:
    """Pictures, three with a label, one with a prediction alone, one with nothing."""
    rows = []
    for number, label in enumerate(LABELS):
        path = folder / f"photo.{number}.jpg"
        Image.new("RGB", (32, 24), (40 * number, 90, 90)).save(path)
        row: dict[str, Any] = dict.fromkeys(OUT_COLUMNS, "")
        row |= {"image_id": sha256(path.read_bytes()).hexdigest()[:32], "path": str(path)}
        row |= {"label": label, "top_classes": [], "top_scores": [], "score": float("nan")}
        row |= {"predicted": "cat", "score": 0.75} if number in (0, 1) else {}
        rows.append(row)
    return Outgoing(pd.DataFrame(rows), tuple(sorted({*LABELS} - {""})), "m1")


def read_there(importer: Any) -> dict[str, Any]:
    """What an importer of FiftyOne's gives, by the name of the picture."""
    importer.setup()
    return {
        Path(path).name: label and (label.label, label.confidence) for path, _, label in importer
    }


def main() -> None:
    """Compare both ways, and stop at the first difference."""
    import fiftyone as fo
    from fiftyone.utils.data import exporters, importers

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sent = made(folder)
        fiftyone.write(sent, folder / "out", False, lambda n: None)
        fiftyone.write_tree(sent, folder / "tree", True, lambda n: None)
        named = [f"photo.{n}-{i}.jpg" for n, i in enumerate(sent.table["image_id"])]
        labels = [(label, None) if label else None for label in LABELS]

        kind = importers.FiftyOneImageClassificationDatasetImporter
        found = read_there(kind(dataset_dir=str(folder / "out")))
        assert found == dict(zip(named, labels, strict=True)), found
        found = read_there(kind(dataset_dir=str(folder / "out"), labels_path="predictions.json"))
        assert found == {named[0]: ("cat", 0.75), named[1]: ("cat", 0.75)}, found
        tree = importers.ImageClassificationDirectoryTreeImporter(dataset_dir=str(folder / "tree"))
        found = read_there(tree)
        assert {k: v and v[0] for k, v in found.items()} == {
            name: label or None for name, label in zip(named, LABELS, strict=True)
        }, found

        exporter = exporters.FiftyOneImageClassificationDatasetExporter(
            export_dir=str(folder / "back"), include_confidence=True
        )
        with exporter:
            for name_, label in zip(named, LABELS, strict=True):
                said = fo.Classification(label=label) if label else None
                exporter.export_sample(str(folder / "out/data" / name_), said)
        answers = fiftyone.read(folder / "back").answers
        held = sent.table[sent.table["label"] != ""]
        expected = dict(zip(held["image_id"], held["label"], strict=True))
        assert dict(zip(answers["image_id"], answers["label"], strict=True)) == expected, answers
        print(f"fiftyone {fo.__version__}: both ways, by its importers and exporters", flush=True)
        print(through_a_dataset(fo, folder, sent), flush=True)


def through_a_dataset(fo: Any, folder: Path, sent: Outgoing) -> str:
    """Load labels and predictions into a `fo.Dataset`, change one label, and take both back."""
    kind = fo.types.FiftyOneImageClassificationDataset
    try:
        dataset = fo.Dataset.from_dir(str(folder / "out"), dataset_type=kind)
    except (fo.core.config.FiftyOneConfigError, ConnectionError) as error:
        return f"no fo.Dataset: {str(error).splitlines()[0]}"
    dataset.merge_dir(
        str(folder / "out"),
        dataset_type=kind,
        labels_path="predictions.json",
        label_field="predictions",
    )
    assert len(dataset) == len(LABELS), dataset
    by_id = {id_in(sample.filepath): sample for sample in dataset}
    ids = list(sent.table["image_id"])
    assert len(by_id) == len(LABELS), by_id
    changed = by_id[ids[0]]
    changed.ground_truth.label = "1"
    changed.save()
    new = by_id[ids[1]]
    new["ground_truth"] = fo.Classification(label="cat")
    new.save()
    for field in ("ground_truth", "predictions"):
        dataset.export(
            str(folder / field),
            dataset_type=kind,
            label_field=field,
            include_confidence=True,
            include_attributes=True,
        )
    answers = fiftyone.read(folder / "ground_truth").answers.set_index("image_id")
    expected = {ids[0]: ("1", "cat"), ids[1]: ("cat", "")}
    expected |= {ids[n]: (LABELS[n], LABELS[n]) for n in (2, 3)}
    found = {name: (row["label"], row["was"]) for name, row in answers.iterrows()}
    assert found == expected, found
    back = fiftyone.read(folder / "predictions")
    assert back.model == "m1", back
    assert sorted(back.predictions["image_id"]) == sorted(ids[:2]), back.predictions
    assert back.answers.empty, back.answers
    dataset.export(str(folder / "bare"), dataset_type=kind, label_field="ground_truth")
    bare = fiftyone.read(folder / "bare").answers
    assert list(bare["was"].unique()) == [""], bare
    dataset.delete()
    return (
        f"fo.Dataset: {len(LABELS)} samples; {len(found)} labels and {len(back.predictions)} "
        "predictions of our model come back, each label with what it was"
    )


if __name__ == "__main__":
    main()
