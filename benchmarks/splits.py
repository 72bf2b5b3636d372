"""Time, memory and balance of splits, beside scikit-learn's.

    python benchmarks/splits.py --rows 1000000 --peer

The corpus is drawn, not photographed: `--rows` images of long-tailed classes (1,500 for a million),
five sub-classes each. `bursts`: a fifth of the rows lies in groups of 2 to 8 of one class, the
others are alone. `mixed`: all rows lie in groups of five on average (200,000 for a million) that
hold whatever classes chance puts there. Each program runs in a process of its own; the table is
made before the clock starts. The memory is the peak of that process, the table included. What is
reported of balance: how far the rows of a class in a fold (for `assign`: in val and test) are from
their share, on average and at most, and how many groups lie in two folds.

`--peer` runs StratifiedGroupKFold as well, which took 532 s and 19.5 GB for a million such rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

FOLDS = 5
CORPORA = ("bursts", "mixed")
PROGRAMS = ("assign", "assign_folds", "StratifiedGroupKFold")


def corpus(kind: str, rows: int, seed: int = 0) -> pd.DataFrame:
    """A table as `curate.splits.assign` takes it."""
    random = np.random.default_rng(seed)
    classes = max(10, 1500 * rows // 1_000_000)
    weight = 1 / np.arange(1, classes + 1) ** 0.7
    klass = np.sort(random.choice(classes, rows, p=weight / weight.sum()))
    if kind == "mixed":
        group = random.integers(0, max(rows // 5, 1), rows).astype(object)
    else:
        group = np.full(rows, None, dtype=object)
        left = rows // 5
        for number, start in enumerate(random.permutation(rows // 10) * 10):
            if left <= 0:
                break
            size = int(random.integers(2, 9))
            members = start + np.flatnonzero(klass[start : start + size] == klass[start])
            group[members] = number
            left -= len(members)
    first, second = random.integers(0, 2**63, (2, rows)).tolist()
    return pd.DataFrame(
        {
            "image_id": [f"{a:016x}{b:016x}" for a, b in zip(first, second, strict=True)],
            "label": np.array([f"class {i:04d}" for i in range(classes)], dtype=object)[klass],
            "sub_class": np.array(list("abcde"), dtype=object)[random.integers(0, 5, rows)],
            "origin": "real",
            "usable": True,
            "unusable_reason": "",
            "group_burst": group,
        }
    )


def run(program: str, kind: str, rows: int) -> dict[str, Any]:
    """Run one program in this process and measure it."""
    table = corpus(kind, rows).sort_values("image_id", ignore_index=True)
    label = table["label"].to_numpy()
    group = np.where(
        table["group_burst"].isna(), np.arange(rows) + rows, table["group_burst"]
    ).astype(np.int64)
    where: Any
    rates = dict.fromkeys(range(FOLDS), 1 / FOLDS)
    if program == "StratifiedGroupKFold":
        selection = import_module("sklearn.model_selection")
        where = np.zeros(rows, dtype=np.int64)
        start = time.perf_counter()
        splitter = selection.StratifiedGroupKFold(FOLDS)
        for fold, (_, test) in enumerate(splitter.split(label, label, group)):
            where[test] = fold
        seconds = time.perf_counter() - start
    else:
        from curate.splits import SplitPolicy, assign, assign_folds

        policy = SplitPolicy(min_count=1, max_count=None)
        start = time.perf_counter()
        if program == "assign":
            where = assign(table, policy).table["split"].to_numpy()
            held_out: list[Any] = ["val", "test"]
            rates = dict.fromkeys(held_out, policy.val)
        else:
            where = assign_folds(table, policy, FOLDS)["fold"].to_numpy(np.int64)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "gigabytes": peak, **balance(label, group, where, rates)}


def balance(label: Any, group: Any, where: Any, rates: dict[Any, float]) -> dict[str, float]:
    """How far classes are from their shares, and how many groups lie in two parts."""
    counts = pd.crosstab(label, where)
    total = counts.sum(axis=1)
    off = np.stack([abs(counts[part] - rate * total) for part, rate in rates.items()])
    parts = pd.DataFrame({"group": group, "where": where}).drop_duplicates()
    return {
        "mean": float(off.mean()),
        "largest": float(off.max()),
        "leaks": int(parts.duplicated("group").sum()),
    }


def main() -> None:
    """Measure every program on every corpus, each in a process of its own."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--rows", type=int, default=50_000)
    asked.add_argument("--peer", action="store_true", help="run scikit-learn's splitter as well")
    asked.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.one:
        print(json.dumps(run(given.one[0], given.one[1], given.rows)))
        return
    print(f"{given.rows:,} rows")
    print(f"{'corpus':8}{'program':22}{'s':>9}{'GB':>7}{'mean':>7}{'largest':>9}{'leaks':>7}")
    for kind in CORPORA:
        for program in PROGRAMS if given.peer else PROGRAMS[:-1]:
            command = [sys.executable, __file__, "--rows", str(given.rows), "--one", program, kind]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            print(
                f"{kind:8}{program:22}{found['seconds']:9.2f}{found['gigabytes']:7.2f}"
                f"{found['mean']:7.3f}{found['largest']:9.2f}{found['leaks']:7,}"
            )


if __name__ == "__main__":
    main()
