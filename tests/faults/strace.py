"""Run a function in a process of its own under strace: read what it asked of the system, end it
in the middle, or have the system refuse.

The process is forked, so that nothing has to be imported again, and waits until strace holds it.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

CHANGING = (
    *("renameat2", "rename", "renameat", "linkat", "link", "unlinkat", "unlink"),
    *("mkdirat", "mkdir", "rmdir", "fsync", "fdatasync", "pwrite64", "write", "ftruncate"),
    *("fchmod", "fchown", "utimensat", "openat"),
)
"""Calls that change a file or a folder, or make a change durable."""

_ANYBODY = ctypes.c_ulong(-1)
_PR_SET_PTRACER = 0x59616D61
_CALL = re.compile(r"^(?:\d+\s+)?(\w+)\(")


def missing() -> str:
    """Say why strace cannot be used here; '' where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    if not sys.platform.startswith("linux"):
        return "there is no strace but on Linux"
    return ""


def forked(work: Callable[[], object], flags: Sequence[str] = (), log: Path | None = None) -> int:
    """Do the work in a forked process, under strace where flags are given.

    Returns
    -------
    int
        0 done, 1 an exception (on the error stream), less than 0 the signal that ended it.
    """
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
            os.close(go)
            os.read(ready, 1)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(ready)
    tracer = None
    if flags:
        command = ["strace", "-qq", "-y", "-o", str(log or os.devnull), *flags, "-p", str(child)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _await(child, tracer)
    os.write(go, b"x")
    os.close(go)
    status = os.waitpid(child, 0)[1]
    if tracer is not None:
        tracer.wait()
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def calls(work: Callable[[], object], log: Path) -> list[str]:
    """Do the work; give the lines of the calls that change something, in order."""
    flags = ["-s", "0", "-e", f"trace={','.join(CHANGING)}"]
    assert forked(work, flags, log) == 0
    return [line for line in log.read_text().splitlines() if _CALL.match(line)]


def kill_points(lines: Sequence[str]) -> list[tuple[str, int]]:
    """Give every call at which the process can be ended: its name, and the number of that call."""
    counted: dict[str, int] = {}
    points = []
    for line in lines:
        found = _CALL.match(line)
        assert found
        name = found[1]
        counted[name] = counted.get(name, 0) + 1
        # Opening a file for reading changes nothing.
        if name != "openat" or "O_CREAT" in line:
            points.append((name, counted[name]))
    return points


def killed_at(work: Callable[[], object], call: str, number: int) -> bool:
    """Do the work until just before a call; whether it came to it."""
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    return forked(work, inject) == -signal.SIGKILL


def refused_at(work: Callable[[], object], call: str, number: str, error: str) -> int:
    """Do the work while the system refuses some calls (``3``, ``1+``); give its status."""
    return forked(work, ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"])


def _await(child: int, tracer: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and tracer.poll() is None:
        status = Path(f"/proc/{child}/status").read_text()
        if f"TracerPid:\t{tracer.pid}" in status:
            return
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    raise RuntimeError("strace could not attach; is ptrace allowed here?")
