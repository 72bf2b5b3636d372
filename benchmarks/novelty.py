"""How well each score tells photos of unknown classes, on real photos.

    python benchmarks/novelty.py PHOTOS WEIGHTS CLASSES --seeds 0 1 2
    python benchmarks/novelty.py PHOTOS WEIGHTS CLASSES --seeds 0 --epochs 4

PHOTOS holds `grocery/CLASS/` (files named `train_…`, `val_…` and `test_…`) and `trashnet/CLASS/`;
WEIGHTS and CLASSES are a checkpoint from elsewhere and its class names. A third of grocery's
classes, drawn by seed, is hidden. A model learns the others from `train`. Reported is the AUROC of
each score for "this photo is of no known class": the `test` photos of known classes against all
photos of the hidden ones, and against trashnet. 0.5 is chance, 1 is perfect.

Without `--epochs` only a linear head is trained, on the features of the weights as they are (all
photos go through the network once). With it `curate.train.train` trains the whole network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import nn

from curate.core import chance, paths
from curate.core.identity import image_id
from curate.models.arch import build
from curate.models.checkpoint import Checkpoint, load
from curate.models.novelty import Novelty, fit
from curate.models.scores import score_table
from curate.train import TrainSettings, train
from curate.train.calibrate import fit_temperature
from curate.train.examples import Examples
from curate.train.loading.pixels import PixelStore
from curate.train.outputs import Outputs, outputs_of

HIGH_IS_KNOWN = ("score", "margin")
SCORES = ("score", "margin", "entropy", "energy", "novelty")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Part:
    """What a model says of some photos."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def auroc(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """Chance that an unknown photo has a higher score than a known one; ties count half."""
    ranks = rankdata(np.concatenate([known, unknown]))[len(known) :]
    number = len(unknown)
    return float((ranks.sum() - number * (number + 1) / 2) / (number * len(known)))


def photos(root: Path) -> pd.DataFrame:
    """One row a photo: image_id, path, label, split, domain; copies of a content once."""
    rows = [
        (
            image_id(path.read_bytes()),
            paths.to_text(bytes(path)),
            path.parent.name,
            path.name.split("_")[0] if domain == "grocery" else "test",
            domain,
        )
        for domain in ("grocery", "trashnet")
        for path in sorted((root / domain).glob("*/*.jpg"))
    ]
    table = pd.DataFrame(rows, columns=["image_id", "path", "label", "split", "domain"])
    return table.drop_duplicates("image_id").sort_values("image_id", ignore_index=True)


def hidden(table: pd.DataFrame, seed: int) -> set[str]:
    """Draw a third of grocery's classes."""
    names = sorted(set(table.loc[table["domain"] == "grocery", "label"]))
    order = np.argsort(chance.fractions(seed, names, "hide"), kind="stable")
    return {names[at] for at in order[: len(names) // 3]}


def says(checkpoint: Checkpoint, table: pd.DataFrame) -> Outputs:
    """Run a checkpoint over photos; in the order of the table."""
    model = build(checkpoint.arch, len(checkpoint.classes))
    model.load_state_dict(dict(checkpoint.weights))
    examples = Examples(
        ids=list(table["image_id"]),
        paths=[paths.from_text(text) for text in table["path"]],
        targets=np.zeros(len(table), np.int64),
        splits={},
        classes=checkpoint.classes,
        split="",
        data="",
    )
    store = PixelStore(examples, checkpoint.preprocessing, torch.get_num_threads(), cache_bytes=0)
    positions, cpu = np.arange(len(table)), torch.device("cpu")
    try:
        said = outputs_of(
            model, store, examples, positions, checkpoint.preprocessing, 64, cpu, features=True
        )
    finally:
        store.close()
    if len(said.targets) != len(table):
        raise SystemExit(f"photos that do not open:\n{store.failures()}")
    return said


def linear_head(
    features: NDArray[np.float32], targets: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float32], nn.Linear]:
    """Train a head on standardised features, in full batches; give mean and deviation too."""
    torch.manual_seed(0)
    usual = np.stack([features.mean(axis=0), features.std(axis=0) + 1e-6])
    rows = torch.from_numpy((features - usual[0]) / usual[1])
    head = nn.Linear(rows.shape[1], classes)
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.05)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss(head(rows), torch.from_numpy(targets)).backward()
        optimiser.step()
    return usual, head


def frozen(
    table: pd.DataFrame, features: NDArray[np.float32], hide: set[str]
) -> tuple[dict[str, Part], float, Novelty, tuple[str, ...]]:
    """Train a linear head for the known classes; give what it says of each part."""
    masks = parts(table, hide)
    classes = tuple(sorted(set(table.loc[masks["train"], "label"])))
    targets = table["label"].map({name: at for at, name in enumerate(classes)})
    right = {name: targets[masks[name]].to_numpy(np.int64) for name in SPLITS}
    usual, head = linear_head(features[masks["train"]], right["train"], len(classes))

    def part(mask: NDArray[np.bool_]) -> Part:
        with torch.inference_mode():
            rows = torch.from_numpy((features[mask] - usual[0]) / usual[1])
            return Part(head(rows).numpy(), features[mask])

    said = {name: part(mask) for name, mask in masks.items()}
    novelty = fit(said["train"].features, right["train"], said["val"].features)
    return said, fit_temperature(said["val"].logits, right["val"]), novelty, classes


def tuned(
    table: pd.DataFrame, initial: Checkpoint, hide: set[str], settings: TrainSettings
) -> tuple[dict[str, Part], float, Novelty, tuple[str, ...]]:
    """Train the whole network on the known classes; give what it says of each part."""
    masks = parts(table, hide)
    learnt = table[masks["train"] | masks["val"]]
    with tempfile.TemporaryDirectory() as folder:
        found = train(learnt, None, Path(folder) / "a.pt", settings, initial=initial).checkpoint
    if found.novelty is None:
        raise SystemExit("the training measured no novelty")
    said = {}
    for name in ("test", "hidden", "trashnet"):
        outputs = says(found, table[masks[name]])
        said[name] = Part(outputs.logits, outputs.features)
    print(dict(found.metrics))
    return said, found.temperature, found.novelty, found.classes


def parts(table: pd.DataFrame, hide: set[str]) -> dict[str, NDArray[np.bool_]]:
    """Give masks of train, val and test of the known classes, the hidden ones, and trashnet."""
    grocery = (table["domain"] == "grocery").to_numpy()
    unknown = table["label"].isin(hide).to_numpy()
    known = {name: grocery & ~unknown & (table["split"] == name).to_numpy() for name in SPLITS}
    return {**known, "hidden": grocery & unknown, "trashnet": ~grocery}


def measures(
    part: Part, temperature: float, novelty: Novelty, classes: tuple[str, ...]
) -> dict[str, NDArray[np.float64]]:
    """Give each score of each photo, turned so that high means unknown."""
    table = score_table(part.logits, classes, 5, temperature)
    table["novelty"] = novelty.distance(part.features)
    return {
        name: np.asarray(table[name], np.float64) * (-1 if name in HIGH_IS_KNOWN else 1)
        for name in SCORES
    }


def compared(
    said: dict[str, Part], temperature: float, novelty: Novelty, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """AUROC of each score, one row each."""
    scores = {
        name: measures(said[name], temperature, novelty, classes)
        for name in ("test", "hidden", "trashnet")
    }
    above = {name: float((scores[name]["novelty"] > 1).mean()) for name in scores}
    print("share with a novelty above 1:", {name: round(value, 3) for name, value in above.items()})
    return [
        {
            "measure": name,
            "hidden": auroc(scores["test"][name], scores["hidden"][name]),
            "trashnet": auroc(scores["test"][name], scores["trashnet"][name]),
        }
        for name in SCORES
    ]


def cost(width: int = 2048, classes: int = 1500, images: int = 64) -> str:
    """Time and size of the statistics of a large model, on drawn features."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 8)
    features = random.normal(size=(len(labels), width)).astype(np.float32)
    began = time.perf_counter()
    novelty = fit(features, labels, features[:500])
    fitted = time.perf_counter() - began
    novelty.distance(features[:images])
    began = time.perf_counter()
    novelty.distance(features[:images])
    each = (time.perf_counter() - began) / images
    size = sum(array.nbytes for array in novelty.to_arrays().values())
    return (
        f"{classes} classes of {width} features: {size / 1e6:.1f} MB, fit of {len(labels)} rows"
        f" {fitted:.1f} s, distance {each * 1e3:.2f} ms an image in batches of {images}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()
    table, body = photos(given.photos), load(given.weights, classes=given.classes)
    print(cost())
    features = np.empty((0, 0), np.float32)
    if not given.epochs:
        at_size = Checkpoint(
            arch=body.arch,
            classes=body.classes,
            preprocessing=body.preprocessing.at_size(given.size),
            weights={key: value.float() for key, value in body.weights.items()},
        )
        features = says(at_size, table).features
    rows = []
    for seed in given.seeds:
        hide = hidden(table, seed)
        if given.epochs:
            settings = TrainSettings(epochs=given.epochs, size=given.size, device="cpu")
            made = tuned(table, body, hide, settings)
        else:
            made = frozen(table, features, hide)
        rows += [{"seed": seed, **row} for row in compared(*made)]
    result = pd.DataFrame(rows)
    print(result.pivot(index="measure", columns="seed").reindex(SCORES).round(3).to_string())


if __name__ == "__main__":
    main()
