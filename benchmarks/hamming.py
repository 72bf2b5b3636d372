"""All pairs of 64-bit hashes within a Hamming radius: ours beside faiss, the same pairs or nothing.

    python benchmarks/hamming.py --sizes 100000 1000000 10000000 --faiss-python PATH

The hashes are real-like and seeded. 60 % are singles: a random 32 of 64 bits set, as a phash has
them, the first bit always (a phash's first bit is the mean, and nearly constant). 35 % are
clusters of 2 to 20: a centre like a single, with 0 to 6 flipped bits each. Five big clusters hold
400 each (less where that would be more than 4 % of all). 1 % are exact copies of others. The rest
are more singles. The rows are shuffled.

`--hashes FILE` takes real ones in their place (.npy of uint64, or a Parquet file with one column of
integers); it is then the only size.

Every measurement is a process of its own. `seconds` is the search alone, the median of `--repeat`
runs; `peak` is the largest resident memory of the process and, for ours, of each of its helpers
added to it (pages shared are counted twice, so it is never too small).

faiss has three that are exact here, and their pairs are compared with ours by count and digest:

* `IndexBinaryFlat`: range_search over all. Its radius is exclusive, ours inclusive: it gets r + 1.
  Where all queries would take more than `--limit` seconds, a first part of them is searched, its
  pairs are compared with ours of those rows, and the time is scaled up (marked ~).
* `IndexBinaryMultiHash(64, h, 64 // h)` with nflip = f finds every pair when h * (f + 1) > r. It
  is run with the least such f for h = 4. It finds pairs only as candidates that range_search
  filters, so it is exact by the same pigeonhole that ours stands on.
* `IndexBinaryHash(64, b)` looks at the first b bits and is exact only with nflip >= r: hundreds of
  thousands of look-ups a query at r = 8 and b = 24. It is left out for that reason.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

OURS = "curate pairs_within"
FLAT = "faiss IndexBinaryFlat"
MULTI = "faiss IndexBinaryMultiHash"


def real_like(count: int, seed: int) -> np.ndarray:
    """Hashes as the head of this file describes them."""
    rng = np.random.default_rng(seed)
    copies, big = count // 100, min(2000, count // 25)
    clustered = count * 35 // 100
    sizes = rng.integers(2, 21, clustered // 2 + 1)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), clustered) + 1]
    near = np.repeat(_balanced(rng, len(sizes)), sizes)[:clustered]
    huge = _balanced(rng, 5)[rng.integers(0, 5, big)]
    single = _balanced(rng, count - copies - big - clustered)
    hashes = np.concatenate([single, _flipped(rng, near), _flipped(rng, huge)])
    hashes = np.concatenate([hashes, hashes[rng.integers(0, len(hashes), copies)]])
    rng.shuffle(hashes)
    return hashes


def _balanced(rng: np.random.Generator, count: int) -> np.ndarray:
    made = np.empty(count, np.uint64)
    for start in range(0, count, 1 << 16):
        bits = rng.random((min(1 << 16, count - start), 63)).argsort(axis=1) < 31
        bits = np.concatenate([np.ones((len(bits), 1), np.bool_), bits], axis=1)
        made[start : start + len(bits)] = np.packbits(bits, axis=1).view(">u8")[:, 0]
    return made


def _flipped(rng: np.random.Generator, hashes: np.ndarray) -> np.ndarray:
    flips = rng.integers(0, 7, len(hashes))
    for step in range(6):
        bit = np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
        hashes = np.where(step < flips, hashes ^ bit, hashes)
    return hashes


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path).astype(np.uint64, copy=False)
    import pyarrow.parquet as pq

    return pq.read_table(path).column(0).to_numpy().astype(np.uint64, copy=False)


def fingerprint(first: np.ndarray, second: np.ndarray, rows: int) -> dict[str, Any]:
    """Count and digest of the pairs (smaller row, larger row) whose smaller row is below `rows`."""
    keys = (first.astype(np.uint64) << np.uint64(32)) | second.astype(np.uint64)
    keys = np.sort(keys[first < rows])
    return {"pairs": len(keys), "digest": sha256(keys.tobytes()).hexdigest()[:16]}


def measure_ours(path: Path, radius: int, cores: int, rows: list[int]) -> dict[str, Any]:
    from curate.duplicates.hamming import choose_plan, pairs_within

    hashes = np.load(path)
    start = time.perf_counter()
    pairs = pairs_within(hashes, radius, cores)
    seconds = time.perf_counter() - start
    plan = choose_plan(hashes, None, radius).chunks
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (cores - 1)
    return {
        "seconds": seconds,
        "peak": (own + helper) / 2**10,
        "setting": " ".join(f"{len(chunk.bits)}/{chunk.threshold}" for chunk in plan),
        "found": {str(n): fingerprint(pairs.first, pairs.second, n) for n in rows},
    }


def measure_faiss(path: Path, radius: int, cores: int, kind: str, limit: float) -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(cores)
    codes = np.load(path).view(np.uint8).reshape(-1, 8)
    start = time.perf_counter()
    if kind == FLAT:
        index, setting = faiss.IndexBinaryFlat(64), "all rows"
    else:
        flips = radius // 4
        index = faiss.IndexBinaryMultiHash(64, 4, 16)
        index.nflip = flips
        setting = f"4 x 16 bits, nflip {flips}"
    index.add(codes)
    built = time.perf_counter() - start
    # In steps, as the whole answer holds each pair twice; stopped where the limit would be passed.
    first, second = [], []
    step, row, searched = 256, 0, 0.0
    while row < len(codes):
        start = time.perf_counter()
        bounds, _, found = index.range_search(codes[row : row + step], radius + 1)
        searched += time.perf_counter() - start
        one = np.repeat(np.arange(row, row + len(bounds) - 1), np.diff(bounds.astype(np.int64)))
        once = one < found
        first.append(one[once])
        second.append(found[once])
        row = min(row + step, len(codes))
        if built + searched * len(codes) / row > limit and searched > min(limit / 6, 20):
            break
        step = 4096
    return {
        "seconds": built + searched * len(codes) / row,
        "rows": row,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "setting": setting + ("" if row == len(codes) else f"; {row:,} queries, scaled"),
        "found": {str(row): fingerprint(np.concatenate(first), np.concatenate(second), row)},
        "version": faiss.__version__,
    }


def run(python: str, *arguments: str) -> dict[str, Any]:
    command = [python, __file__, "--child", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(path: Path, options: argparse.Namespace) -> list[str]:
    """Table lines of one set of hashes; stops the run where two do not agree."""
    count = len(np.load(path, mmap_mode="r"))
    shared = [str(path), str(options.radius), str(options.cores), str(options.limit)]
    peers: dict[str, list[dict[str, Any]]] = {}
    if options.faiss_python and count <= options.faiss_most:
        for kind in (FLAT, MULTI):
            once = [run(options.faiss_python, kind, *shared)]
            # What is scaled up from a part is an estimate anyway; the rest is repeated.
            more = options.repeat - 1 if once[0]["rows"] == count else 0
            peers[kind] = once + [run(options.faiss_python, kind, *shared) for _ in range(more)]
    rows = sorted({count, *(each["rows"] for runs in peers.values() for each in runs)})
    ours = [run(sys.executable, OURS, *shared, *map(str, rows)) for _ in range(options.repeat)]
    reference = {key: value for each in ours for key, value in each["found"].items()}
    for name, runs in {OURS: ours, **peers}.items():
        for each in runs:
            for key, found in each["found"].items():
                if found != reference[key]:
                    sys.exit(f"{name} disagrees on the first {key} rows: {found}, {reference[key]}")
    base = statistics.median(each["seconds"] for each in ours)
    lines = []
    for name, runs in {OURS: ours, **peers}.items():
        seconds = statistics.median(each["seconds"] for each in runs)
        about = "" if runs[0].get("rows", count) == count else "~"
        lines.append(
            f"| {count:,} | {name} | {runs[0]['setting']} | {about}{seconds:.2f} "
            f"| {about}{seconds / base:.1f} | {max(each['peak'] for each in runs):,.0f} "
            f"| {reference[str(count)]['pairs']:,} | {len(runs)} |"
        )
    return lines


def versions(options: argparse.Namespace) -> str:
    told = f"Python {platform.python_version()}, numpy {np.__version__}"
    if options.faiss_python:
        ask = [options.faiss_python, "-c", "import faiss; print(faiss.__version__)"]
        told += f", faiss {subprocess.check_output(ask, text=True).strip()}"
    return told


def machine(cores: int) -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    return f"{model}, {cores} cores used"


def child(kind: str, path: str, radius: str, cores: str, limit: str, *rows: str) -> None:
    if kind == OURS:
        answer = measure_ours(Path(path), int(radius), int(cores), [int(row) for row in rows])
    else:
        answer = measure_faiss(Path(path), int(radius), int(cores), kind, float(limit))
    print(json.dumps(answer))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--hashes", type=Path, help="real hashes: .npy or .parquet")
    parser.add_argument("--radius", type=int, default=8)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=180.0, help="seconds for one faiss run")
    parser.add_argument("--faiss-python", help="a Python that has faiss")
    parser.add_argument("--faiss-most", type=int, default=1_000_000, help="not above this size")
    options = parser.parse_args()
    print(f"{machine(options.cores)}; {versions(options)}; seed {options.seed}\n")
    print(f"    python {' '.join(sys.argv)}\n")
    print(
        f"| hashes | radius {options.radius} | setting | seconds | times ours | peak MB "
        "| pairs | runs |"
    )
    print("| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hashes.npy"
        for size in [None] if options.hashes else options.sizes:
            made = read(options.hashes) if size is None else real_like(size, options.seed)
            np.save(path, made)
            print("\n".join(compare(path, options)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
