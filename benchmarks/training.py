"""What a start is worth, round after round, and beside what others do, on real photos.

    python -m benchmarks.training PHOTOS WEIGHTS --work DIR --peer PYTHON -o REPORT.md

PHOTOS is a folder of classes; WEIGHTS a checkpoint from elsewhere. A library is made of them in DIR
(scan, duplicates, split: bursts stay together), and then, on its split:

- starts: the same classes from random weights, from WEIGHTS, and from an earlier model of two
  thirds of the classes with a fresh head and with mapped rows;
- rounds: four rounds in which classes join, each training from the one before, and beside it one
  that begins anew with WEIGHTS;
- peers: timm's own loop and fastai's `fine_tune`, from the same weights, for the same epochs;
- fair: the same, but the norms of WEIGHTS hold the statistics of photos (`norms`), so that nothing
  in them punishes tools that learn those anew.

All are measured on the split's test photos, none of which is near to one that was trained on.
Every training is written to DIR/trainings.csv as it ends, and is not run again from there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import training_report as report
from benchmarks.norms import mended
from curate.cli.main import answer
from curate.core import chance
from curate.models.checkpoint import Checkpoint, load
from curate.store import facts
from curate.store.library import opened
from curate.train import TrainResult, TrainSettings, train

SPLITS = ("train", "val", "test")

NEAR = 0.02
"""So far below its best accuracy on val a training has reached its plateau."""

MENDED_BY = 1024
"""Photos whose statistics the norms get."""


@dataclass(frozen=True)
class Bench:
    """What all trainings have in common."""

    table: pd.DataFrame
    rest: pd.DataFrame
    classes: list[str]
    given: Checkpoint
    settings: TrainSettings
    work: Path
    peer: str
    peer_epochs: int

    def of(self, share: float) -> pd.DataFrame:
        """Give the photos of the first classes, in an order by chance."""
        names = self.classes[: max(2, round(share * len(self.classes)))]
        return self.table[self.table["label"].isin(names)]


def main() -> None:
    """Run what is asked for, and write the report."""
    asked = arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    photos = library(asked.photos, asked.work, asked.most)
    names = sorted(set(photos["label"]))[:: asked.every]
    taken = photos["label"].isin(names)
    table = photos[taken]
    order = np.argsort(chance.fractions(0, names, "training"), kind="stable")
    settings = TrainSettings(
        epochs=asked.epochs,
        patience=asked.patience,
        schedule=asked.schedule,
        size=asked.size,
        device=asked.device,
    )
    given = load(asked.weights, any_classes=True)
    classes = [names[at] for at in order]
    bench = Bench(
        table, photos[~taken], classes, given, settings, asked.work, asked.peer, asked.peer_epochs
    )
    kept = Rows(asked.work / "trainings.csv")
    for part in asked.parts:
        for seed in range(asked.seeds):
            PARTS[part](bench, seed, kept)
    sizes = table["split"].value_counts().reindex(SPLITS).tolist()
    told = [
        f"{asked.photos.name}: {len(names)} classes, {sizes[0]:,} photos to train on, {sizes[1]:,} "
        f"to validate, {sizes[2]:,} to test; {given.arch} at {asked.size} px, batches of "
        f"{settings.batch_size}, at most {asked.epochs} epochs, patience {asked.patience}, "
        f"{asked.seeds} seeds. {platform.processor() or platform.machine()}."
    ]
    report.write(asked.out, told, kept.table())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--peer", default=sys.executable, help="a Python with fastai and timm")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--peer-epochs", type=int, default=5)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--schedule", default="cosine")
    parser.add_argument("--every", type=int, default=1, help="take every n-th class")
    parser.add_argument("--most", type=int, default=40, help="photos of a class")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


def library(photos: Path, work: Path, most: int) -> pd.DataFrame:
    """Make the library of the photos, once, and give its split."""
    place = work / "library"
    if not place.exists():
        place.mkdir()
        at = ["--library", str(place)]
        split = ["split", "--count", "images", "--min-count", "10", "--max-count", str(most)]
        for command in (
            ["scan", str(photos), "--labels", "folder"],
            ["duplicates"],
            [*split, "--val", "0.15", "--test", "0.2"],
        ):
            if answer([*command, *at]) != 0:
                raise SystemExit(f"curate {' '.join(command)} failed")
    with opened(place) as found, found.reading() as connection:
        table = facts.images(connection)
    used = table["split"].isin(SPLITS)
    return table.loc[used, ["image_id", "path", "label", "split"]]


class Rows:
    """The trainings that are done, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def table(self) -> pd.DataFrame:
        """Give one row a training."""
        if not self._path.exists():
            return pd.DataFrame(columns=["part", "kind", "step", "seed"])
        return pd.read_csv(self._path)

    def add(self, row: dict[str, Any]) -> None:
        """Write one down."""
        pd.concat([self.table(), pd.DataFrame([row])]).to_csv(self._path, index=False)

    def has(self, part: str, kind: str, step: int, seed: int) -> bool:
        """Whether it is there."""
        rows = self.table()
        same = (rows[["part", "kind", "step", "seed"]] == [part, kind, step, seed]).all(axis=1)
        return bool(same.any())


def trained(
    bench: Bench,
    kept: Rows,
    key: tuple[str, str, int, int],
    table: pd.DataFrame,
    initial: Checkpoint | None,
    **more: Any,
) -> Checkpoint:
    """Train, unless it was done before, and note what it came to."""
    out = bench.work / ("-".join(map(str, key)) + ".safetensors")
    if kept.has(*key) and out.exists():
        return load(out)
    settings = replace(bench.settings, seed=key[3], **more)
    arch = None if initial else bench.given.arch
    started = time.perf_counter()
    result = train(table, arch, out, settings, initial=initial)
    seconds = time.perf_counter() - started
    sizes = {
        "classes": table["label"].nunique(),
        "photos": int((table["split"] == "train").sum()),
    }
    figures = told(result, int((bench.table["split"] == "test").sum()))
    named = dict(zip(("part", "kind", "step", "seed"), key, strict=True))
    kept.add({**named, **sizes, "seconds": seconds, **figures})
    return result.checkpoint


def told(result: TrainResult, photos: int) -> dict[str, Any]:
    """Give the figures of a training; `photos` is how many there are to test, of all classes."""
    history = result.history
    return {
        "accuracy": result.checkpoint.metrics["test_accuracy"],
        # Photos of a class that the model lacks are wrong.
        "of_all": result.recalls["correct"].sum() / photos,
        "first_val": history["val_accuracy"].iloc[0],
        "best_epoch": result.best_epoch,
        "plateau": to_plateau(history["val_accuracy"]),
        "vals": " ".join(f"{value:.4f}" for value in history["val_accuracy"]),
        "epochs": len(history),
        "rate": history["images_per_second"].median(),
        "waited": history["waited"].median(),
    }


def to_plateau(accuracies: pd.Series) -> int:
    """Give the first epoch that is within `NEAR` of the best one."""
    return 1 + int((accuracies.to_numpy() >= accuracies.max() - NEAR).argmax())


def starts(bench: Bench, seed: int, kept: Rows) -> None:
    """Train all classes from four starts."""
    earlier = trained(bench, kept, ("earlier", "earlier", 0, seed), bench.of(2 / 3), bench.given)
    table = bench.of(1.0)
    trained(bench, kept, ("starts", "random weights", 0, seed), table, None)
    trained(bench, kept, ("starts", "pretrained", 0, seed), table, bench.given)
    for head in ("fresh", "map"):
        trained(bench, kept, ("starts", f"--from, {head}", 0, seed), table, earlier, head=head)


def rounds(bench: Bench, seed: int, kept: Rows) -> None:
    """Train four rounds in which classes join, from the round before and anew."""
    before: dict[str, Checkpoint] = {}
    for number, share in enumerate((0.25, 0.5, 0.75, 1.0), start=1):
        for kind in ("anew", "from the last"):
            last = kind == "from the last" and number > 1
            key = ("rounds", kind, number, seed)
            initial, head = (before["last"], "map") if last else (bench.given, "fresh")
            found = trained(bench, kept, key, bench.of(share), initial, head=head)
        before["last"] = found


def peers(bench: Bench, seed: int, kept: Rows) -> None:
    """Train as others do, from the same weights for the same epochs, and beside it as we do."""
    beside(bench, seed, kept, "peers", ("learnt", "kept"))


def fair(bench: Bench, seed: int, kept: Rows) -> None:
    """Do as `peers`, from the same network with norms that may be learnt anew (see `norms`)."""
    path = bench.work / "mended.pth"
    if not path.exists():
        paths = bench.rest.loc[bench.rest["split"] == "train", "path"].tolist()[:MENDED_BY]
        torch.save(mended(bench.given, paths, bench.settings.size or 224), path)
    given = replace(bench.given, weights=torch.load(path, weights_only=True))
    beside(replace(bench, given=given), seed, kept, "fair", ("learnt",))


def beside(bench: Bench, seed: int, kept: Rows, part: str, norms: Sequence[str]) -> None:
    """Train all classes with curate, timm and fastai."""
    more = {"epochs": bench.peer_epochs, "patience": None}
    trained(bench, kept, (part, "curate", 0, seed), bench.of(1.0), bench.given, **more)
    for name, statistics in itertools.product(("timm", "fastai"), norms):
        kind = name if statistics == "learnt" else f"{name}, statistics of norms kept"
        if not kept.has(part, kind, 0, seed):
            said = other(bench, name, statistics, seed, epochs=bench.peer_epochs)
            row = {"part": part, "kind": kind, "step": 0, "seed": seed}
            kept.add({**row, "epochs": bench.peer_epochs, **said})


def other(bench: Bench, name: str, norms: str, seed: int, *, epochs: int) -> dict[str, Any]:
    """Let another tool train on the photos of the bench, and give what it came to."""
    file, weights = bench.work / "photos.csv", bench.work / "given.pth"
    bench.table.to_csv(file, index=False)
    torch.save(dict(bench.given.weights), weights)  # a plain state dict, which everybody reads
    task = {
        "table": str(file),
        "weights": str(weights),
        "arch": bench.given.arch,
        "norms": norms,
        "mean": bench.given.preprocessing.mean,
        "std": bench.given.preprocessing.std,
        "size": bench.settings.size,
        "batch_size": bench.settings.batch_size,
        "epochs": epochs,
        "seed": seed,
        "device": bench.settings.device,
    }
    command = [bench.peer, str(Path(__file__).with_name("training_peers.py")), name]
    done = subprocess.run(
        [*command, json.dumps(task)], stdout=subprocess.PIPE, text=True, check=True
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


PARTS: dict[str, Callable[[Bench, int, Rows], None]] = {
    "starts": starts,
    "rounds": rounds,
    "peers": peers,
    "fair": fair,
}


if __name__ == "__main__":
    main()
