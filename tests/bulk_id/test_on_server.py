"""Libraries in PostgreSQL: the same table as in a file, whoever else writes there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.bulk_id import thinking, verb
from curate.core.errors import LockedError
from curate.models.runner import Output, Runner
from curate.queues import Filters, queue
from curate.scan import scan
from curate.store import decisions, shards
from curate.store.check import faults
from curate.store.library import Library, opened

from ..postgres import Server
from .made import checkpoint, identified, photos, saved

pytestmark = pytest.mark.usefixtures("in_file")

FILES = 45


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(checkpoint(), tmp_path / "ckpt.pt")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Photos, one of them twice, and one that is cut off."""
    folder = tmp_path / "pool"
    made = photos(folder, FILES - 2)
    (folder / "copy.jpg").write_bytes(made[4].read_bytes())
    (folder / "broken.jpg").write_bytes(made[4].read_bytes()[:90])
    return folder


@pytest.fixture
def in_file_table(tmp_path: Path, model: Path, pool: Path) -> pd.DataFrame:
    """The rows in SQLite, which this process makes alone."""
    with opened(tmp_path / "file", make=True) as library:
        return identified(library, model, [pool]).table


@contextmanager
def on(server: Server, folder: Path) -> Iterator[Library]:
    """Make a library with a database of its own on the server, which its settings name."""
    folder.mkdir()
    (folder / "curate.toml").write_text(f'[library]\ndatabase = "{server.made()}"\n')
    with opened(folder, make=True) as library:
        yield library


@pytest.fixture
def shared(tmp_path: Path, server: Server) -> Iterator[Library]:
    with on(server, tmp_path / "shared") as library:
        yield library


def committed(library: Library) -> int:
    with library.reading() as connection:
        return sum(shard.rows for shard in shards.referenced(connection, "predictions"))


@pytest.mark.parametrize("engine_name", ["serial", "processes"])
def test_the_table_is_that_of_a_file_and_the_same_command_reads_nothing(
    shared: Library, model: Path, pool: Path, in_file_table: pd.DataFrame, engine_name: str
) -> None:
    found = identified(shared, model, [pool], engine_name=engine_name)
    pd.testing.assert_frame_equal(found.table, in_file_table, atol=1e-6)
    assert found.counts["computed"] == FILES
    again = identified(shared, model, [pool], engine_name=engine_name)
    pd.testing.assert_frame_equal(again.table, found.table)
    assert again.counts["computed"] == 0
    assert queue(shared, "low-score", Filters(), min_count=40)["image_id"].is_unique
    assert faults(shared) == []


def test_interrupted_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
    shared: Library,
    model: Path,
    pool: Path,
    in_file_table: pd.DataFrame,
) -> None:
    seen = 0

    class Stops(Runner):
        def run(self, batch: Any) -> Output:
            nonlocal seen
            seen += len(batch)
            if seen > 25:
                raise KeyboardInterrupt
            return super().run(batch)

    with monkeypatch.context() as patch:
        patch.setattr(thinking, "Runner", Stops)
        patch.setattr(verb, "ROWS", 7)
        with pytest.raises(KeyboardInterrupt):
            identified(shared, model, [pool])
    before = committed(shared)
    assert before >= 14
    found = identified(shared, model, [pool])
    pd.testing.assert_frame_equal(found.table, in_file_table, atol=1e-6)
    # Each image that was read has one row; a copy that came in another run may have a second one.
    assert found.counts["computed"] <= FILES - before
    assert FILES - 2 <= committed(shared) <= FILES - 1
    assert faults(shared) == []


PAUSES = """
import sys
from pathlib import Path
from curate.bulk_id import verb
from curate.store.library import opened
from tests.bulk_id.made import identified

verb.ROWS = 7
answered = verb.answered

def pausing(*arguments):
    for number, block in enumerate(answered(*arguments)):
        if number == 3:
            print("in the middle", flush=True)
            sys.stdin.readline()
        yield block

verb.answered = pausing
with opened(Path(sys.argv[1])) as library:
    identified(library, Path(sys.argv[2]), [Path(sys.argv[3])])
"""


@contextmanager
def in_the_middle(*arguments: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start another process that identifies; it waits in the middle for a line."""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", PAUSES, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"in the middle\n"
            yield process
        finally:
            process.kill()


def test_another_process_does_not_disturb_it_and_is_told_to_wait(
    shared: Library, model: Path, pool: Path, in_file_table: pd.DataFrame, tmp_path: Path
) -> None:
    photos(tmp_path / "labelled/bee", 3, first=500)
    with in_the_middle(shared.root, model, pool) as process:
        told = pytest.raises(LockedError, match=rf"bulk-id.*process {process.pid} since")
        with told, opened(shared.root) as same:
            identified(same, model, [pool])
        # Other stages of the same library go on meanwhile, in the same database.
        scan(shared, tmp_path / "labelled", labels="folder", backend="serial")
        assert 0 < committed(shared) < FILES - 2
        process.communicate(b"\n")
        assert process.returncode == 0
    found = identified(shared, model, [pool], other_classes=True)
    pd.testing.assert_frame_equal(found.table, in_file_table, atol=1e-6)
    assert found.counts["computed"] == 0
    with shared.reading() as connection:
        assert list(decisions.current(connection, "label")["value"]) == ["bee"] * 3
    assert faults(shared) == []


def test_a_killed_process_leaves_what_it_committed_and_no_lock(
    shared: Library, model: Path, pool: Path, in_file_table: pd.DataFrame
) -> None:
    with in_the_middle(shared.root, model, pool) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = committed(shared)
    found = identified(shared, model, [pool])
    pd.testing.assert_frame_equal(found.table, in_file_table, atol=1e-6)
    assert before > 0
    assert found.counts["computed"] <= FILES - before
    assert faults(shared) == []


def test_two_libraries_on_one_server_know_nothing_of_each_other(
    shared: Library,
    server: Server,
    model: Path,
    pool: Path,
    in_file_table: pd.DataFrame,
    tmp_path: Path,
) -> None:
    photos(tmp_path / "elsewhere", 6, first=200)
    with (
        on(server, tmp_path / "second") as second,
        in_the_middle(shared.root, model, pool) as process,
    ):
        found = identified(second, model, [tmp_path / "elsewhere"])
        assert found.counts["found"] == found.counts["computed"] == committed(second) == 6
        process.communicate(b"\n")
        assert process.returncode == 0
        assert committed(second) == 6
        assert faults(second) == []
    found = identified(shared, model, [pool])
    pd.testing.assert_frame_equal(found.table, in_file_table, atol=1e-6)
    assert found.counts["computed"] == 0
    assert faults(shared) == []
