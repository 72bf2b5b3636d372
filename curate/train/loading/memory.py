"""How much memory there is to be had, whether the machine or a container sets the limit."""

from __future__ import annotations

from pathlib import Path

_GROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)
"""Where control groups (version 2 and 1) say limit, use, and what of it is given back at need."""


def free_memory(machine: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that can be taken before something has to be written to disk or is killed."""
    rooms = [_table(machine).get("MemAvailable:", 0) * 1024]
    for limit, used, idle in _GROUPS:
        text = _text(group / limit)
        if text.isdigit():
            given_back = _table((group / used).with_name("memory.stat")).get(idle, 0)
            rooms.append(int(text) - int(_text(group / used) or 0) + given_back)
    return max(0, min(rooms))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
