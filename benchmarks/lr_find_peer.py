"""Run fastai's `lr_find` on batches and weights that are given; run by a Python that has fastai.

    PYTHON benchmarks/lr_find_peer.py TASK.pt

TASK holds: `arch`, `arguments`, `classes`, `weights`, `frozen_norms`, `pixels` (a list of uint8
tensors, n × h × w × 3), `targets` (a list), `mean`, `std`, `optimizer` (a name in torch.optim),
`weight_decay`, `smoothing`, `ranges` (a list of low, high, steps), `curves` (a list of rates and
losses). The last line of stdout is JSON: `version`; `found`, one row a range: valley, steep,
minimum; `read`, the same for each of the curves, through fastai's functions alone.
It imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

import timm
import torch
from torch import nn

Task = dict[str, Any]
NAMES = ("valley", "steep", "minimum")


def main() -> None:
    """Run fastai and print what it suggests."""
    task = torch.load(sys.argv[1], weights_only=True)
    schedule = import_module("fastai.callback.schedule")
    found = [_found(task, schedule, *asked) for asked in task["ranges"]]
    read = [
        [float(getattr(schedule, name)(rates, losses, len(rates))[0]) for name in NAMES]
        for rates, losses in task["curves"]
    ]
    print()
    print(json.dumps({"version": version("fastai"), "found": found, "read": read}))


def _found(task: Task, schedule: Any, low: float, high: float, steps: int) -> list[float]:
    basics, load = import_module("fastai.basics"), import_module("fastai.data.load")
    import_module("fastai.callback.progress")  # gives learners their no_bar

    same_norms = type("SameNorms", (basics.Callback,), {"before_train": _keep_norms})
    model = timm.create_model(task["arch"], num_classes=task["classes"], **task["arguments"])
    model.load_state_dict(task["weights"])
    mean, std = (torch.tensor(task[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    batches = [
        ((pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std, targets)
        for pixels, targets in zip(task["pixels"], task["targets"], strict=True)
    ]
    loader = load.DataLoader(batches, bs=None, shuffle=False, num_workers=0)
    with tempfile.TemporaryDirectory() as folder:
        learner = basics.Learner(
            basics.DataLoaders(loader, loader),
            model,
            loss_func=nn.CrossEntropyLoss(label_smoothing=task["smoothing"]),
            opt_func=partial(basics.OptimWrapper, opt=getattr(torch.optim, task["optimizer"])),
            wd=task["weight_decay"],
            path=folder,
            cbs=[same_norms()] if task["frozen_norms"] else [],
        )
        with learner.no_bar():
            said = learner.lr_find(
                start_lr=low,
                end_lr=high,
                num_it=steps,
                show_plot=False,
                suggest_funcs=tuple(getattr(schedule, name) for name in NAMES),
            )
    return [float(getattr(said, name)) for name in NAMES]


def _keep_norms(callback: Any) -> None:
    """Keep the statistics of the norms, as curate does where a body is kept."""
    for module in callback.model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


if __name__ == "__main__":
    main()
