"""How many images a second reach a training, and what they cost: threads beside processes.

    python benchmarks/train_loading.py PHOTOS --images 2000 --workers 1 2 4 8 16
    python benchmarks/train_loading.py PHOTOS --busy

PHOTOS is any folder of JPEG files. Nothing is trained: batches of 64 are taken as fast as they
come, prepared for `--side` pixels and augmented with the default policy; "decoded" from the files
each time, "cached" from prepared pixels in memory. The best of `--passes` passes counts. With
`--busy` the caller does 5 ms of plain Python a batch, as one does that starts kernels on a GPU;
`caller_ms` says how long these take while images are made.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from curate.augment.policy import DEFAULT
from curate.core.identity import image_id
from curate.engine import available_cores
from curate.models.preprocess import Preprocessing
from curate.train.examples import Examples
from curate.train.loading.changes import Change
from curate.train.loading.pixels import MAKERS, PixelStore, in_batches

HALF = (0.5, 0.5, 0.5)
BUSY = 0.005


def examples_in(folder: Path, most: int) -> Examples:
    """Take some files of a folder, evenly."""
    files = sorted(folder.rglob("*.jpg"))
    files = files[:: max(1, len(files) // most)][:most]
    ids = [image_id(file.read_bytes()) for file in files]
    return Examples(ids, [bytes(f) for f in files], np.zeros(len(ids), int), {}, ("", ""), "", "")


def seconds_of_workers() -> float:
    """Processor time of the worker processes so far."""
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def spin(turns: int) -> float:
    """Keep Python busy; give the seconds that it took."""
    began = time.perf_counter()
    for _ in range(turns):
        pass
    return time.perf_counter() - began


def passes(store: PixelStore, images: int, number: int, turns: int) -> Iterator[dict[str, float]]:
    """Measure some passes; the first one, in which a cache is filled, is left out."""
    groups = in_batches(np.arange(images), 64)
    for at in range(number + 1):
        store.waited, spun = 0.0, 0.0
        began, own, workers = time.perf_counter(), time.process_time(), seconds_of_workers()
        for _ in store.batches(groups, Change(DEFAULT, 0, at)):
            spun += spin(turns)
        seconds = time.perf_counter() - began
        if at:
            yield {
                "images_per_second": images / seconds,
                "waited": store.waited / seconds,
                "caller_ms": 1e3 * spun / len(groups),
                "parent_ms_per_image": 1e3 * (time.process_time() - own) / images,
                "workers_ms_per_image": 1e3 * (seconds_of_workers() - workers) / images,
            }


def main() -> None:
    """Measure each kind with each number of workers, decoded and cached, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--workers", type=int, nargs="+", default=[available_cores()])
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args()
    examples = examples_in(given.photos, given.images)
    form = Preprocessing(given.side, given.side, "bicubic", 0.875, "center", HALF, HALF)
    turns = int(BUSY / spin(100_000) * 100_000) if given.busy else 0
    for kind in MAKERS:
        for workers in given.workers:
            for cache_bytes, pixels in ((0, "decoded"), (1 << 40, "cached")):
                began = time.perf_counter()
                with closing(PixelStore(examples, form, workers, cache_bytes, kind=kind)) as store:
                    next(store.batches([np.arange(2)]))
                    start = time.perf_counter() - began
                    found = pd.DataFrame(
                        passes(store, len(examples.ids), given.passes, turns)
                    ).sort_values("images_per_second")
                told = " ".join(f"{name}={value:.2f}" for name, value in found.iloc[-1].items())
                print(f"{kind} workers={workers} {pixels} start_s={start:.1f} {told}", flush=True)


if __name__ == "__main__":
    main()
