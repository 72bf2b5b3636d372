"""Bulk identification of very many small files: memory, kills, and what a resume costs.

    python -m benchmarks.million SCRATCH --files 10000 100000 1000000 --kills 10

Makes so many different JPEG files of 16×16 pixels in SCRATCH (kept for the next time), lets
`curate bulk-id` with a tiny network (timm's test_resnet at 32 px, random weights) identify each
number of them into a library of its own, and samples the memory of its processes (PSS, which
counts shared pages once) every half second. The last and largest number is also done with kill -9
at random moments, the same command given again after each; then every file must have one row, every
image one prediction, and `curate check` no fault. What is reported: files a second, seconds until
the first file is read, peak memory, the size of the library, and the time of the same command when
everything is known.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import simplejpeg
import torch
from sqlalchemy import func, select

from curate.core.chunks import batched
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from curate.store import schema, shards
from curate.store.check import faults
from curate.store.library import opened

IN_A_FOLDER = 1000


def make_files(folder: Path, number: int) -> None:
    """Make different pictures: the digits of a file's number are the colours of its blocks."""
    for start in range(0, number, IN_A_FOLDER):
        place = folder / f"{start // IN_A_FOLDER:05}"
        if place.exists():
            continue
        half = place.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        for at in range(start, start + IN_A_FOLDER):
            digits = [(at >> (4 * digit)) % 16 * 16 + 8 for digit in range(6)]
            blocks = np.array([*digits, *digits], np.uint8).reshape(2, 2, 3)
            pixels = np.ascontiguousarray(blocks.repeat(8, 0).repeat(8, 1))
            name = half / f"{at:07}.jpg"
            name.write_bytes(simplejpeg.encode_jpeg(pixels, 95, "RGB", "444"))
        half.rename(place)


def make_model(path: Path) -> None:
    """Write a tiny network of 50 classes."""
    torch.manual_seed(0)
    weights = build("test_resnet", 50).state_dict()
    classes = tuple(f"class {number:02}" for number in range(50))
    save(
        Checkpoint("test_resnet", classes, preprocessing("test_resnet").at_size(32), weights), path
    )


def pss(pid: int) -> int:
    """Give the memory of a process and all under it, in bytes; pages that are shared count once."""
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
            for task in Path(f"/proc/{one}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return total


def run(command: list[str], patience: float | None = None) -> dict[str, Any]:
    """Run the command, killed with -9 after `patience` seconds; give what it took and said."""
    start, peak, samples = time.monotonic(), 0, list[int]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            if patience is not None and time.monotonic() - start > patience:
                process.kill()
                break
            samples.append(pss(process.pid))
            peak = max(peak, samples[-1])
            time.sleep(0.5)
        out, error = process.communicate()
    told = json.loads(out) if out.startswith(b"{") else {}
    if patience is None and process.returncode != 0:
        raise RuntimeError(error.decode()[-2000:])
    return {
        "wall_s": time.monotonic() - start,
        "peak_mb": peak / 1e6,
        "killed": process.returncode < 0,
        **{name: told.get(name) for name in ("files", "computed", "failed", "images_per_second")},
    }


def command(model: Path, folder: Path, library: Path) -> list[str]:
    """Give the command line."""
    found = shutil.which("curate") or str(Path(sys.executable).with_name("curate"))
    plan = ["--backend", "torch", "--precision", "fp32", "--batch-size", "256"]
    return [
        *(found, "bulk-id", str(folder), "--model", str(model), "--library", str(library)),
        *(*plan, "--json"),
    ]


def checked(library: Path, number: int) -> dict[str, Any]:
    """See that every file has its row and every image its prediction, once; give the sizes."""
    with opened(library) as place:
        wrong = faults(place)
        with place.reading() as connection:
            table = schema.files
            fine = connection.scalar(
                select(func.count()).select_from(table).where(table.c.status == "ok")
            )
            images = connection.scalar(select(func.count()).select_from(schema.images))
            parts = shards.paths(place, shards.referenced(connection, "predictions"))
        ids = Counter(
            image_id
            for some in batched(parts, 50)
            for part in some
            for image_id in pq.read_table(part, columns=["image_id"])["image_id"].to_pylist()
        )
        doubled = sum(count > 1 for count in ids.values())
        size = sum(f.stat().st_size for f in place.folder.rglob("*") if f.is_file())
    assert (wrong, fine, images, len(ids), doubled) == ([], number, number, number, 0), (
        wrong[:3],
        fine,
        images,
        len(ids),
        doubled,
    )
    return {"library_mb": size / 1e6, "shards": len(parts)}


def folder_of(scratch: Path, number: int) -> Path:
    """Give a folder with the first `number` of the files, hard-linked."""
    if number == sum(IN_A_FOLDER for _ in (scratch / "files").iterdir()):
        return scratch / "files"
    chosen = scratch / f"first-{number}"
    for place in sorted((scratch / "files").iterdir())[: number // IN_A_FOLDER]:
        target = chosen / place.name
        if not target.exists():
            target.mkdir(parents=True)
            for file in place.iterdir():
                os.link(file, target / file.name)
    return chosen


def main() -> None:
    """Run it, and print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    numbers = sorted(asked.files)
    model = asked.scratch / "model.safetensors"
    make_files(asked.scratch / "files", numbers[-1])
    make_model(model)
    rate = 0.0
    for number in numbers:
        library = asked.scratch / f"library-{number}"
        shutil.rmtree(library, ignore_errors=True)
        library.mkdir()
        line = command(model, folder_of(asked.scratch, number), library)
        if number == numbers[-1] and asked.kills and rate:
            told = killed(line, asked.kills, number / rate, random.Random(asked.seed))
        else:
            told = run(line)
        rate = number / told["wall_s"]
        again = run(line)
        assert again["computed"] == 0
        told |= {"again_s": again["wall_s"], "again_peak_mb": again["peak_mb"]}
        print(json.dumps(told | checked(library, number)), flush=True)
        shutil.rmtree(library)


def killed(line: list[str], kills: int, wall: float, chance: random.Random) -> dict[str, Any]:
    """Run the command to its end though it is killed again and again; give what that took."""
    attempts: list[dict[str, Any]] = []
    while len(attempts) < kills or attempts[-1]["killed"]:
        # So that the kills are spread over the time that one run would take.
        patience = chance.uniform(0.2, 1.8) * wall / (kills + 1)
        attempts.append(run(line, patience if len(attempts) < kills else None))
        print(json.dumps(attempts[-1]), file=sys.stderr, flush=True)
    return attempts[-1] | {
        "kills": sum(attempt["killed"] for attempt in attempts),
        "wall_s": sum(attempt["wall_s"] for attempt in attempts),
        "peak_mb": max(attempt["peak_mb"] for attempt in attempts),
    }


if __name__ == "__main__":
    main()
