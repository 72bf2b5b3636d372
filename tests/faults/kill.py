"""Kill `curate scan` or `curate bulk-id` at random moments, and look at what comes of it.

    python tests/faults/kill.py scan FOLDER --times 20
    python tests/faults/kill.py bulk-id FOLDER --model ckpt.pt --times 20

Every attempt is ended by SIGKILL after a random part of the time that a whole run takes, and given
again, until one ends by itself; then the library is compared with one that nobody disturbed, and a
new library is begun, until there have been enough kills.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from curate.store import files, shards
from curate.store.check import faults
from curate.store.library import opened

# Small shards, so that a short run has many commits to be killed between.
_START = """
import sys
from curate.engine.buffer import Buffer
Buffer.__init__.__defaults__ = ({rows}, {seconds})
from curate.cli.main import run
sys.argv = ["curate", *sys.argv[1:]]
run()
"""


@dataclass
class Told:
    """What the kills did."""

    kills: int = 0
    finished: int = 0


def attempt(command: list[str], where: Path, patience: float | None, rows: int) -> int | None:
    """Run the command; give its exit status, or None when patience ended and it was killed."""
    start = _START.format(rows=rows, seconds=5.0)
    process = subprocess.Popen(
        [sys.executable, "-c", start, *command],
        cwd=where,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def state(where: Path, table: str) -> tuple[dict[str, str | None], Counter[str]]:
    """Give the image of every file, and how often each image has a row in the shards."""
    with opened(where) as library:
        assert faults(library) == []
        with library.reading() as connection:
            found = files.table(connection)
            parts = shards.paths(library, shards.referenced(connection, table))
        ids = [i for part in parts for i in pq.read_table(part)["image_id"].to_pylist()]
    images = [None if image != image else image for image in found["image_id"]]
    return dict(zip(found["path"], images, strict=True)), Counter(ids)


def torment(
    command: list[str], table: str, times: int, seed: int, rows: int, scratch: Path
) -> Told:
    """Kill the command `times` times in all; raise AssertionError when a row is lost or doubled."""
    chance = random.Random(seed)
    told = Told()
    whole = scratch / "undisturbed"
    whole.mkdir()
    began = time.monotonic()
    assert attempt(command, whole, None, rows) == 0
    seconds = time.monotonic() - began
    expected, counted = state(whole, table)
    while told.kills < times:
        where = scratch / f"killed-{told.finished}"
        where.mkdir()
        while attempt(command, where, chance.uniform(0, seconds), rows) is None:
            told.kills += 1
            if told.kills >= times:
                assert attempt(command, where, None, rows) == 0
                break
        told.finished += 1
        found, again = state(where, table)
        assert found == expected, "a file was lost, doubled or misnamed"
        assert again == counted, "a row was lost or doubled"
    return told


def main() -> None:
    """Read the arguments and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("stage", choices=["scan", "bulk-id"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=200, help="rows in a shard")
    given = parser.parse_args()
    folder = str(given.folder.resolve())
    commands = {
        "scan": (["scan", folder], "looks"),
        "bulk-id": (
            ["bulk-id", folder, "--model", str((given.model or Path()).resolve())],
            "predictions",
        ),
    }
    command, table = commands[given.stage]
    with tempfile.TemporaryDirectory() as scratch:
        told = torment(command, table, given.times, given.seed, given.rows, Path(scratch))
    print(
        f"{given.stage}: {told.kills} kills, {told.finished} libraries finished by the same "
        "command, no row lost or doubled"
    )


if __name__ == "__main__":
    main()
