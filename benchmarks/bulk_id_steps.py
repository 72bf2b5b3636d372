"""The two limits of a bulk identification, each measured alone, and the models that it is measured
with. Each step runs in a process of its own:

    python -m benchmarks.bulk_id_steps STEP TASK

TASK is JSON: the arguments of the step's function. What it gives is printed as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from curate import engine
from curate.bulk_id.pipeline import MANY
from curate.bulk_id.thinking import Ask, Thinker
from curate.core.chunks import batched
from curate.core.files import Walked
from curate.core.listing import merged, place_of
from curate.engine import Limits
from curate.models import checkpoint as checkpoints
from curate.models.backends import Plan
from curate.models.preprocess import Preprocessing
from curate.models.reading import read_prepared
from curate.models.runner import Runner

CLASSES = 1000
SEEN = 64
"""Photos from which the statistics of a made model come."""

SPREAD = 2.5
"""Standard deviation of the logits of a made model; with 1,000 classes the best score is near 0.1,
where a model of 20 % accuracy has it. With timm's own first weights every score is 0.001, and no
precision could change one."""


def main() -> None:
    """Run a step and print what it gives."""
    print(json.dumps(STEPS[sys.argv[1]](**json.loads(sys.argv[2]))))


def make(arch: str, arguments: Mapping[str, Any], photos: str, out: str) -> dict[str, Any]:
    """Write a model with random weights, the same in every run, that tells photos apart."""
    torch.manual_seed(0)
    data: Any = timm.data
    model: Any = timm.create_model(arch, num_classes=CLASSES, **arguments)
    used = Preprocessing.from_data_config(data.resolve_data_config({}, model=model))
    pixels = torch.from_numpy(_some(Path(photos), used, SEEN)).permute(0, 3, 1, 2)
    shown = (pixels / 255 - torch.tensor(used.mean).view(3, 1, 1)) / torch.tensor(used.std).view(
        3, 1, 1
    )
    with torch.inference_mode():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the mean of all that is seen
                module.reset_running_stats()
                module.train()
        model(shown)
        model.eval()
        logits = model(shown)
        head = model.get_classifier()
        head.weight.mul_(SPREAD / logits.std())
        head.bias.zero_()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, out)
    return {"arch": arch}


def config(weights: str, arch: str, classes: str) -> dict[str, Any]:
    """Give the preprocessing of a model as timm writes it; a file may name another than timm's."""
    used = checkpoints.load(weights, arch, classes).preprocessing.to_json()
    return {"input_size": [3, used.pop("height"), used.pop("width")], **used}


def decode(
    photos: str, weights: str, arch: str, classes: str, plan: dict[str, Any]
) -> dict[str, Any]:
    """Give the rate at which the workers of a bulk identification decode, when nobody computes.

    Everything is as in `curate bulk-id` with that plan, but the blocks are thrown away. The clock
    starts when the workers are ready; `start` is what that takes, in seconds.
    """
    entries = list(merged([place_of(photos)], Walked()))
    checkpoint = checkpoints.load(weights, arch, classes)
    thinker = Thinker([checkpoint], [_plan(plan)], Ask(), many=len(entries) >= MANY)
    begun = time.perf_counter()
    with engine.stream("processes")(
        thinker.work, lambda _: True, thinker.form, engine.available_cores(), Limits()
    ) as stream:
        started = time.perf_counter()
        done = sum(len(block.outcomes) for block in stream.run(entries))
        seconds = time.perf_counter() - started
    return {"rate": done / seconds, "images": done, "start": started - begun}


def forward(
    photos: str, weights: str, arch: str, classes: str, plan: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Give the rate at which a plan computes on pixels that lie in memory, in all its streams."""
    checkpoint = checkpoints.load(weights, arch, classes)
    runner = Runner(checkpoint, _plan(plan))
    size, streams = runner.plan.batch_size, runner.plan.streams
    seen = _some(Path(photos), checkpoint.preprocessing, min(size * streams, 4 * SEEN))
    batches = [
        np.ascontiguousarray(np.take(seen, range(at * size, (at + 1) * size), 0, mode="wrap"))
        for at in range(streams)
    ]

    def work(batch: NDArray[np.uint8], end: float) -> int:
        passes = 0
        while passes == 0 or time.perf_counter() < end:
            runner.run(batch)
            passes += 1
        return passes * size

    with ThreadPoolExecutor(streams) as pool:
        # A thread's first passes make its buffers.
        list(pool.map(work, batches, [time.perf_counter() + 1] * streams))
        started = time.perf_counter()
        done = sum(pool.map(work, batches, [started + seconds] * streams))
        return {"rate": done / (time.perf_counter() - started), "images": done}


def decode_on_gpu(photos: str, side: int, batch_size: int = 128) -> dict[str, Any]:
    """Give the rate at which torchvision reads JPEG files, decodes and resizes them on the GPU.

    Files of other formats are left out. The resize is as timm's: shorter side, antialiased, crop.
    """
    io = import_module("torchvision.io")
    functional = import_module("torchvision.transforms.v2.functional")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    files = [file for file in sorted(Path(photos).iterdir()) if file.suffix in (".jpg", ".jpeg")]
    resized = round(side / 0.875)

    def read(some: Sequence[Path]) -> list[torch.Tensor]:
        return [torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8) for file in some]

    def work(some: Sequence[Path]) -> int:
        decoded = io.decode_jpeg(read(some), mode=io.ImageReadMode.RGB, device=device)
        small = [functional.resize(image, [resized], antialias=True) for image in decoded]
        return len(torch.stack([functional.center_crop(image, [side]) for image in small]))

    chunks = list(batched(files, batch_size))
    with ThreadPoolExecutor(4) as pool:
        work(chunks[0])
        started = time.perf_counter()
        done = sum(pool.map(work, chunks))
        if device == "cuda":
            torch.cuda.synchronize()
        return {"rate": done / (time.perf_counter() - started), "images": done}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "make": make,
    "config": config,
    "decode": decode,
    "forward": forward,
    "decode_on_gpu": decode_on_gpu,
}
"""By name."""


def _plan(row: dict[str, Any]) -> Plan:
    """Make a plan of its row in what `curate bulk-id --explain-plan --json` says."""
    return Plan(**{field.name: row[field.name] for field in fields(Plan)})


def _some(photos: Path, used: Preprocessing, number: int) -> NDArray[np.uint8]:
    """Prepare some photos, evenly chosen."""
    files = sorted(photos.iterdir())
    chosen = files[:: max(1, len(files) // number)][:number]
    return np.stack([read_prepared(os.fsencode(file), used)[1] for file in chosen])


if __name__ == "__main__":
    main()
