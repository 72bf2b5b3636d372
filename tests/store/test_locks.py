"""One process a stage; a lock is gone when its process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curate.core.errors import LibraryError, LockedError
from curate.store.library import Library
from curate.store.locks import hold

pytestmark = pytest.mark.usefixtures("in_file")

HOLDER = (
    "import sys, time; from pathlib import Path; from curate.store.locks import hold\n"
    "with hold(Path(sys.argv[1]), 'scan'):\n"
    "    print('held', flush=True); time.sleep(600)"
)


def test_another_process_is_told_who_holds_it_until_that_one_dies(library: Library) -> None:
    folder = library.folder / "locks"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        told = rf"`curate scan` .*process {other.pid} on .* since"
        with pytest.raises(LockedError, match=told), library.locked("scan"):
            raise AssertionError("two at once")
        with library.locked("split"):
            pass
        other.send_signal(signal.SIGKILL)
    with library.locked("scan"):
        assert f"process {os.getpid()} on" in (folder / "scan.lock").read_text()


def test_it_is_given_back_after_an_error(library: Library) -> None:
    with pytest.raises(ZeroDivisionError), library.locked("scan"):
        raise ZeroDivisionError
    with library.locked("scan"), pytest.raises(LockedError), library.locked("scan"):
        raise AssertionError("two at once")


def test_programs_started_meanwhile_do_not_keep_it(library: Library) -> None:
    with library.locked("scan"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with library.locked("scan"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_place_that_cannot_hold_locks_is_an_error_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file")
    refused = pytest.raises(LibraryError, match="the library cannot be written")
    with refused, hold(tmp_path / "locks", "scan"):
        raise AssertionError("worked without a lock")
