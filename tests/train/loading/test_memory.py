from __future__ import annotations

from pathlib import Path

from curate.train.loading.memory import free_memory

MACHINE = "MemTotal:  1000 kB\nMemFree:  1 kB\nMemAvailable:     600 kB\nHugePages_Total:  0\n"


def files(folder: Path, **texts: str) -> tuple[Path, Path]:
    machine = folder / "meminfo"
    machine.write_text(MACHINE)
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("memory_", "memory.")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return machine, folder


def test_no_limit_leaves_what_the_machine_has(tmp_path: Path) -> None:
    assert free_memory(*files(tmp_path)) == 600 * 1024
    assert free_memory(*files(tmp_path, memory_max="max\n")) == 600 * 1024


def test_a_containers_limit_counts_and_what_it_can_give_back_is_free(tmp_path: Path) -> None:
    stat = "anon 1\ninactive_file 5000\n"
    found = files(tmp_path, memory_max="100000\n", memory_current="30000", memory_stat=stat)
    assert free_memory(*found) == 100_000 - 30_000 + 5000
    found = files(tmp_path, memory_max="100000\n", memory_current="200000", memory_stat="")
    assert free_memory(*found) == 0


def test_the_older_limits_count_too(tmp_path: Path) -> None:
    found = files(
        tmp_path,
        memory__memory_limit_in_bytes="100000",
        memory__memory_usage_in_bytes="30000",
        memory__memory_stat="total_inactive_file 1000\n",
    )
    assert free_memory(*found) == 71_000


def test_a_limit_above_the_machine_is_none(tmp_path: Path) -> None:
    found = files(tmp_path, memory_max="9223372036854771712", memory_current="1")
    assert free_memory(*found) == 600 * 1024


def test_where_nothing_is_said_nothing_is_free(tmp_path: Path) -> None:
    assert free_memory(tmp_path / "none", tmp_path) == 0


def test_this_machine_has_some() -> None:
    assert 1 << 20 < free_memory() < 1 << 60
