"""FiftyOne reads what curate writes, and curate what FiftyOne writes: by FiftyOne's own classes.

Run by hand, in an environment with FiftyOne, pandas, pyarrow and Pillow::

    PYTHONPATH=. python benchmarks/formats_fiftyone.py

Its importers and exporters need no MongoDB; `fo.Dataset` does, and is tried where one answers.
"""

from __future__ import annotations

import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from curate.formats import fiftyone
from curate.formats.exchange import OUT_COLUMNS, Outgoing

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
    return Outgoing(pd.DataFrame(rows), tuple(sorted({*LABELS} - {""})))


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
        try:
            dataset = fo.Dataset.from_dir(
                str(folder / "out"), dataset_type=fo.types.FiftyOneImageClassificationDataset
            )
        except fo.core.config.FiftyOneConfigError as error:
            sys.exit(f"no fo.Dataset: {str(error).splitlines()[0]}")
        print(f"fo.Dataset: {len(dataset)} samples")


if __name__ == "__main__":
    main()
