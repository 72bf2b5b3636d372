from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import pytest

from benchmarks.bulk_id_process import busy, megabytes, run, tree

HOLDS = """
import subprocess, sys, time
held = bytearray(b"1" * 60_000_000)
if len(sys.argv) > 1:
    subprocess.run([sys.executable, "-c", sys.argv[1]])
else:
    time.sleep(1.2)
"""


def a_process(proc: Path, number: int, parent: int, name: str = "x", kilobytes: int = 0) -> None:
    (proc / str(number)).mkdir()
    (proc / str(number) / "stat").write_text(f"{number} ({name}) S {parent} 1 1 0")
    (proc / str(number) / "smaps_rollup").write_text(
        f"a-b ---p [rollup]\nRss: 9999 kB\nPss: {kilobytes} kB\nPss_Anon: 7 kB\n"
    )


def test_a_tree_holds_all_that_descend_and_no_other(tmp_path: Path) -> None:
    for number, parent in ((2, 1), (3, 2), (4, 3), (5, 1), (6, 5)):
        a_process(tmp_path, number, parent)
    (tmp_path / "meminfo").write_text("")
    assert sorted(tree(2, tmp_path)) == [2, 3, 4]


def test_a_name_may_hold_spaces_and_brackets(tmp_path: Path) -> None:
    a_process(tmp_path, 2, 1)
    a_process(tmp_path, 3, 2, name="a) S 9 (b")
    assert tree(2, tmp_path) == [2, 3]


def test_a_process_is_counted_by_its_share(tmp_path: Path) -> None:
    a_process(tmp_path, 2, 1, kilobytes=2048)
    assert megabytes(2, tmp_path) == 2
    assert megabytes(3, tmp_path) == 0


def test_a_process_of_our_own_is_read() -> None:
    assert megabytes(os.getpid()) > 1
    assert tree(os.getpid())[0] == os.getpid()


def test_a_run_counts_the_memory_of_all_processes_and_gives_what_they_said() -> None:
    done = run([sys.executable, "-c", HOLDS + "print('fine')", HOLDS])
    assert (done.code, done.out) == (0, "fine\n")
    assert done.megabytes > 115
    assert done.seconds > 1
    assert math.isnan(done.busy)


def test_a_run_that_fails_says_why() -> None:
    done = run([sys.executable, "-c", "import os, sys; sys.exit(os.environ['SAID'])"],
               environment={"SAID": "no photos"})  # fmt: skip
    assert (done.code, done.err) == (1, "no photos\n")


def test_the_gpu_counts_while_there_are_workers() -> None:
    moments = [(0.0, 1.0, 10.0), (1.0, 0.5, 10.0), (2.0, 0.9, 10.0), (3.0, 0.0, 10.0)]
    assert busy(moments, [0.9, 1.5, 2.1]) == pytest.approx(0.7)


@pytest.mark.parametrize("several", [[], [5.0, 6.0]])
def test_without_workers_or_looks_nothing_is_said_of_the_gpu(several: list[float]) -> None:
    assert math.isnan(busy([(1.0, 0.5, 10.0)], several))


def test_what_the_driver_says_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nwhile true; do echo '75, 1200'; sleep 0.1; done\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = run([sys.executable, "-c", HOLDS, HOLDS], gpu=True)
    assert (done.busy, done.gpu_megabytes) == (0.75, 1200)
