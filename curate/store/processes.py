"""Which process a run belongs to, and whether that process is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

HOST, PROCESS = "host", "process"


def named() -> dict[str, str]:
    """Name this process so that no other can be taken for it, with the machine that it runs on.

    Returns
    -------
    dict of str to str
        `HOST`; and `PROCESS`: its number, and where the system tells them the moment of its start
        (numbers are used again, such moments are not) and the space that its number is from
        (containers may share the name of a machine).
    """
    number = os.getpid()
    return {HOST: socket.gethostname(), PROCESS: f"{number} {_start(number)} {_space()}".strip()}


def is_gone(named: Mapping[str, str]) -> bool:
    """Whether the process that was named so is known to have ended.

    False where that cannot be known: it ran on another machine, in another container, or was
    never named.
    """
    number, _, rest = named.get(PROCESS, "").partition(" ")
    start, _, space = rest.partition(" ")
    if not number.isdecimal() or named.get(HOST) != socket.gethostname() or space != _space():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    now = _start(int(number))
    # Another process with its number has another start; one that was killed and that nobody has
    # asked after yet ("zombie") has none any more.
    return bool(start) and now != start


def _start(number: int) -> str:
    """Moment of the start of a process, in ticks since the machine's; '' where it is not told.

    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime), counted behind the command's
    name, which may hold anything but ends with the last bracket.
    """
    try:
        fields = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
