"""Apply and restore of many small files, beside `mv` of the same files.

    python benchmarks/cleanup.py --files 100000 --where FOLDER

The library is given its files and a plan of all but one; then `mv` moves the same files into one
folder and back, `curate` to quarantine and back, each a process of its own. Times are of the wall;
the page cache is warm for both.
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
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from curate.cleanup.applying import apply
from curate.cleanup.plans import PLAN_COLUMNS, Plan, digest, typed
from curate.cleanup.purging import purge
from curate.cleanup.restoring import restore
from curate.core.chunks import batched
from curate.core.durations import duration
from curate.core.files import FileEntry
from curate.core.identity import Content, image_id
from curate.store import check, decisions, files
from curate.store.decisions import Decision
from curate.store.dialect import insert_or_replace
from curate.store.files import FileRow
from curate.store.library import opened
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
    with opened(where, make=True) as library, running(library, "scan", {}) as run:
        for some in batched(named(root, number), 10_000):
            seen = [
                FileRow.read(FileEntry.of(path, os.lstat(path)), image_id(content), "")
                for path, content in some
            ]
            contents = [Content(image_id(c), len(c), 1, 1, "JPEG", None) for _, c in some]
            with library.writing() as connection:
                files.register(connection, run.run_id, seen, contents)
        with library.writing() as connection:
            at = {"path": os.fsencode(root), "labels": "", "origin": "", "run_id": run.run_id}
            insert_or_replace(connection, roots, [at])
            kept = image_id(next(named(root, 1))[1])
            decisions.append(connection, run.run_id, [Decision("label", kept, "kudu", "k", "ada")])


def plan_of(where: Path) -> Plan:
    """Plan that all files but the one with a label go, in an order that is not theirs."""
    with opened(where) as library, library.reading() as connection:
        table = files.table(connection).iloc[1:].sample(frac=1, random_state=1)
    table = table.assign(rule="blank", reason="shows nothing", score=0.1, predicted="kudu")
    rows = typed(table[list(PLAN_COLUMNS)])
    return Plan(rows, "", 0, digest(rows))


def by_curate(where: Path, action: str) -> None:
    """Do one thing in this process."""
    with opened(where) as library:
        if action == "apply":
            done = apply(library, plan_of(where)).counts["moved"]
        elif action == "restore":
            done = restore(library).counts["restored"]
        elif action == "check":
            done = -len(check.faults(library))
        else:
            done = purge(library, grace=duration("0m"), really=True).files
    print(f"  ({action}: {done:,})", flush=True)


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
    given = parser.parse_args()
    given.where.mkdir(parents=True)
    try:
        began = time.monotonic()
        make(given.where, given.files)
        print(f"made in {time.monotonic() - began:.0f} s", flush=True)
        actions = ["mv there", "mv back", "apply", "check", "restore"]
        rows = [measured(given.where, action, given.files) for action in actions]
        database = given.where / ".curate/library.db"
        print(f"database {database.stat().st_size / 1e6:,.0f} MB")
        if given.json:
            given.json.write_text(pd.DataFrame(rows).to_json(orient="records", indent=1))
    finally:
        shutil.rmtree(given.where)


if __name__ == "__main__":
    main()
