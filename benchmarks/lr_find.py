"""Put the learning rates that `curate lr-find` suggests beside fastai's, and to the test.

    python -m benchmarks.lr_find --photos PHOTOS --weights WEIGHTS --peer-python PYTHON

PHOTOS is a folder with a folder of photos for each class. For every model:

* one range test with curate (1e-7…100) and, by `--peer-python`, fastai's `lr_find` at its defaults
  (1e-7…10, 100 steps) and over our range, from the same first weights, over the same batches in the
  same order, with the same optimiser of torch. How far they are apart is the larger
  of the two learning rates by the smaller.
* trainings at the suggestion `valley`, at 30 times and at a thirtieth of it: the best accuracy on
  val over `--epochs`, for each of `--seeds`. One that diverges in its first epoch has none.

And once for all: fastai's functions on noisy curves that were drawn by chance, where the numbers
must be the same. Val is parted from train by chance, image by image, so bursts flatter: the
accuracies are to be compared with each other only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from curate.core import chance, paths
from curate.core.errors import PolicyError
from curate.core.identity import image_id
from curate.models import checkpoint
from curate.models.checkpoint import Checkpoint
from curate.models.recipe import parse
from curate.train import TrainSettings, train
from curate.train.loading.pixels import augmentation
from curate.train.lr_find import HIGH, LOW, STEPS, range_test
from curate.train.prepared import Prepared, prepared
from curate.train.suggest import settled, smoothed, suggestions

PEER_HIGH, PEER_STEPS = 10.0, 100
"""Where fastai's range ends by default, and in how many steps; both begin at 1e-7."""

AWAY = (1, 30, 1 / 30)
CURVES = 200

OPTIMIZERS = {"adamw": "AdamW", "sgd(momentum=0.0, nesterov=False)": "SGD"}
"""Recipes of ours, and torch's optimisers that do the same."""


@dataclass(frozen=True)
class Case:
    """One model: what it is called, its recipe, and what it starts from."""

    name: str
    arch: str
    initial: Checkpoint | None = None


def main() -> None:
    """Measure, and print a Markdown table."""
    asked = _asked()
    table = _table(asked.photos, asked.classes, asked.images)
    said = []
    read: tuple[int, int] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for case in _cases(asked):
            settings = _settings(asked, case)
            found, task = _tested(table, case, settings, asked.steps)
            peer = _peer(asked.peer_python, {**task, **_extra(read is None)}, Path(folder))
            if peer is not None and read is None:
                read = _same(peer["read"])
            rate = float(found["lr"].iloc[0])
            trained = {away: _trained(table, case, settings, rate * away, asked) for away in AWAY}
            said.append((case, found, peer, trained))
            print(f"{case.name}: done", file=sys.stderr)
    print(_report(said, table, asked, read))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="timm weights of mobilenetv2_100")
    parser.add_argument("--peer-python", help="a Python that has fastai and timm")
    parser.add_argument("--models", nargs="*", default=["resnet18", "vit_tiny_patch16_224"])
    parser.add_argument("--classes", type=int, default=6)
    parser.add_argument("--images", type=int, default=60, help="of a class")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3, help="0 leaves the trainings out")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _cases(asked: argparse.Namespace) -> Iterator[Case]:
    for name in asked.models:
        yield Case(f"{name}, random weights", name)
    if asked.weights is not None:
        arch = "mobilenetv2_100(pad_type='same')"
        kept = checkpoint.load(asked.weights, arch=arch, any_classes=True)
        yield Case("mobilenetv2_100, kept body", arch, kept)


def _settings(asked: argparse.Namespace, case: Case) -> TrainSettings:
    return TrainSettings(
        epochs=asked.epochs,
        batch_size=asked.batch_size,
        size=asked.size,
        optimizer=asked.optimizer,
        # fastai parts what decays from what does not in another way.
        weight_decay=0.0,
        precision="fp32",
        device=asked.device,
    )


def _table(photos: Path, classes: int, images: int) -> pd.DataFrame:
    """Take an even sample of classes, some images of each; 30% of them are val."""
    folders = sorted(folder for folder in photos.iterdir() if folder.is_dir())
    chosen = [folders[n * len(folders) // classes] for n in range(min(classes, len(folders)))]
    rows = {}
    for folder in chosen:
        for path in sorted(folder.iterdir())[:images]:
            name = image_id(path.read_bytes())
            split = "val" if chance.fraction(0, name, "val") < 0.3 else "train"
            rows[name] = (name, paths.to_text(bytes(path)), folder.name, split)
    columns = ["image_id", "path", "label", "split"]
    return pd.DataFrame(list(rows.values()), columns=columns, dtype="str")


def _tested(
    table: pd.DataFrame, case: Case, settings: TrainSettings, steps: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Give our suggestions, and the task for the peer."""
    with prepared(table, case.arch, settings, case.initial) as ready:
        lessons = list(itertools.islice(_lessons(ready), steps))
        weights = ready.learner.snapshot()["model"]
        generator = np.random.default_rng(0)
        lrs = np.geomspace(LOW, HIGH, steps)
        curve, _ = range_test(ready.learner, lessons, lrs, generator)
        preprocessing, classes = ready.begun.preprocessing, len(ready.examples.classes)
        (call,) = parse(ready.begun.arch)
    part = settled(curve, steps)
    task = {
        "arch": call.name,
        "arguments": call.keywords,
        "classes": classes,
        "weights": weights,
        "frozen_norms": case.initial is not None,
        "pixels": [torch.from_numpy(pixels) for pixels, _ in lessons],
        "targets": [torch.from_numpy(targets) for _, targets in lessons],
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
        "optimizer": OPTIMIZERS[settings.optimizer],
        "weight_decay": settings.weight_decay,
        "smoothing": settings.smoothing,
        "ranges": [[LOW, PEER_HIGH, PEER_STEPS], [LOW, HIGH, steps]],
    }
    return suggestions(part["lr"], part["smooth"]), task


def _lessons(ready: Prepared) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for epoch in itertools.count(1):
        change = augmentation(ready.settings, ready.examples, epoch)
        for batch in ready.store.batches(ready.groups(epoch), change):
            yield batch.pixels.copy(), ready.examples.targets[batch.positions]


def _curves() -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw noisy curves with a dip, smoothed."""
    drawn = []
    for number in range(CURVES):
        random = chance.generator(0, str(number), "curve")
        lrs = np.geomspace(1e-7, 10, 85)
        x = np.log10(lrs) - random.uniform(-4, 0)
        clear = 2 - random.uniform(0.2, 1.5) / (1 + np.exp(-3 * x)) + np.where(x > 1, x**2, 0)
        drawn.append((lrs, smoothed(clear + random.normal(0, 0.1, len(x)))))
    return drawn


def _extra(wanted: bool) -> dict[str, Any]:
    curves = _curves() if wanted else []
    return {"curves": [tuple(map(torch.from_numpy, one)) for one in curves]}


def _same(read: Sequence[Sequence[float]]) -> tuple[int, int]:
    """Count the drawn curves that suggest something to us, and those that say the same to both."""
    ours = [suggestions(lrs, losses)["lr"].to_numpy() for lrs, losses in _curves()]
    same = sum(np.allclose(one, other, 1e-6) for one, other in zip(ours, read, strict=True))
    return sum(bool(np.isfinite(one).all()) for one in ours), same


def _peer(python: str | None, task: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    if python is None:
        return None
    file = folder / "task.pt"
    torch.save(task, file)
    script = Path(__file__).with_name("lr_find_peer.py")
    done = subprocess.run(
        [python, str(script), str(file)], check=True, stdout=subprocess.PIPE, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _trained(
    table: pd.DataFrame, case: Case, settings: TrainSettings, lr: float, asked: argparse.Namespace
) -> list[float]:
    """Give the best accuracy on val of each seed; NaN for one that diverges."""
    accuracies = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            try:
                result = train(
                    table,
                    case.arch,
                    Path(folder) / "m.pt",
                    replace(settings, lr=lr, seed=seed),
                    initial=case.initial,
                )
            except PolicyError:
                accuracies.append(math.nan)
            else:
                accuracies.append(float(result.history["val_accuracy"].max()))
    return accuracies


def _report(
    said: Sequence[Any], table: pd.DataFrame, asked: Any, read: tuple[int, int] | None
) -> str:
    versions = next((peer["version"] for _, _, peer, _ in said if peer), "not run")
    counts = table["split"].value_counts()
    lines = [
        f"{asked.optimizer}, {table['label'].nunique()} classes, {counts['train']} images to train "
        f"on, {counts['val']} in val, {asked.size} px, batches of {asked.batch_size}, "
        f"{asked.steps} steps, torch {torch.__version__}, fastai {versions}.",
        "",
        "| model | suggestion | curate | fastai, 1e-7…10 | apart | fastai, 1e-7…100 | apart |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case, found, peer, _ in said:
        for number, (name, lr) in enumerate(zip(found["name"], found["lr"], strict=True)):
            theirs = [row[number] for row in peer["found"]] if peer else [math.nan] * 2
            cells = [cell for one in theirs for cell in (_number(one), _apart(lr, one))]
            shown = [case.name if not number else "", name, _number(lr), *cells]
            lines.append(f"| {' | '.join(shown)} |")
    lines += [
        "",
        f"Best accuracy on val in {asked.epochs} epochs, mean of {asked.seeds} seeds (lowest to "
        "highest):",
        "",
        "| model | valley | ×30 | ÷30 |",
        "| --- | --- | --- | --- |",
    ]
    for case, _, _, trained in said:
        cells = [_accuracy(trained[away]) for away in AWAY]
        lines.append(f"| {' | '.join([case.name, *cells])} |")
    if read is not None:
        lines += [
            "",
            "Of {} drawn curves, {} suggest something to curate; {} the same.".format(
                CURVES, *read
            ),
        ]
    return "\n".join(lines)


def _number(lr: float) -> str:
    return "–" if math.isnan(lr) else f"{lr:.2g}"


def _apart(one: float, other: float) -> str:
    if math.isnan(one) or math.isnan(other):
        return "–"
    return f"{max(one, other) / min(one, other):.2f}"


def _accuracy(values: Sequence[float]) -> str:
    kept = [value for value in values if not math.isnan(value)]
    lost = f", {len(values) - len(kept)} diverged" if len(kept) < len(values) else ""
    if not kept:
        return "diverged" if values else "–"
    return f"{np.mean(kept):.3f} ({min(kept):.3f} to {max(kept):.3f}{lost})"


if __name__ == "__main__":
    main()
