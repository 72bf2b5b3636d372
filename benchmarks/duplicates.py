"""Compare duplicate finders on photos, their edits and their look-alikes, in one run.

    python -m benchmarks.duplicates PHOTOS --work FOLDER [--peer-python PYTHON] [--cifar]

PHOTOS holds folders of class folders (`grocery/`, `trashnet/`). The test folder is built in
`--work` (kept, and used again when it is there), every tool runs in a process of its own, and the
tables for `docs/duplicates.md` are printed. Peers run by `--peer-python`, a Python that has
imagededup, cleanvision, fastdup and imagehash; those it has not are rows that say so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pandas as pd

from benchmarks import duplicates_score as scoring
from benchmarks.duplicates_data import Plan, build
from benchmarks.duplicates_peer import TOOLS
from benchmarks.duplicates_report import Row, report
from benchmarks.duplicates_score import Score, Truth

CIFAR_SIDE = 32
_SIMILARITIES = tuple(round(1 - step / 100, 2) for step in range(1, 20))


@dataclass(frozen=True)
class Finished:
    """A process that ended: its cost, and what it said last.

    Attributes
    ----------
    seconds : float
        Wall clock from start to end, imports included.
    megabytes : float
        Peak resident memory of its largest process.
    """

    code: int
    seconds: float
    megabytes: float
    out: str
    err: str


def main() -> None:
    """Build the folder, run every tool, print the tables."""
    options = _options()
    work = options.work / (f"small-{CIFAR_SIDE}" if options.cifar else "photos")
    if not (work / "bursts.csv").exists():
        shutil.rmtree(work, ignore_errors=True)
        build(options.photos, work, _plan(options))
    files = pd.read_csv(work / "truth.csv", keep_default_na=False)
    truth = Truth.of(files, pd.read_csv(work / "bursts.csv"))
    rows = [_ours_from(truth, table, "a table given") for table in options.table]
    if not options.table:
        rows = [_ours(truth, work, list(extra)) for extra in ((), tuple(options.ask.split()))]
    if options.peer_python:
        names = [name for name in TOOLS if not options.only or name in options.only]
        rows += [_peer(truth, work, options.peer_python, name) for name in names]
    print(report(truth, rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="where the test folder is built")
    parser.add_argument("--sources", nargs="+", default=["grocery=150", "trashnet=50"])
    parser.add_argument("--strengths", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cifar", action="store_true", help="shrink every file to 32 pixels")
    parser.add_argument("--peer-python", help="a Python that has the peers")
    parser.add_argument("--only", nargs="*", help="names of peers, when not all")
    parser.add_argument("--ask", default="--flips --turns", help="our options of a second run")
    parser.add_argument(
        "--table", nargs="*", type=Path, default=[], help="score these CSVs; do not run ours"
    )
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    counts = dict(part.split("=") for part in options.sources)
    return Plan(
        sources={folder: int(count) for folder, count in counts.items()},
        strengths=options.strengths,
        side=CIFAR_SIDE if options.cifar else None,
        seed=options.seed,
    )


def _ours(truth: Truth, work: Path, extra: Sequence[str]) -> Row:
    """Scan and find duplicates in a library of its own, through the command line."""
    library, out = work / "library", work / "ours.csv"
    shutil.rmtree(library, ignore_errors=True)
    curate = [sys.executable, "-m", "curate"]
    scan = run([*curate, "scan", str(work / "images"), "--library", str(library)])
    find = run([*curate, "duplicates", "--library", str(library), "--csv", str(out), *extra])
    setting = " ".join(["defaults", *extra])
    if scan.code or find.code:
        return Row("curate", version("curate"), setting, failed=_last_line(scan.err + find.err))
    row = _ours_from(truth, out, setting)
    return replace(
        row,
        seconds=scan.seconds + find.seconds,
        megabytes=max(scan.megabytes, find.megabytes),
        note=f"scan {scan.seconds:.1f} s",
    )


def _ours_from(truth: Truth, table: Path, setting: str) -> Row:
    """Score a table of ours, and list beside it what it ties wrongly."""
    found = pd.read_csv(table, keep_default_na=False)
    names = found["path"].map(os.path.basename)
    groups = [list(members) for _, members in names.groupby(found["group"])]
    pairs = scoring.pairs_in(truth, groups)
    scoring.wrong_pairs(truth, pairs).to_csv(table.with_suffix(".wrong.csv"), index=False)
    return Row("curate", version("curate"), setting, scoring.score(truth, pairs, groups))


def _peer(truth: Truth, work: Path, python: str, name: str) -> Row:
    """Run a peer; one with a radius is run twice, the second time at its best."""
    out = work / f"{name.replace(' ', '-')}.csv"
    script = str(Path(__file__).with_name("duplicates_peer.py"))
    command = [python, script, name, str(work / "images"), str(out)]
    done = run(command)
    if done.code:
        return Row(name, "", "", failed=_last_line(done.err))
    setting, predicted = "defaults", pd.read_csv(out, dtype={"hash": str})
    if "hash" in predicted:
        hashes = predicted.set_index("file")["hash"].reindex(truth.files["file"])
        numbers = np.array([int(value, 16) for value in hashes], np.uint64)
        radius, _ = scoring.best_radius(truth, numbers)
        setting = f"radius {radius}"
        done = run([*command, str(radius)])
        predicted = pd.read_csv(out)
    elif name == "fastdup pairs":
        setting, predicted = _best_similarity(truth, predicted)
    score = scoring.score(truth, scoring.pairs_of(truth, predicted))
    said = json.loads(_last_line(done.out))
    return Row(name, said["version"], setting, score, done.seconds, done.megabytes)


def _best_similarity(truth: Truth, predicted: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Keep the pairs above the similarity of the best F1."""
    tried = []
    for similarity in _SIMILARITIES:
        kept = predicted[predicted["distance"] <= 1 - similarity + 1e-9]
        score: Score = scoring.score(truth, scoring.pairs_of(truth, kept))
        value = scoring.f1(scoring.recall(truth, score.found), score.precision)
        tried.append((value, similarity, kept))
    _, similarity, kept = max(tried, key=lambda each: each[:2])
    return f"similarity {similarity}", kept


# A process starts with the peak memory of the one that forked it, and this one holds pandas: so a
# small one stands between, and does the measuring.
_MEASURE = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
cost = process.returncode, time.perf_counter() - start, used.ru_maxrss / 1024
open(sys.argv[1], "w").write(json.dumps(cost))
"""


def run(command: Sequence[str]) -> Finished:
    """Run a command to its end, and measure it."""
    with NamedTemporaryFile("r") as cost:
        measure = [sys.executable, "-I", "-S", "-c", _MEASURE, cost.name, *command]
        done = subprocess.run(measure, capture_output=True, text=True, check=True)
        code, seconds, megabytes = json.load(cost)
    return Finished(code, seconds, megabytes, done.stdout, done.stderr)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    main()
