"""Measure bulk identification beside its two limits and beside others, in one run.

    python -m benchmarks.bulk_id --photos PHOTOS [--rounds 3] [--peer-python PYTHON]
    python -m benchmarks.bulk_id --photos PHOTOS --device cuda --out TABLE.md

PHOTOS is a folder of photos, at any depth. Every program runs in a process of its own, all of them
in turn, `--rounds` times, so that a noisy minute falls on all:

* curate: `curate bulk-id` at its defaults into a fresh library; its own figure, from the start of
  the workers to the last row in the library. Once more with `--embeddings`, with the backend and
  the precision that the first run chose; and once with `--backend torch --precision fp32`, which is
  what the others compute.
* the limits of each, measured right after it: the same workers, whose blocks nobody computes on;
  and the plan that it chose, on pixels that lie in memory. On a CPU both want the same cores, so
  the rate that both allow together, 1 / (1/decode + 1/forward), is a column of its own.
* others, by `--peer-python` (those that it has not are lines that say so): timm's `inference.py`
  (its steps: the script is not in timm's package), a transformers image-classification pipeline,
  and Ray Data's recipe, over an even sample of the photos. What they need to start is not counted.

The weights are random, the same in every run, unless `--weights` names a timm state dict of 1,000
classes. The memory is that of all processes of a program together, what they share counted once.
With `--device cuda` the GPU is watched too, and decoding on it is measured beside.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from benchmarks import bulk_id_report as reporting
from benchmarks.bulk_id_process import Finished, run
from benchmarks.bulk_id_report import DECODE, FORWARD, OURS, Found, Record
from curate import engine
from curate.core.suffixes import SUFFIXES
from curate.models.recipe import parse

CLASSES = 1000

FIRST = 5
"""A peer's first pass, that is taken off, is over this part of its sample."""

T = TypeVar("T")

_ROOT = Path(__file__).parents[1]
_ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT),
    "HF_HUB_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONWARNINGS": "ignore",
}

EMBEDDINGS = f"{OURS} --embeddings"
ALIKE = f"{OURS} --backend torch --precision fp32"

Peer = tuple[str, dict[str, Any]]
"""Its name in `bulk_id_peers.PEERS`, and its setting."""


@dataclass(frozen=True)
class Case:
    """What is measured on a kind of device.

    Attributes
    ----------
    models : sequence of str
        Recipes of architectures.
    copies : int
        How often each photo is done, so that a run is long enough to be measured.
    sample : int
        Photos for the others.
    seconds : float
        Time for a forward limit.
    peers : mapping of str to Peer
        Each with its setting, which the table shows.
    """

    models: Sequence[str]
    copies: int
    sample: int
    seconds: float
    peers: Mapping[str, Peer]


def _timm(batch_size: int, amp: str, workers: int) -> Peer:
    mixed = {"channels_last": bool(amp), "amp": amp}
    return "timm", {"batch_size": batch_size, "workers": workers, **mixed}


def _cases(cores: int) -> dict[str, Case]:
    return {
        "cpu": Case(
            ("mobilenetv2_100", "resnet18", "efficientnet_b0"),
            copies=1,
            sample=1_000,
            seconds=6,
            peers={
                "timm": _timm(64, "", cores),
                "timm --amp bfloat16 --channels-last": _timm(64, "bfloat16", cores),
                "transformers": (
                    "transformers",
                    {"batch_size": 32, "workers": cores, "dtype": "float32"},
                ),
                "Ray Data": (
                    "ray",
                    {"batch_size": 32, "cpus": cores, "threads": cores, "actor": 1},
                ),
            },
        ),
        "cuda": Case(
            ("resnet50", "vit_base_patch16_224", "convnext_tiny"),
            copies=8,
            sample=12_000,
            seconds=5,
            peers={
                "timm": _timm(256, "", cores),
                "timm --amp float16 --channels-last": _timm(256, "float16", cores),
                "transformers": (
                    "transformers",
                    {"batch_size": 256, "workers": cores, "dtype": "float16"},
                ),
                "Ray Data": ("ray", {"batch_size": 256, "cpus": cores, "threads": 1, "actor": 1}),
            },
        ),
    }


class Bench:
    """The photos, laid out, and everything that is run on them.

    Parameters
    ----------
    options : Namespace
        Of the command line.
    case : Case
        What is measured.
    scratch : Path
        An empty folder.
    """

    def __init__(self, options: argparse.Namespace, case: Case, scratch: Path) -> None:
        self.options, self.case, self.scratch = options, case, scratch
        self.gpu = options.device == "cuda"
        self.classes = scratch / "classes.txt"
        self.classes.write_text("".join(f"{number}\n" for number in range(CLASSES)))
        photos = _photos(options.photos, options.limit)
        self.count = len(photos) * case.copies
        names = [
            f"{number:07d}{file.suffix.lower()}" for number, file in enumerate(photos * case.copies)
        ]
        laid = dict(zip(names, photos * case.copies, strict=True))
        self.photos = _laid(laid, names, scratch / "photos")
        # Under the same names, so that rows can be compared.
        self.sample = _laid(laid, _evenly(names, case.sample), scratch / "sample")
        self.first = _laid(laid, _evenly(names, max(1, case.sample // FIRST)), scratch / "first")
        self.versions: dict[str, str] = {}

    def turns(self) -> Iterator[tuple[Record, Path | None]]:
        """Run everything, round by round; give each record, and the CSV of its rows, if any."""
        weights = {model: self._weights(model) for model in self.case.models}
        for turn in range(self.options.rounds):
            for model in self.case.models:
                for record, rows in self._turn(model, weights[model]):
                    yield replace(record, turn=turn, model=model), rows
                shutil.rmtree(self.scratch / "library", ignore_errors=True)

    def _turn(self, model: str, weights: Path) -> Iterator[tuple[Record, Path | None]]:
        plan: dict[str, Any] = {}
        for program, arguments in (
            (OURS, []),
            (EMBEDDINGS, ["--embeddings"]),
            (ALIKE, ["--backend", "torch", "--precision", "fp32"]),
        ):
            if program == EMBEDDINGS:
                for name in ("backend", "precision", "batch_size"):
                    arguments += [f"--{name.replace('_', '-')}", str(plan[name])]
            record, plan, rows = self._ours(program, model, weights, arguments)
            yield record, rows
            if program != EMBEDDINGS:
                for kind, step in ((DECODE, "decode"), (FORWARD, "forward")):
                    named = reporting.limit_name(kind, program)
                    yield self._limit(named, step, model, weights, plan), None
        if self.gpu:
            asked = {"photos": str(self.photos), "side": 224}
            yield self._step("decoding on the GPU (torchvision)", "decode_on_gpu", asked), None
        config = self._config(model, weights)
        for program, peer in self.case.peers.items():
            if not self.options.only or peer[0] in self.options.only:
                yield self._peer(program, peer, model, weights, config)

    def _weights(self, model: str) -> Path:
        given = dict(part.rsplit("=", 1) for part in self.options.weights)
        if model in given:
            return Path(given[model])
        out = self.scratch / f"{len(list(self.scratch.glob('*.safetensors')))}.safetensors"
        call = parse(model)[0]
        done = self._run_step(
            "make",
            {
                "arch": call.name,
                "arguments": call.keywords,
                "photos": str(self.sample),
                "out": str(out),
            },
        )
        if done.code:
            raise SystemExit(f"{model}: {_last_line(done.err)}")
        return out

    def _config(self, model: str, weights: Path) -> dict[str, Any]:
        asked = {"weights": str(weights), "arch": model, "classes": str(self.classes)}
        done = self._run_step("config", asked)
        if done.code:
            raise SystemExit(f"{model}: {_last_line(done.err)}")
        told: dict[str, Any] = json.loads(_last_line(done.out))
        return told

    def _ours(
        self, program: str, model: str, weights: Path, arguments: Sequence[str]
    ) -> tuple[Record, dict[str, Any], Path]:
        library = self.scratch / "library"
        shutil.rmtree(library, ignore_errors=True)
        command = [sys.executable, "-m", "curate", "bulk-id", str(self.photos)]
        command += ["--model", str(weights), "--arch", model, "--classes", str(self.classes)]
        command += ["--library", str(library), "--device", self.options.device, *arguments]
        done = run([*command, "--explain-plan", "--json"], gpu=self.gpu, environment=_ENVIRONMENT)
        if done.code:
            raise SystemExit(f"{program}: {_last_line(done.err)}")
        said = json.loads(done.out)
        plan = next(row for row in said["plan"] if row["chosen"])
        record = _record(
            program, done, said["images_per_second"], said["computed"], said["seconds"]
        )
        # The same command again has nothing to compute, and writes the rows.
        rows = self.scratch / "ours.csv"
        again = run([*command, "--csv", str(rows)], environment=_ENVIRONMENT)
        if again.code:
            raise SystemExit(f"{program}: {_last_line(again.err)}")
        return replace(record, how=_how(plan)), plan, rows

    def _limit(
        self, named: str, step: str, model: str, weights: Path, plan: dict[str, Any]
    ) -> Record:
        task: dict[str, Any] = {
            "photos": str(self.photos),
            "weights": str(weights),
            "arch": model,
            "classes": str(self.classes),
            "plan": plan,
        }
        if step == "forward":
            task["seconds"] = self.case.seconds
        return self._step(named, step, task)

    def _step(self, program: str, step: str, task: dict[str, Any]) -> Record:
        done = self._run_step(step, task)
        if done.code:
            return Record(0, "", program, failed=_last_line(done.err))
        said = json.loads(_last_line(done.out))
        record = _record(program, done, said["rate"], said["images"], None)
        return replace(record, rest=said.get("start", math.nan))

    def _run_step(self, step: str, task: dict[str, Any]) -> Finished:
        command = [sys.executable, "-m", "benchmarks.bulk_id_steps", step, json.dumps(task)]
        return run(command, environment=_ENVIRONMENT)

    def _peer(
        self, program: str, peer: Peer, model: str, weights: Path, config: dict[str, Any]
    ) -> tuple[Record, Path | None]:
        name, setting = peer
        call = parse(model)[0]
        rows = self.scratch / "theirs.csv"
        task = {
            "first": str(self.first),
            "folder": str(self.sample),
            "arch": call.name,
            "arguments": call.keywords,
            "weights": str(weights),
            "config": config,
            "device": self.options.device,
            "out": str(rows),
            "setting": setting,
        }
        script = str(Path(__file__).with_name("bulk_id_peers.py"))
        # -P: files beside the script are not what it means by their names.
        command = [self.options.peer_python, "-P", script, name, json.dumps(task)]
        done = run(command, gpu=self.gpu, environment={**_ENVIRONMENT, "PYTHONPATH": ""})
        how = ", ".join(f"{key} {value}" for key, value in setting.items() if value != "")
        if done.code:
            return Record(0, "", program, failed=_last_line(done.err), how=how), None
        said = json.loads(_last_line(done.out))
        self.versions[name] = said["version"]
        passes = said["images"] + len(list(self.first.iterdir()))
        record = _record(program, done, said["rate"], said["images"], passes / said["rate"])
        return replace(record, how=how), rows


def main() -> None:
    """Measure everything, print the tables, write them down."""
    options = _options()
    if options.device == "cuda" and shutil.which("nvidia-smi") is None:
        raise SystemExit("--device cuda: there is no NVIDIA GPU here (no nvidia-smi)")
    started = time.monotonic()
    case = _cases(engine.available_cores())[options.device]
    chosen = {name: getattr(options, name) for name in ("models", "copies", "sample", "seconds")}
    case = replace(case, **{name: value for name, value in chosen.items() if value is not None})
    records: list[Record] = []
    found: dict[tuple[str, str, str], reporting.Agreement] = {}
    with tempfile.TemporaryDirectory(dir=options.work) as scratch:
        bench = Bench(options, case, Path(scratch))
        mine: dict[tuple[str, str, str], pd.DataFrame] = {}
        for record, rows in bench.turns():
            records.append(record)
            print(f"{record.model}: {record.program}: {record.rate:,.0f}", file=sys.stderr)
            if rows is None:
                continue
            key = (record.model, record.program, record.how)
            if record.program.startswith(OURS):
                mine[key] = _rows(rows)
            elif record.program == "timm":
                theirs = _rows(rows)
                for ours in [key for key in mine if key[0] == record.model]:
                    found[ours] = reporting.agreement(mine.pop(ours), theirs)
        about = [*_about(options, bench), f"all of it took {time.monotonic() - started:,.0f} s"]
    text = reporting.report(Found(about, records, found))
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
        told = {
            "about": about,
            "records": [asdict(record) for record in records],
            "agreements": [[*key, asdict(value)] for key, value in found.items()],
        }
        options.out.with_suffix(".json").write_text(json.dumps(told, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0, help="photos at most; 0 for all")
    parser.add_argument("--models", nargs="+", help="timm names")
    parser.add_argument(
        "--weights", nargs="*", default=[], metavar="MODEL=FILE", help="instead of random ones"
    )
    parser.add_argument("--sample", type=int, help="photos for the others")
    parser.add_argument("--copies", type=int, help="how often each photo is done")
    parser.add_argument("--seconds", type=float, help="for a forward limit")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has the peers")
    parser.add_argument("--only", nargs="*", help="timm, transformers, ray: when not all")
    parser.add_argument("--work", type=Path, help="where photos are laid out (as hard links)")
    parser.add_argument("--out", type=Path, help="a Markdown file; a JSON is written beside it")
    return parser.parse_args()


def _photos(folder: Path, limit: int) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"{folder}: there is no photo in it")
    return _evenly(found, limit) if limit else found


def _evenly(found: Sequence[T], number: int) -> list[T]:
    """Choose so many, evenly."""
    chosen = min(number, len(found))
    return [found[at * len(found) // chosen] for at in range(chosen)]


def _laid(files: Mapping[str, Path], names: Sequence[str], folder: Path) -> Path:
    """Lay files into a flat folder: some of the others look no deeper."""
    folder.mkdir()
    for name in names:
        try:
            os.link(files[name], folder / name)
        except OSError:  # another disk
            shutil.copyfile(files[name], folder / name)
    return folder


def _rows(file: Path) -> pd.DataFrame:
    """Read rows of ours or of a peer, so that they can be compared."""
    rows = pd.read_csv(file)
    if "path" in rows:
        rows["file"] = rows["path"].map(os.path.basename)
    return rows


def _record(
    program: str, done: Finished, rate: float, images: int, seconds: float | None
) -> Record:
    return Record(
        turn=0,
        model="",
        program=program,
        rate=rate,
        rest=math.nan if seconds is None else done.seconds - seconds,
        megabytes=done.megabytes,
        busy=done.busy,
        gpu_megabytes=done.gpu_megabytes,
        images=images,
    )


def _how(plan: Mapping[str, Any]) -> str:
    layout = "channels last" if plan["channels_last"] else "channels first"
    return (
        f"{plan['backend']} {plan['precision']}, batch {plan['batch_size']}, {plan['streams']} × "
        f"{plan['threads']} threads, {layout}" + (", compiled" if plan["compiled"] else "")
    )


def _about(options: argparse.Namespace, bench: Bench) -> list[str]:
    ours = ("torch", "timm", "numpy", "pillow", "simplejpeg")
    optional = [name for name in ("onnxruntime", "openvino") if _has(name)]
    versions = {name: version(name) for name in (*ours, *optional)}
    peers = {name: number for name, number in bench.versions.items() if name not in versions}
    size = sum(file.stat().st_size for file in bench.photos.iterdir()) / bench.count
    return [
        f"`python -m benchmarks.bulk_id {' '.join(sys.argv[1:])}`",
        f"{bench.count:,} photos ({size / 1000:,.0f} kB on average), each {bench.case.copies} "
        f"time(s); the others on {len(list(bench.sample.iterdir())):,} of them, after a first pass "
        f"over {len(list(bench.first.iterdir())):,} that is taken off; rounds: {options.rounds}",
        f"weights: {', '.join(options.weights) or 'random, 1,000 classes'}",
        f"{_processor()}, {engine.available_cores()} cores{_gpu() if bench.gpu else ''}",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in {**versions, **peers}.items()),
    ]


def _has(name: str) -> bool:
    try:
        return bool(version(name))
    except ImportError:
        return False


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = " ".join(line for line in lines if line.startswith("flags"))
    known = [name for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if name in flags]
    return f"{names[0] if names else platform.machine()} ({', '.join(known)})"


def _gpu() -> str:
    asked = ["nvidia-smi", "-i", "0", "--query-gpu=name", "--format=csv,noheader"]
    return ", " + subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    main()
