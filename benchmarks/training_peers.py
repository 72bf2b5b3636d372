"""What others do with the same photos, weights and epochs; run by a Python that has them.

    PYTHON benchmarks/training_peers.py timm|fastai TASK

TASK is JSON: `table` (a CSV: path, label, split), `weights` (a state dict), `arch` (a recipe of one
timm name), `norms` (`learnt` as these tools do, or `kept`), `mean`, `std`, `size`, `batch_size`,
`epochs`, `seed`, `device`. The last line that is printed is JSON: accuracy on test after the last
epoch, seconds, images/s of training.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image

data: Any = timm.data
Task = dict[str, Any]


class Photos(torch.utils.data.Dataset):
    """The photos of a split, opened as timm's own data sets do."""

    def __init__(self, table: pd.DataFrame, classes: list[str]) -> None:
        self._paths = table["path"].tolist()
        self._targets = [classes.index(name) for name in table["label"]]
        self.transform: Any = None

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, at: int) -> tuple[Any, int]:
        picture = Image.open(self._paths[at]).convert("RGB")
        return self.transform(picture), self._targets[at]


def main() -> None:
    """Train as asked, and print what it came to."""
    task = json.loads(sys.argv[2])
    table = pd.read_csv(task["table"])
    name, keywords = re.fullmatch(r"(\w+)(?:\((.*)\))?", task["arch"]).groups()  # type: ignore[union-attr]
    classes = sorted(set(table["label"]))
    torch.manual_seed(task["seed"])
    np.random.seed(task["seed"])
    model = timm.create_model(name, num_classes=len(classes), **_literal(keywords))
    given = torch.load(task["weights"], weights_only=True)
    state = model.state_dict()
    fitting = {key: value for key, value in given.items() if value.shape == state[key].shape}
    model.load_state_dict({**state, **fitting})
    if task["norms"] == "kept":
        keep_norms(model)
    print(json.dumps(PEERS[sys.argv[1]](task, table, classes, model)))


def keep_norms(model: Any) -> None:
    """Let batch norms keep the statistics they came with, as curate does with a kept body."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]


def _literal(keywords: str | None) -> dict[str, Any]:
    return eval(f"dict({keywords or ''})", {"__builtins__": {"dict": dict}})


def of_timm(task: Task, table: pd.DataFrame, classes: list[str], model: Any) -> dict[str, Any]:
    """Do what timm's `train.py` does with `--opt adamw --sched cosine --warmup-epochs 1`.

    The script is not in timm's package; these are its steps, with its defaults for fine-tuning
    (random resized crop, colour 0.4, flip, label smoothing 0.1) and our learning rate.
    """
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import CosineLRScheduler

    device = _device(task)
    model.to(device)
    size = (3, task["size"], task["size"])
    shared = {"input_size": size, "batch_size": task["batch_size"], "mean": task["mean"],
              "std": task["std"], "num_workers": os.cpu_count() or 1, "device": device}  # fmt: skip
    loaders = {
        split: data.create_loader(
            Photos(table[table["split"] == split], classes),
            is_training=split == "train",
            interpolation="random" if split == "train" else "bicubic",
            **shared,
        )
        for split in ("train", "test")
    }
    optimizer = create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05)
    schedule = CosineLRScheduler(
        optimizer, t_initial=task["epochs"], warmup_t=1, warmup_lr_init=1e-5, warmup_prefix=True
    )
    loss = LabelSmoothingCrossEntropy(0.1)
    started, seconds, images = time.perf_counter(), 0.0, 0
    for epoch in range(task["epochs"]):
        schedule.step(epoch)
        model.train()
        began = time.perf_counter()
        for pixels, targets in loaders["train"]:
            optimizer.zero_grad()
            loss(model(pixels), targets).backward()
            optimizer.step()
            images += len(targets)
        seconds += time.perf_counter() - began
    model.eval()
    right = []
    with torch.inference_mode():
        for pixels, targets in loaders["test"]:
            right.append((model(pixels).argmax(1) == targets).cpu())
    took = time.perf_counter() - started
    return {"accuracy": float(torch.cat(right).float().mean()), "seconds": took,
            "rate": images / seconds}  # fmt: skip


def of_fastai(task: Task, table: pd.DataFrame, classes: list[str], model: Any) -> dict[str, Any]:
    """Call fastai's `fine_tune`: one epoch of the head, then the rest of all layers."""
    from fastai.vision.all import (
        CategoryBlock,
        ColReader,
        DataBlock,
        ImageBlock,
        LabelSmoothingCrossEntropyFlat,
        Learner,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        set_seed,
    )

    device = _device(task)
    set_seed(task["seed"])
    used = table[table["split"].isin(["train", "val"])]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=classes)),
        get_x=ColReader("path"),
        get_y=ColReader("label"),
        splitter=lambda rows: (
            np.flatnonzero(rows["split"] == "train"),
            np.flatnonzero(rows["split"] == "val"),
        ),
        item_tfms=Resize(round(task["size"] * 1.15)),
        batch_tfms=[
            *aug_transforms(size=task["size"]),
            Normalize.from_stats(task["mean"], task["std"]),
        ],
    )
    loaders = block.dataloaders(
        used.reset_index(drop=True), bs=task["batch_size"], device=device,
        num_workers=os.cpu_count() or 1,
    )  # fmt: skip
    head = [*model.get_classifier().parameters()]
    ids = {id(parameter) for parameter in head}

    def parts(_: Any) -> list[list[Any]]:
        return [[p for p in model.parameters() if id(p) not in ids], head]

    learner = Learner(
        loaders, model, loss_func=LabelSmoothingCrossEntropyFlat(), metrics=accuracy, splitter=parts
    )
    started = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(task["epochs"] - 1, freeze_epochs=1)
    seconds = time.perf_counter() - started
    test = loaders.test_dl(table[table["split"] == "test"], with_labels=True)
    said, targets = learner.get_preds(dl=test)
    took = time.perf_counter() - started
    trained = int((table["split"] == "train").sum()) * task["epochs"]
    # Its validation of every epoch is in these seconds: fastai does not part them.
    return {"accuracy": float((said.argmax(1) == targets).float().mean()), "seconds": took,
            "rate": trained / seconds}  # fmt: skip


def _device(task: Task) -> torch.device:
    name = task["device"]
    return torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    )


PEERS = {"timm": of_timm, "fastai": of_fastai}


if __name__ == "__main__":
    main()
