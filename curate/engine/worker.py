"""A worker process: gets paths, calls the function on each, sends back every result at once.

It is started as ``python -m curate.engine.worker FD`` and not by `multiprocessing`, which would
import the user's main script again in every worker.
"""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from curate.engine.work import Work, attempt

_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Serve until the parent hangs up."""
    # Ctrl-C is the parent's business: it lets us finish or ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A decoder that hangs would not notice that its parent was killed; the kernel does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent: Connection = Connection(descriptor)
    try:
        work, memory = parent.recv()
        serve(parent, work, memory)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def serve(parent: Connection, work: Work, memory: int) -> None:
    """Answer each list of paths with one message a path, in order."""
    function = work.resolve()
    _limit_memory(memory)
    parent.send("ready")
    while True:
        for path in parent.recv():
            parent.send(attempt(function, path, work.arguments))


def _limit_memory(allowance: int) -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + allowance, now + allowance))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(int(sys.argv[1]))
