"""Run a program to its end and watch what it takes: the memory of all its processes, the GPU."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

INTERVAL = 0.5
"""Seconds between two looks at the memory; one costs about 10 ms."""

_GPU = (
    "nvidia-smi", "-i", "0", "-lms", "200", "--format=csv,noheader,nounits",
    "--query-gpu=utilization.gpu,memory.used",
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """A program that ended.

    Attributes
    ----------
    code : int
        Exit status.
    seconds : float
        Wall clock from start to end, imports included.
    megabytes : float
        Peak, over its life, of the proportional set sizes of all its processes together: what
        several of them share is counted once.
    busy : float
        Share of the time, while it had worker processes, in which the GPU computed; NaN without.
    gpu_megabytes : float
        Peak of the GPU's memory in use, by anybody; NaN without a GPU.
    """

    code: int
    seconds: float
    megabytes: float
    busy: float
    gpu_megabytes: float
    out: str
    err: str


def run(
    command: Sequence[str], *, gpu: bool = False, environment: Mapping[str, str] | None = None
) -> Finished:
    """Run a command to its end, and measure it.

    Parameters
    ----------
    command : sequence of str
        What to run.
    gpu : bool
        Watch the first GPU too.
    environment : mapping, optional
        Variables beside those of this process.
    """
    moments: list[tuple[float, float, float]] = []
    watcher = subprocess.Popen(_GPU, stdout=subprocess.PIPE, text=True) if gpu else None
    if watcher is not None:
        following = threading.Thread(target=_follow, args=(watcher, moments))
        following.start()
    peak, several = 0.0, list[float]()
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        while process.poll() is None:
            found = tree(process.pid)
            if len(found) > 1:
                several.append(time.monotonic())
            peak = max(peak, sum(map(megabytes, found)))
            try:
                process.wait(INTERVAL)
            except subprocess.TimeoutExpired:
                continue
        seconds = time.monotonic() - started
        if watcher is not None:
            watcher.terminate()
            watcher.wait()
            following.join()
        out.seek(0)
        err.seek(0)
        return Finished(
            process.returncode,
            seconds,
            peak,
            busy(moments, several),
            max((held for _, _, held in moments), default=float("nan")),
            out.read(),
            err.read(),
        )


def busy(moments: Sequence[tuple[float, float, float]], several: Sequence[float]) -> float:
    """Give the mean use of the GPU between the first and the last of some times.

    Parameters
    ----------
    moments : sequence of (time, share, megabytes)
        What was seen of the GPU.
    several : sequence of float
        Times at which the program had workers: it identifies then, and neither loads nor measures.
    """
    if not several:
        return float("nan")
    shares = [share for at, share, _ in moments if several[0] <= at <= several[-1]]
    return statistics.fmean(shares) if shares else float("nan")


def tree(root: int, proc: Path = Path("/proc")) -> list[int]:
    """Give a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                # The name of a program stands in brackets and may hold anything.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def megabytes(process: int, proc: Path = Path("/proc")) -> float:
    """Give a process's proportional set size; 0 when it has ended."""
    try:
        lines = (proc / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _follow(watcher: subprocess.Popen[str], moments: list[tuple[float, float, float]]) -> None:
    assert watcher.stdout is not None
    with watcher.stdout as lines:
        for line in lines:
            used, held = line.split(",")
            moments.append((time.monotonic(), float(used) / 100, float(held)))
