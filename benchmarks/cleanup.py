"""Plan, apply and restore of many small files, beside `mv` of the same files.

    python benchmarks/cleanup.py --files 100000 --where FOLDER

The library is given its files, their measures and predictions: all but one are blank, so that the
default policy plans that they go. `mv` moves them into one folder and back, `curate` to quarantine
and back, each action a process of its own. Times are of the wall; the page cache is warm for all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import curate
from curate.cleanup import plans
from curate.cleanup.applying import apply
from curate.cleanup.restoring import restore
from curate.core import paths
from curate.core.chunks import batched
from curate.core.files import FileEntry
from curate.core.identity import Content, image_id
from curate.store import check, decisions, files, looks, shards
from curate.store.decisions import Decision
from curate.store.dialect import insert_or_replace
from curate.store.files import FileRow
from curate.store.library import Library, opened
from curate.store.runs import running
from curate.store.schema import roots

IN_A_FOLDER = 1000


def named(root: Path, number: int) -> Iterator[tuple[bytes, bytes]]:
    """Give paths and contents: each file is an image of its own, of some bytes."""
    for one in range(number):
        folder = f"{one // IN_A_FOLDER:05}"
        yield os.fsencode(root / folder / f"IMG_{one:07}.jpg"), b"picture %d " % one * 20


def make(where: Path, number: int) -> None:
    """Make the files and the library that knows them."""
    root = where / "photos"
    for one in range((number - 1) // IN_A_FOLDER + 1):
        (root / f"{one:05}").mkdir(parents=True)
    for path, content in named(root, number):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(handle, content)
        os.close(handle)
    (where / "curate.toml").write_text("[cleanup]\nmax_share = 1.0\n")
    with opened(where, make=True) as library:
        with running(library, "scan", {}) as run:
            for place, some in enumerate(batched(named(root, number), 10_000)):
                seen = [
                    FileRow.read(FileEntry.of(path, os.lstat(path)), image_id(content), "")
                    for path, content in some
                ]
                contents = [Content(image_id(c), len(c), 1, 1, "JPEG", None) for _, c in some]
                with library.writing() as connection:
                    files.register(connection, run.run_id, seen, contents)
                keep(library, looks.TABLE, run.run_id, place, looked(seen, first=place == 0))
            with library.writing() as connection:
                at = {"path": os.fsencode(root), "labels": "", "origin": "", "run_id": run.run_id}
                insert_or_replace(connection, roots, [at])
                kept = image_id(next(named(root, 1))[1])
                said = Decision("label", kept, "kudu", "k", "ada")
                decisions.append(connection, run.run_id, [said])
        with running(library, "bulk-id", {"model": "m", "path": "m.pt"}) as run:
            for place, page in enumerate(files.in_pages(library, [os.fsencode(root)])):
                rows = predicted(page, run.run_id)
                keep(library, "predictions", run.run_id, place, rows)


def keep(library: Library, table: str, run_id: int, place: int, rows: pa.Table) -> None:
    """Write rows as a stage would."""
    shard = shards.write(library, table, run_id, place, rows)
    with library.writing() as connection:
        shards.reference(connection, shard)


def looked(seen: Sequence[FileRow], first: bool) -> pa.Table:
    """Measure files as black pictures, but the very first, which is a good one."""
    dark = np.full(len(seen), 1.0, "float32")
    dark[0] = 30.0 if first else 1.0
    measures = dict.fromkeys(("sharpness", "brightness", "contrast", "quality"), dark)
    given = {"image_id": [file.image_id for file in seen], **measures}
    empty = pa.nulls(len(seen))
    return pa.table(
        [pa.array(given[one.name]) if one.name in given else empty for one in looks.SCHEMA],
        names=looks.SCHEMA.names,
    ).cast(looks.SCHEMA)


def predicted(page: Sequence[Any], run_id: int) -> pa.Table:
    """Say of files that they show one of ten classes."""
    return pa.table(
        {
            "run_id": [run_id] * len(page),
            "image_id": [row.image_id for row in page],
            "path": [paths.to_text(row.path) for row in page],
            "status": ["ok"] * len(page),
            "predicted": [f"class {place % 10}" for place in range(len(page))],
            "score": [0.1 + place / len(page) / 2 for place in range(len(page))],
        }
    )


def by_curate(where: Path, action: str) -> None:
    """Do one thing in this process."""
    with opened(where) as library:
        print(f"  ({action}: {BY_CURATE[action](library):,})", flush=True)


def _plan(library: Library) -> int:
    made = curate.plan_cleanup(library)
    assert made.plan is not None
    return len(made.plan.table)


def _file(library: Library) -> int:
    place = library.root / "plan.json"
    plans.write(plans.last(library), place)
    print(f"  ({place.stat().st_size / 1e6:,.0f} MB)")
    return len(plans.read(library, place).table)


BY_CURATE: dict[str, Callable[[Library], int]] = {
    "plan": _plan,
    "plan again": _plan,
    "plan.json": _file,
    "apply": lambda library: apply(library, plans.last(library)).counts["moved"],
    "check": lambda library: -len(check.faults(library)),
    "restore": lambda library: restore(library).counts["restored"],
}


def by_mv(where: Path, action: str) -> None:
    """Move the same files with `mv`: of each folder into one, or back."""
    root, aside = where / "photos", where / "moved"
    for folder in sorted(root.iterdir()):
        source, target = (root, aside) if action == "mv there" else (aside, root)
        (target / folder.name).mkdir(parents=True, exist_ok=True)
        paths = sorted(os.listdir(source / folder.name))
        command = ["mv", "-n", "-t", str(target / folder.name), "--", *paths]
        subprocess.run(command, cwd=source / folder.name, check=True)
    subprocess.run(["sync", "-f", str(where)], check=True)


def measured(where: Path, action: str, number: int) -> dict[str, float | str]:
    """Run an action in a process of its own; give its seconds, rate and peak memory."""
    work = by_mv if action.startswith("mv") else by_curate
    process = multiprocessing.get_context("spawn").Process(
        target=_noted, args=(work, where, action)
    )
    began = time.monotonic()
    process.start()
    process.join()
    seconds = time.monotonic() - began
    if process.exitcode:
        sys.exit(f"{action} failed")
    told = json.loads((where / "told.json").read_text())
    row = {"action": action, "files": number, **told, "wall": seconds}
    print(
        f"{action:10} {number:>9,} files {told['seconds']:8.1f} s "
        f"{number / told['seconds']:9,.0f} files/s, cpu {told['cpu']:7.1f} s, "
        f"peak {told['peak_mb']:,.0f} MB",
        flush=True,
    )
    return row


def _noted(work: object, where: Path, action: str) -> None:
    began = time.monotonic()
    work(where, action)  # type: ignore[operator]  # one of the two above
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    told = {
        "seconds": time.monotonic() - began,
        "cpu": sum(one.ru_utime + one.ru_stime for one in usage),
        "peak_mb": usage[0].ru_maxrss / 1024,
    }
    (where / "told.json").write_text(json.dumps(told))


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--where", type=Path, required=True, help="a new folder")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--actions", nargs="*", choices=["mv there", "mv back", *BY_CURATE])
    given = parser.parse_args()
    given.where.mkdir(parents=True)
    try:
        began = time.monotonic()
        make(given.where, given.files)
        print(f"made in {time.monotonic() - began:.0f} s", flush=True)
        actions = given.actions or ["mv there", "mv back", *BY_CURATE]
        rows = [measured(given.where, action, given.files) for action in actions]
        database = given.where / ".curate/library.db"
        print(f"database {database.stat().st_size / 1e6:,.0f} MB")
        if given.json:
            given.json.write_text(pd.DataFrame(rows).to_json(orient="records", indent=1))
    finally:
        shutil.rmtree(given.where)


if __name__ == "__main__":
    main()
