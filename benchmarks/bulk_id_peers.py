"""What others do with the same photos and weights; run by a Python that has them, without curate.

    PYTHON benchmarks/bulk_id_peers.py NAME TASK

TASK is JSON: `first` and `folder` (flat folders of images), `arch` and `arguments` (of timm),
`weights`, `config` (the model's transform, as timm writes it), `device`, `out` (a CSV to write),
`setting` (see each peer). The models and their transforms are timm's in all of them, so only what
is around them differs. A pass over `first` comes before the one over `folder`, and is taken off:
what is printed is the pace of the rest, when all that has to start has started.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image

data: Any = timm.data

CLASSES = 1000
TOP = 5

Task = dict[str, Any]
Table = pd.DataFrame
"""`file`, `class_1` (an index), `score_1`, …"""


def main() -> None:
    """Run a peer and print what it took."""
    name, task = sys.argv[1], json.loads(sys.argv[2])
    package, begin = PEERS[name]
    over = begin(task)
    seconds, counts = [], []
    for folder in (task["first"], task["folder"]):
        started = time.perf_counter()
        table = over(Path(folder))
        table.to_csv(task["out"], index=False)
        seconds.append(time.perf_counter() - started)
        counts.append(len(table))
    if seconds[1] <= seconds[0]:
        sys.exit(f"{counts[1]} images took no longer than {counts[0]}: give it more")
    rate = (counts[1] - counts[0]) / (seconds[1] - seconds[0])
    print(json.dumps({"version": version(package), "images": counts[1], "rate": rate}))


def timm_script(task: Task) -> Callable[[Path], Table]:
    """Do what timm's `inference.py` does, at the size that a model was trained with.

    The script is not in timm's package; these are its steps, with `--topk 5 --fullname
    --use-train-size`. `setting`: `batch_size`, `workers`, `channels_last`, `amp` (a type or '').
    """
    setting = task["setting"]
    device = torch.device(task["device"])
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    model = _model(task).to(device)
    if setting["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    config = data.resolve_data_config(task["config"], model=model)

    def mixed() -> AbstractContextManager[Any]:
        if not setting["amp"]:
            return nullcontext()
        return torch.autocast(device.type, getattr(torch, setting["amp"]))

    def over(folder: Path) -> Table:
        loader = data.create_loader(
            data.create_dataset(name="", root=str(folder)),
            batch_size=setting["batch_size"],
            use_prefetcher=True,
            num_workers=setting["workers"],
            device=device,
            **config,
        )
        classes, scores = [], []
        with torch.inference_mode():
            for pixels, _ in loader:
                with mixed():
                    output = model(pixels)
                best, places = output.softmax(-1).topk(TOP)
                classes.append(places.cpu().numpy())
                scores.append(best.float().cpu().numpy())
        names = loader.dataset.filenames(basename=True)
        return _table(names, np.concatenate(classes), np.concatenate(scores))

    return over


def transformers_pipeline(task: Task) -> Callable[[Path], Table]:
    """Ask a transformers image-classification pipeline for files, with timm's model wrapped.

    `setting`: `batch_size`, `workers`, `dtype`.
    """
    transformers = import_module("transformers")
    setting = task["setting"]
    inner: Any = timm.create_model(task["arch"], num_classes=CLASSES, **task["arguments"])
    settings = transformers.TimmWrapperConfig(
        architecture=task["arch"],
        pretrained_cfg=dict(inner.pretrained_cfg),
        num_labels=CLASSES,
        id2label={number: str(number) for number in range(CLASSES)},
        label2id={str(number): number for number in range(CLASSES)},
        model_args=task["arguments"],
    )
    model = transformers.TimmWrapperForImageClassification(settings)
    timm.models.load_checkpoint(model.timm_model, task["weights"])
    processor = transformers.TimmWrapperImageProcessor(
        pretrained_cfg={**inner.pretrained_cfg, **task["config"], "num_classes": CLASSES},
        architecture=task["arch"],
    )
    ask = transformers.pipeline(
        "image-classification",
        model=model.to(getattr(torch, setting["dtype"])).eval(),
        image_processor=processor,
        device=task["device"],
    )

    def over(folder: Path) -> Table:
        files = sorted(map(str, folder.iterdir()))
        said = ask(
            files, batch_size=setting["batch_size"], num_workers=setting["workers"], top_k=TOP
        )
        return _table(
            [os.path.basename(file) for file in files],
            np.array([[int(one["label"]) for one in row] for row in said]),
            np.array([[one["score"] for one in row] for row in said]),
        )

    return over


def ray_data(task: Task) -> Callable[[Path], Table]:
    """Do what Ray Data's guides do for images: read, map a transform, map batches over an actor.

    `setting`: `batch_size`, `cpus` (that Ray may hand out), `threads` (of torch in the actor),
    `actor` (CPUs that Ray counts for it; with 1, Ray puts the transform into the actor on a CPU).
    """
    ray = import_module("ray")
    import_module("ray.data")
    setting = task["setting"]
    cuda = task["device"] != "cpu"
    ray.init(num_cpus=setting["cpus"], include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    config = data.resolve_data_config(task["config"], model=_model(task))

    change = data.create_transform(**config)

    def transform(row: dict[str, Any]) -> dict[str, Any]:
        return {"pixels": change(Image.fromarray(row["image"])).numpy(), "path": row["path"]}

    class Classify:
        def __init__(self) -> None:
            torch.set_num_threads(setting["threads"])
            self.model = _model(task).to(task["device"])

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            with torch.inference_mode():
                pixels = torch.as_tensor(batch["pixels"]).to(task["device"])
                best, places = self.model(pixels).softmax(-1).topk(TOP)
            told = {"classes": places.cpu().numpy(), "scores": best.cpu().numpy()}
            return {"path": batch["path"], **told}

    def over(folder: Path) -> Table:
        found = (
            ray.data.read_images(str(folder), mode="RGB", include_paths=True)
            .map(transform)
            .map_batches(
                Classify,
                batch_size=setting["batch_size"],
                compute=ray.data.ActorPoolStrategy(size=1),
                num_cpus=setting["actor"],
                num_gpus=1 if cuda else 0,
            )
            .to_pandas()
        )
        names = [os.path.basename(path) for path in found["path"]]
        return _table(names, np.stack(found["classes"]), np.stack(found["scores"]))

    return over


PEERS: dict[str, tuple[str, Callable[[Task], Callable[[Path], Table]]]] = {
    "timm": ("timm", timm_script),
    "transformers": ("transformers", transformers_pipeline),
    "ray": ("ray", ray_data),
}
"""By name: the package that it needs, and what loads it and gives what runs over a folder."""


def _model(task: Task) -> torch.nn.Module:
    model = timm.create_model(
        task["arch"],
        num_classes=CLASSES,
        checkpoint_path=task["weights"],
        **task["arguments"],
    )
    return model.eval()


def _table(names: list[str], classes: np.ndarray, scores: np.ndarray) -> Table:
    table = pd.DataFrame({"file": names})
    for place in range(classes.shape[1]):
        table[f"class_{place + 1}"] = classes[:, place]
        table[f"score_{place + 1}"] = scores[:, place]
    return table


if __name__ == "__main__":
    main()
