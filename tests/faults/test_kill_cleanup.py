"""The short version of `kill_cleanup.py`, the order of syncs, refusals of the system, SIGTERM."""

from __future__ import annotations

import os
import posix
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.cleanup import batches
from curate.cleanup.applying import apply
from curate.cleanup.moving import handles
from curate.cli import main
from curate.store import journal
from curate.store.library import opened
from tests.cleanup.moved import digests, items, settled, whole
from tests.faults import strace
from tests.faults.kill_cleanup import Stage, torment

MEMORY = Path("/dev/shm")

pytestmark = [
    pytest.mark.skipif(bool(strace.missing()), reason=strace.missing() or "strace is there"),
    pytest.mark.usefixtures("in_file"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder in memory, where there is one: every kill begins with a new library."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as made:
        yield Path(made).resolve()


@pytest.mark.parametrize("name", ["apply", "restore", "purge"])
def test_cleanup_survives_kills(folder: Path, name: str) -> None:
    told = torment(Stage(name, folder, None, 2), every=5, database=40)
    assert told.kills >= 5


def test_cleanup_survives_kills_between_two_disks(folder: Path, tmp_path: Path) -> None:
    if folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk here")
    told = torment(Stage("apply", folder, tmp_path / "other", 1), every=9, database=60)
    assert told.kills >= 5


def test_names_are_durable_before_the_journal_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests wait for no disk (see conftest); this one looks at whether it would be waited for.
    monkeypatch.setattr(os, "fsync", posix.fsync)
    stage = Stage("apply", folder, None, 3)
    stage.anew()
    lines = strace.calls(stage.work, folder / "log")
    commit = re.compile(r"ftruncate.*library\.db-journal")
    commits = [n for n, line in enumerate(lines) if commit.search(line)]
    moves = [n for n, line in enumerate(lines) if "renameat2" in line]
    assert len(moves) == 4
    intent = max(n for n in commits if n < moves[0])
    done = min(n for n in commits if n > moves[-1])
    between = lines[moves[-1] : done]
    synced = {found[1] for line in between if (found := re.search(r"fsync\(\d+<(.*?)>", line))}
    photos = str(folder / "work/photos")
    assert {f"{photos}/0", f"{photos}/1"} <= synced
    assert any("/quarantine/run-" in name and name.endswith("/000000") for name in synced)
    # A power cut between two syncs leaves a file two names rather than none.
    order = [found[1] for line in between if (found := re.search(r"fsync\(\d+<(.*?)>", line))]
    last = max(n for n, name in enumerate(order) if "/quarantine/" in name)
    assert last < min(n for n, name in enumerate(order) if name.startswith(f"{photos}/"))
    # What lies where is on the disk before anything moves, and so is the row that says it will.
    noted = [n for n, line in enumerate(lines) if re.search(r"fsync.*WHAT-LIES-HERE", line)]
    assert intent < noted[0] < moves[0]


def test_a_copy_is_durable_before_its_source_goes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk here")
    monkeypatch.setattr(os, "fsync", posix.fsync)
    stage = Stage("apply", folder, tmp_path / "other", 1)
    stage.anew()
    lines = strace.calls(stage.work, folder / "log")
    kinds = {
        "content": r"fsync\(\d+<.*\.part>",
        "name": r"renameat2.*\.part",
        "folder": r"fsync\(\d+<.*/000000>",
        "gone": r"unlinkat.*0\.jpg|unlinkat\(\d+<.*photos/0>",
    }
    first = {
        kind: next(n for n, line in enumerate(lines) if re.search(sign, line))
        for kind, sign in kinds.items()
    }
    assert sorted(first, key=lambda kind: first[kind]) == list(kinds)


@pytest.mark.parametrize(
    ("call", "error"),
    [("renameat2", "EIO"), ("renameat2", "ENOSPC"), ("mkdirat", "ENOSPC"), ("pwrite64", "ENOSPC")],
)
def test_a_system_that_refuses_loses_nothing(folder: Path, call: str, error: str) -> None:
    stage = Stage("apply", folder, None, 3)
    stage.anew()
    assert strace.refused_at(stage.work, call, "2+" if call != "mkdirat" else "1+", error) == 1
    stage.half_way()
    stage.work()
    stage.undisturbed()


def test_sigterm_is_out_in_time_and_leaves_nothing_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage("apply", folder, None, 40)
    stage.anew()
    real = handles.image_of
    monkeypatch.setattr(batches, "SIZE", 30)

    def slowly(handle: int) -> str:
        time.sleep(0.05)
        return real(handle)

    def interrupted() -> None:
        signal.signal(signal.SIGTERM, main._terminate)
        handles.image_of = slowly
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        began = time.monotonic()
        with pytest.raises(SystemExit, match=str(main.TERMINATED)):
            stage.work()
        assert time.monotonic() - began < 5.5

    assert strace.forked(interrupted) == 0
    with opened(stage.folder / "work") as library:
        assert not items(library, journal.OPEN)
        assert whole(library)
        assert settled(library)
        before = digests(stage.folder / "work")
        apply(library, stage.plan)
        assert len(items(library, journal.QUARANTINED)) == 41
        assert digests(stage.folder / "work") == before == stage.before
