"""Queues over very many predictions: the first touch, then answers; memory, and size on disk.

    python -m benchmarks.queue_scale SCRATCH --images 1000000 10000000 50000000

Makes a library of each number of images in SCRATCH (taken away at the end): one file and one look
an image, predictions of 1,500 classes with a long tail in shards of 100,000 rows, 2 % of the images
in pairs that look alike, 100,000 labelled (a class of rank r has about as many as 1/r says, so that
many lie near a min-count of 40). Then `curate queue … --json` is run in a process of its own for
each question: the first makes the index, the others are asked five times, and once more after 200
answers were imported. Prints a line of JSON for each measurement, times in seconds (least, median
and largest), the least time of all processors together, which hangs less on what else the machine
does, and memory as the largest resident set in MB; beside the first, the most that lay on the disk
under the folder of the index while that was made. `warm` is the same question asked by the Python
function in one process. `--floor` is a library of 1,000 images: what a process takes anyway.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.core.chunks import batched
from curate.queues import Filters, queue
from curate.queues.index.indexed import FOLDER
from curate.store import decisions, looks, runs, shards
from curate.store.decisions import Decision
from curate.store.library import Library, opened

CLASSES, LABELLED, SHARD = 1500, 100_000, 100_000

QUESTIONS: dict[str, tuple[list[str], Filters]] = {
    "low-score": ([], Filters()),
    "low-score, score under 0.3": (["--max-score", "0.3"], Filters(max_score=0.3)),
    "look-alike": ([], Filters()),
    "look-alike, one class": (["--class", "CLASS"], Filters(class_="CLASS")),
    "low-count": ([], Filters()),
    "low-count, score from 0.5": (["--min-score", "0.5"], Filters(min_score=0.5)),
    "look-alike, five of a pair": (["--per-class", "5"], Filters(per_class=5)),
    "low-score, the newest": (["--sort", "-taken"], Filters(sort="-taken")),
    "uncertain": ([], Filters()),
    "uncertain-entropy": ([], Filters()),
    "wrong-label": ([], Filters()),
    "random": ([], Filters()),
    "recent": ([], Filters()),
    "duplicates": ([], Filters()),
}
"""The recipe (up to the comma), its options, and the same in Python."""


def names() -> list[str]:
    """Name classes so that no two begin alike."""
    return [f"{md5(str(n).encode()).hexdigest()[:6]} {n:04}" for n in range(CLASSES)]


def shares() -> NDArray[np.float64]:
    """Give the share of each class: a long tail."""
    share: NDArray[np.float64] = 1 / np.arange(1, CLASSES + 1)
    return np.asarray(share / share.sum())


def make(root: Path, number: int) -> None:
    """Make a library."""
    classes = names()
    labelled = min(LABELLED, number // 10)
    with opened(root, make=True) as library, duckdb.connect() as drawn:
        drawn.execute("SET memory_limit = '4GB'")
        drawn.execute("SET temp_directory = ?", [str(root / "drawn")])
        _draw(drawn, number, labelled, classes)
        with runs.running(library, "scan", {}) as run:
            for at, rows in enumerate(_parts(drawn, _LOOKED)):
                _scanned(library, run.run_id, at, rows)
            run.summary.update(read=number, gone=0)
        with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
            alike = drawn.execute(_ALIKE).fetchall()
            rows = [(name, low, low, low, 1.0, "", run.run_id) for name, low in alike]
            _raw(connection).executemany(_INSERT["duplicates"], rows)
        with runs.running(library, "label", {}) as run:
            said = drawn.execute("SELECT image_id, label FROM told").fetchall()
            for some in batched(said, 20_000):
                made = [Decision("label", name, label, f"l{name}", "anna") for name, label in some]
                with library.writing() as connection:
                    decisions.append(connection, run.run_id, made)
        told = {"model": "m", "path": "m.pt", "classes": classes}
        with runs.running(library, "bulk-id", told, key="m") as run:
            for at, rows in enumerate(_parts(drawn, _SAID.format(run_id=run.run_id))):
                shard = shards.write(library, "predictions", run.run_id, at, rows)
                with library.writing() as connection:
                    shards.reference(connection, shard)
    shutil.rmtree(root / "drawn", ignore_errors=True)


def _draw(drawn: duckdb.DuckDBPyConnection, number: int, labelled: int, classes: list[str]) -> None:
    """Draw ids (sorted, so that the database is filled quickly), classes and labels."""
    reached = np.cumsum(shares())
    table = pa.table({"class": classes, "number": range(CLASSES), "reached": reached})
    drawn.register("classes", table)
    drawn.execute("CREATE TABLE class AS SELECT * FROM classes")
    # A class for each thousandth of a thousandth, so that drawing one is a look-up.
    grid = np.minimum(np.searchsorted(reached, (np.arange(1_000_000) + 0.5) / 1e6), CLASSES - 1)
    drawn.register("cells", pa.table({"cell": range(1_000_000), "number": grid}))
    drawn.execute("CREATE TABLE cell AS SELECT * FROM cells")
    drawn.execute("SELECT setseed(0.5)")
    drawn.execute(
        f"CREATE TABLE ids AS SELECT row_number() OVER () - 1 AS n, image_id, "
        f"floor(random() * 1e6)::INT AS cell FROM (SELECT md5(i::VARCHAR) AS image_id "
        f"FROM range({number}) AS t(i) ORDER BY image_id)"
    )
    drawn.execute(
        f"CREATE TABLE told AS SELECT image_id, class AS label FROM (SELECT image_id, "
        f"floor(random() * 1e6)::INT AS cell FROM ids WHERE n % {number // labelled} = 0) "
        "JOIN cell USING (cell) JOIN class USING (number)"
    )


_LOOKED = """
SELECT image_id, n, (9000 + n % 999)::BIGINT AS bytes,
    printf('2026-0%d-1%dT12:00:00', n % 9 + 1, n % 7) AS taken,
    printf('/pool/%06d/photo-%09d.jpg', n // 1000, n) AS path,
    random()::FLOAT AS sharpness, random()::FLOAT AS quality
FROM ids
"""
_ALIKE = """
SELECT image_id, first_value(image_id) OVER (PARTITION BY n // 2 ORDER BY image_id)
FROM ids WHERE n % 100 < 2
"""
# The second class is most often a neighbour of the first.
_SAID = """
WITH drawn AS (
    SELECT image_id, n, number, 0.05 + 0.95 * pow(random(), 0.3333) AS score, random() AS share,
        (number + 1 + floor(-ln(1 - random()) * 1.5)::INT) % 1500 AS other
    FROM ids JOIN cell USING (cell)
)
SELECT {run_id}::BIGINT AS run_id, image_id,
    printf('/pool/%06d/photo-%09d.jpg', n // 1000, n) AS path, 'ok' AS status,
    NULL::VARCHAR AS reason, first.class AS predicted, score, second.class AS second,
    least(score, 1 - score) * share AS second_score,
    score - least(score, 1 - score) * share AS margin,
    random() AS entropy, random() AS energy, random() AS novelty
FROM drawn JOIN class AS first USING (number) JOIN class AS second ON second.number = other
"""

_INSERT = {
    "images": "INSERT INTO images VALUES (?, ?, 640, 480, 'JPEG', ?, ?)",
    "files": "INSERT INTO files VALUES (?, ?, ?, 1, 1, 'ok', '', ?)",
    "duplicates": "INSERT INTO duplicates VALUES (?, ?, ?, ?, ?, ?, ?)",
}


def _parts(drawn: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.Table]:
    for batch in drawn.sql(query).to_arrow_reader(SHARD):
        yield pa.Table.from_batches([batch])


def _raw(connection: Any) -> Any:
    return connection.connection.driver_connection


def _scanned(library: Library, run_id: int, at: int, rows: pa.Table) -> None:
    columns = {name: pa.nulls(len(rows)).cast(kind) for name, kind in _KINDS.items()}
    columns |= {name: rows[name] for name in ("image_id", "sharpness", "quality")}
    shard = shards.write(library, "looks", run_id, at, pa.table(columns))
    ids, sizes, days, paths = (
        rows[name].to_pylist() for name in ("image_id", "bytes", "taken", "path")
    )
    run = [run_id] * len(rows)
    with library.writing() as connection:
        raw = _raw(connection)
        raw.execute("PRAGMA cache_size = -400000")
        raw.executemany(_INSERT["images"], zip(ids, sizes, days, run, strict=True))
        raw.executemany(_INSERT["files"], zip(map(str.encode, paths), ids, sizes, run, strict=True))
        shards.reference(connection, shard)


_KINDS = {field.name: field.type for field in looks.SCHEMA}


def command(root: Path, question: str) -> list[str]:
    """Give the command line of a question."""
    options = [names()[600] if one == "CLASS" else one for one in QUESTIONS[question][0]]
    recipe = question.partition(",")[0]
    library = ["--library", str(root), "--min-count", "40"]
    return [sys.executable, "-m", "curate", "queue", recipe, *options, *library]


def asked(root: Path, question: str, *more: str) -> tuple[float, float, int, int, float]:
    """Ask in a new process.

    Give seconds, those of processors, the most MB in memory, how many images, and the most MB under
    the folder of the index, looked at every second.
    """
    with tempfile.TemporaryFile() as out:
        start, peak, before = time.monotonic(), 0.0, spent(resource.RUSAGE_CHILDREN)
        looked, disk = start, 0.0
        process = subprocess.Popen([*command(root, question), *more, "--json"], stdout=out)
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            if time.monotonic() > looked + 1:
                looked, disk = time.monotonic(), max(disk, size(root / ".curate" / FOLDER))
            time.sleep(0.02)
        wall = time.monotonic() - start
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise RuntimeError(said.decode())
    used = spent(resource.RUSAGE_CHILDREN) - before
    return wall, used, round(peak), json.loads(said)["images"], disk


def spent(who: int) -> float:
    """Give the seconds of processors that were used."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def resident(pid: int) -> float:
    """Give the most memory that a process has had so far, in MB.

    `getrusage` would count what its parent had when it was forked.
    """
    try:
        told = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", told)
    return int(found[1]) / 1000 if found else 0.0


def told(times: Sequence[float], used: Sequence[float], **more: Any) -> dict[str, Any]:
    """Put times down as the least, their median and the largest."""
    found = {"least_s": min(times), "median_s": statistics.median(times), "most_s": max(times)}
    rounded = {name: round(value, 3) for name, value in (found | {"cpu_s": min(used)}).items()}
    return rounded | more


def every(root: Path, label: dict[str, Any], repeats: int) -> None:
    """Ask all questions, in new processes and warm."""
    for question in QUESTIONS:
        cold = [asked(root, question) for _ in range(repeats)]
        walls, used, peaks, rows, _ = zip(*cold, strict=True)
        shown = told(walls, used, peak_mb=max(peaks), rows=rows[0])
        say({**label, "question": question, "how": "cold", **shown})
    with opened(root) as library:
        for question, (_, filters) in QUESTIONS.items():
            if filters.class_:
                filters = Filters(class_=names()[600])
            times, uses = [], []
            for _ in range(repeats):
                start, before = time.monotonic(), spent(resource.RUSAGE_SELF)
                queue(library, question.partition(",")[0], filters, min_count=40)
                times.append(time.monotonic() - start)
                uses.append(spent(resource.RUSAGE_SELF) - before)
            say({**label, "question": question, "how": "warm", **told(times, uses)})


def answer(root: Path, number: int) -> float:
    """Answer the first images of a queue with what the model said of them; give the seconds."""
    table = root / "answers.csv"
    asked(root, "low-score", "--limit", str(number), "--csv", str(table))
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows([{**row, "label": row["predicted"]} for row in rows])
    line = [sys.executable, "-m", "curate", "label", "import", str(table), "--library", str(root)]
    start = time.monotonic()
    subprocess.run([*line, "--json"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def say(line: dict[str, Any]) -> None:
    """Print a line of JSON."""
    print(json.dumps(line), flush=True)


def size(folder: Path) -> float:
    """Give the megabytes under a folder; files that come and go meanwhile may not be counted."""
    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                sizes.append(os.stat(os.path.join(place, name)).st_size)
    return round(sum(sizes) / 1e6, 1)


def main() -> None:
    """Make each library, ask, and take it away."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--floor", action="store_true", help="first ask a library of 1,000 images")
    parser.add_argument("--keep", action="store_true", help="leave the libraries there")
    given = parser.parse_args()
    for number in [1000] * given.floor + given.images:
        root = given.scratch / f"queues-{number}"
        if not root.exists():
            root.mkdir(parents=True)
            start = time.monotonic()
            make(root, number)
            say({"images": number, "made_s": round(time.monotonic() - start, 1)})
        label = {"images": number}
        wall, used, peak, _, disk = asked(root, "low-score")
        sizes = {"library_mb": size(root / ".curate"), "index_mb": size(root / ".curate" / FOLDER)}
        touched = {"s": round(wall, 1), "cpu_s": round(used, 1), "peak_mb": peak, "disk_mb": disk}
        say({**label, "how": "first touch", **touched, **sizes})
        every(root, label, given.repeats)
        say({**label, "how": "import of 200 answers", "s": round(answer(root, 200), 2)})
        wall, used, peak, *_ = asked(root, "low-score")
        touched = {"s": round(wall, 2), "cpu_s": round(used, 2), "peak_mb": peak}
        say({**label, "how": "first question after it", **touched})
        every(root, {**label, "answers": 200}, given.repeats)
        if not given.keep:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
