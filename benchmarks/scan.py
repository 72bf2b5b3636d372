"""Measure what a scan costs beside reading and decoding alone, and beside a peer.

    python -m benchmarks.scan PHOTOS [--limit 600] [--repeat 5] [--peer-python PYTHON]

Every step runs `--repeat` times, each time in a process of its own and all steps in turn, so that a
noisy minute falls on all of them:

* decode: the engine's workers read the files and open them at the scale of a scan, and no more;
* look: the same engine calls what a scan calls of each file;
* scan: `curate scan` into a fresh library, the start of Python included;
* imagededup: hash and find duplicates of the same files by its phash, the import not included
  (`--peer-python` names a Python that has it).

Rates of decode and look count from the first result on: workers start once, and a scan of many
photos does not notice. Memory is the peak of the largest process. The table is Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from curate import engine
from curate.core.files import Walked, read
from curate.core.images import open_picture
from curate.core.listing import walk
from curate.core.look import DECODED_SIDE

WORK = {
    "decode": engine.Work("benchmarks.scan:decode"),
    "look": engine.Work("curate.core.look:seen", together="curate.core.look:finished"),
}

_ROOT = Path(__file__).parents[1]

_PEER = """
import json, sys, time
from imagededup.methods import PHash
started = time.perf_counter()
hasher = PHash(verbose=False)
codes = hasher.encode_images(image_dir=sys.argv[1])
hasher.find_duplicates(encoding_map=codes)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "rate": len(codes) / seconds}))
"""


@dataclass(frozen=True)
class Measured:
    """One run of one step: wall-clock seconds, images a second, peak memory in megabytes."""

    seconds: float
    rate: float
    megabytes: float


def decode(path: bytes) -> None:
    """Read and open a file as a scan does."""
    open_picture(read(path), DECODED_SIDE)


def main() -> None:
    """Measure every step and print the table."""
    options = _options()
    if options.step:
        print(json.dumps(_mapped(options.photos, WORK[options.step], options.workers)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        photos = _chosen(options.photos, options.limit, Path(scratch))
        workers = ["--workers", str(options.workers)]
        steps = {
            name: [sys.executable, "-m", "benchmarks.scan", str(photos), "--step", name, *workers]
            for name in WORK
        }
        scan = ["-m", "curate", "scan", str(photos), "--library"]
        if options.peer_python:
            steps["imagededup"] = [options.peer_python, "-c", _PEER, str(photos)]
        runs: dict[str, list[Measured]] = {name: [] for name in (*steps, "scan")}
        count = len(list(photos.iterdir()))
        for number in range(options.repeat):
            for name, command in steps.items():
                runs[name].append(_run(command, count))
            fresh = Path(scratch) / f"library-{number}"
            fresh.mkdir()
            runs["scan"].append(_run([sys.executable, *scan, str(fresh)], count))
        print(_table(runs, count, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--limit", type=int, default=0, help="photos at most; 0 for all")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--workers", type=int, default=engine.available_cores())
    parser.add_argument("--peer-python", help="a Python that has imagededup")
    parser.add_argument("--step", choices=WORK, help=argparse.SUPPRESS)
    return parser.parse_args()


def _chosen(folder: Path, limit: int, scratch: Path) -> Path:
    """Lay photos of a folder, evenly chosen, into one flat folder: imagededup looks no deeper."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    found = found[:: max(1, len(found) // limit)][:limit] if limit else found
    flat = scratch / "photos"
    flat.mkdir()
    for number, path in enumerate(found):
        data = path.read_bytes()
        if data:
            (flat / f"{number:06d}{path.suffix.lower()}").write_bytes(data)
    return flat


def _mapped(photos: Path, work: engine.Work, workers: int) -> dict[str, float]:
    """Map work over the photos with the engine of a scan; seconds and rate."""
    entries = list(walk(os.fsencode(photos), Walked()))
    started = time.perf_counter()
    first = 0.0
    outcomes = engine.BACKENDS["processes"](entries, work, workers, engine.Limits())
    for _ in outcomes:
        first = first or time.perf_counter()
    ended = time.perf_counter()
    return {"seconds": ended - started, "rate": (len(entries) - 1) / (ended - first)}


def _run(command: Sequence[str], count: int) -> Measured:
    """Run a step; one that prints no figures is timed from outside."""
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=_ROOT)
    assert process.stdout is not None
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … ended with {process.returncode}")
    lines = said.splitlines()
    told = json.loads(lines[-1]) if lines and lines[-1].startswith('{"seconds"') else {}
    seconds = told.get("seconds", seconds)
    return Measured(seconds, told.get("rate", count / seconds), usage.ru_maxrss / 1024)


def _table(runs: dict[str, list[Measured]], count: int, options: argparse.Namespace) -> str:
    alone = statistics.median(run.rate for run in runs["decode"])
    lines = [
        f"{count} photos, {options.workers} workers, median of {options.repeat} "
        f"(lowest–highest); {_machine()}",
        "",
        "| step | images a second | of decode alone | seconds | peak MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in runs.items():
        rates = sorted(run.rate for run in found)
        middle = statistics.median(rates)
        seconds = statistics.median(run.seconds for run in found)
        peak = max(run.megabytes for run in found)
        spread = f"{middle:,.0f} ({rates[0]:,.0f}–{rates[-1]:,.0f})"
        lines.append(f"| {name} | {spread} | {middle / alone:.0%} | {seconds:.2f} | {peak:,.0f} |")
    return "\n".join(lines)


def _machine() -> str:
    names = ("numpy", "opencv-python-headless", "pillow", "simplejpeg")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    python = platform.python_version()
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {python}, {versions}"


if __name__ == "__main__":
    main()
