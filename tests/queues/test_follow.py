"""A queue that grows while another process identifies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from sqlalchemy import func, select

from curate.cli.main import DONE, EXPECTED, INTERRUPTED, answer
from curate.core.errors import InputError, LibraryError
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from curate.queues import Filters, Following, follow, verb
from curate.scan import scan
from curate.store import files, runs, schema, shards
from curate.store.library import Library, opened

from ..conftest import MakePhoto
from .cases import CLASSES, predict, said

pytestmark = pytest.mark.timeout(120)

LOW = Filters(limit=100)


@pytest.fixture
def ids(library: Library, photo: MakePhoto, tmp_path: Path) -> list[str]:
    for seed in range(4):
        photo(f"pool/{seed}.jpg", seed)
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        return list(files.one_path_each(connection)["image_id"])


def shown(moment: Following) -> tuple[int, bool]:
    """How many images a queue has, and whether more may come."""
    return (0 if moment.table is None else len(moment.table)), moment.since is not None


@pytest.fixture
def while_it_waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Callable[[], object]]], None]:
    """Do one thing after another each time that a queue is waited for."""

    def install(things: list[Callable[[], object]]) -> None:
        monkeypatch.setattr("time.sleep", lambda _: things.pop(0)())
        monkeypatch.setattr(verb, "REST", 0.0)

    return install


def queues_recorded(library: Library) -> int:
    query = select(func.count()).where(schema.runs.c.stage == "queue")
    with library.reading() as connection:
        return int(connection.scalar(query) or 0)


def test_without_a_bulk_id_it_is_shown_once(library: Library, ids: list[str]) -> None:
    predict(library, [said(ids[0], "zebra", 0.5)])
    assert [shown(one) for one in follow(library, "low-score", LOW, min_count=40)] == [(1, False)]
    assert queues_recorded(library) == 0


def test_it_is_shown_again_whenever_predictions_come(
    library: Library,
    ids: list[str],
    while_it_waits: Callable[[list[Callable[[], object]]], None],
) -> None:
    parameters = {"model": "m1", "path": "m1.pt", "classes": list(CLASSES)}
    with runs.running(library, "bulk-id", parameters, "key of m1", alone=False):
        pass
    running = runs.running(library, "bulk-id", parameters, "key of m1", alone=False)
    running.__enter__()
    while_it_waits(
        [
            lambda: None,
            lambda: _predicted(library, ids[:1]),
            lambda: None,
            lambda: _predicted(library, ids[1:3]),
            lambda: running.__exit__(None, None, None),
        ]
    )
    moments = [shown(one) for one in follow(library, "low-score", LOW, min_count=40)]
    assert moments == [(0, True), (1, True), (3, True)]


def test_a_queue_that_takes_long_rests_and_is_made_again_at_the_end(
    library: Library,
    ids: list[str],
    while_it_waits: Callable[[list[Callable[[], object]]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predict(library, [said(ids[0], "zebra", 0.5)])
    parameters = {"model": "m1", "path": "m1.pt", "classes": list(CLASSES)}
    running = runs.running(library, "bulk-id", parameters, "key of m1", alone=False)
    running.__enter__()
    while_it_waits(
        [
            lambda: _predicted(library, ids[1:3]),
            lambda: None,
            lambda: running.__exit__(None, None, None),
        ]
    )
    monkeypatch.setattr(verb, "REST", 1e6)
    moments = [shown(one) for one in follow(library, "low-score", LOW, min_count=40)]
    assert moments == [(1, True), (3, False)]


def test_nobody_waits_for_a_bulk_id_that_was_killed(library: Library, ids: list[str]) -> None:
    predict(library, [said(ids[0], "zebra", 0.5)])
    ended = subprocess.run([sys.executable, "-c", _NAMED], capture_output=True, check=True)
    with runs.running(library, "bulk-id", {"model": "m1"}, alone=False) as run:
        pass
    with library.writing() as connection:
        killed = {"status": "running", "versions": ended.stdout.decode()}
        mine = schema.runs.c.run_id == run.run_id
        connection.execute(schema.runs.update().where(mine).values(**killed))
    assert [shown(one) for one in follow(library, "low-score", LOW, min_count=40)] == [(1, False)]


_NAMED = """
import json
from curate.store import processes
print(json.dumps(processes.named()))
"""


def _predicted(library: Library, ids: list[str]) -> None:
    """Commit predictions as a bulk-id does that is not through."""
    with library.writing() as connection:
        (run_id,) = connection.scalars(
            select(schema.runs.c.run_id).where(schema.runs.c.status == "running")
        )
    predict(library, [said(image, "zebra", 0.5) for image in ids])
    with library.writing() as connection:
        # `predict` holds the lock of the stage, and takes what runs for killed.
        connection.execute(
            schema.runs.update().where(schema.runs.c.run_id == run_id).values(status="running")
        )


def test_nothing_that_could_come_is_an_error(library: Library, ids: list[str]) -> None:
    with pytest.raises(LibraryError, match="no predictions"):
        next(follow(library, "low-score", LOW, min_count=40))
    with pytest.raises(InputError, match="recipe"):
        next(follow(library, "lowest", LOW, min_count=40))


def test_ctrl_c_ends_it_and_records_nothing(
    library: Library,
    ids: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predict(library, [said(ids[0], "zebra", 0.5)])

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    with runs.running(library, "bulk-id", {"model": "m1"}, alone=False):
        command = ["queue", "low-score", "--follow", "--csv", "q.csv"]
        assert answer(command) == INTERRUPTED
    out = capsys.readouterr().out
    assert "1 image to look at; a bulk-id runs since " in out
    assert queues_recorded(library) == 0
    assert not Path("q.csv").exists()


def test_json_is_printed_once_at_the_end(
    library: Library, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    predict(library, [said(ids[0], "zebra", 0.5)])
    assert answer(["queue", "low-score", "--follow", "--json"]) == DONE
    assert capsys.readouterr().out.count("\n") == 1
    assert answer(["queue", "nonsense", "--follow"]) == EXPECTED


BULK_ID = """
import sys
from curate.bulk_id import verb
from curate.cli.main import answer
verb.ROWS = 1
flush = verb.engine.Buffer.flush
def slowly(self):
    some = bool(self._items)
    flush(self)
    if some:
        sys.stdin.readline()
verb.engine.Buffer.flush = slowly
sys.exit(answer(sys.argv[1:]))
"""


def test_it_grows_beside_a_bulk_id_in_another_process(
    tmp_path: Path,
    photo: MakePhoto,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slept = time.sleep
    for seed in range(8):
        photo(f"pool/{seed}.jpg", seed)
    weights = build("test_resnet", 2).state_dict()
    small = preprocessing("test_resnet").at_size(32)
    with torch.random.fork_rng():
        save(Checkpoint("test_resnet", ("a", "b"), small, weights), tmp_path / "ckpt.pt")
    with opened(tmp_path, make=True) as library:
        with runs.running(library, "scan", {}):
            pass
        command = ["bulk-id", "pool", "--model", "ckpt.pt", "--batch-size", "2"]
        command += ["--engine", "serial"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        process = subprocess.Popen(
            [sys.executable, "-c", BULK_ID, *command],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        let_go, committed = 0, 0

        def looked(_: float) -> None:
            """Let the other process go on after what was there to be seen at the last look."""
            nonlocal let_go, committed
            assert process.stdin is not None
            process.stdin.write(b"\n" * (committed - let_go))
            process.stdin.flush()
            let_go = committed
            with library.reading() as connection:
                committed = len(shards.referenced(connection, "predictions"))
            slept(0.02)

        try:
            running = select(schema.runs.c.run_id).where(schema.runs.c.stage == "bulk-id")
            while process.poll() is None:
                with library.reading() as connection:
                    if connection.scalar(running):
                        break
                time.sleep(0.05)
            monkeypatch.setattr("time.sleep", looked)
            monkeypatch.setattr(verb, "REST", 0)
            assert answer(["queue", "low-score", "--follow", "--csv", "q.csv"]) == DONE
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.communicate()
        lines = [line for line in capsys.readouterr().out.splitlines() if "since" in line]
        numbers = [int(line.split()[0]) for line in lines]
        assert len(numbers) > 2
        assert numbers == sorted(set(numbers))
        assert len(pd.read_csv("q.csv")) == 8
        assert queues_recorded(library) == 1
    assert threading.active_count() < 20


def test_on_a_terminal_it_is_drawn_in_place(
    library: Library, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    from rich.console import Console

    from curate.cli import queue_output
    from curate.cli.output import Printer

    predict(library, [said(ids[0], "zebra", 0.5)])
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=True, width=100)
    table = next(follow(library, "low-score", LOW, min_count=40)).table
    moments = [Following(None, "2026-11-01T10:00:00+00:00"), Following(table, None)]
    printer = Printer()
    printer.console = console
    queue_output.follow(printer, iter(moments))
    assert "0 images to look at" in sink.getvalue()
    assert "1 image to look at; no bulk-id runs" in sink.getvalue()
    assert "zebra" in sink.getvalue()
    # Lines are taken back before they are drawn anew.
    assert "\x1b[2K" in sink.getvalue()
