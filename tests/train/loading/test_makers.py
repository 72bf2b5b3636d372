"""Threads or processes, dead workers, breaks in the middle: the same pixels, and nothing left."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curate.augment.policy import DEFAULT
from curate.core import paths
from curate.core.errors import InputError
from curate.core.images import Pixels
from curate.models.preprocess import prepare
from curate.models.resizing import with_torch
from curate.train.examples import Examples, examples_of
from curate.train.loading import makers, pixels
from curate.train.loading.changes import Change
from curate.train.loading.pixels import MAKERS, WORTH, PixelStore, in_batches, kind_for
from tests.engine.test_each import children
from tests.train.conftest import Make
from tests.train.loading.test_pixels import SMALL, opened_picture

pytestmark = pytest.mark.timeout(120)

CHANGE = Change(DEFAULT, 3, 1, {1: "flip(p=0.5)", 2: ""})


def mine() -> tuple[set[int], set[str], set[str]]:
    """What this process holds: workers, threads, and shared memory and bells."""
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    held = {os.readlink(link) + link for link in links if os.path.islink(link)}
    shared = {link for link in held if "memfd:" in link or "eventfd" in link}
    threads = {t.name for t in threading.enumerate() if t.name.startswith("curate-pixels")}
    return children(), threads, shared


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = mine()
    yield
    # An error keeps what its frames held until it is collected.
    gc.collect()
    assert mine() == before


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makers, "LOAD", "tests.train.loading.deadly:load")


def named(table: pd.DataFrame, at: int, ending: str) -> None:
    """Give a file of a table a name that ends so."""
    path = Path(table["path"][at])
    table.loc[at, "path"] = paths.to_text(bytes(path.rename(path.with_stem(path.stem + ending))))


def passes(store: PixelStore, examples: Examples) -> list[Pixels]:
    """Train, train again, validate, in batches of unlike sizes."""
    everything = np.arange(len(examples.ids))
    found = []
    for change, size in ((CHANGE, 5), (CHANGE, 64), (None, 7)):
        for batch in store.batches(in_batches(everything, size), change):
            assert np.array_equal(batch.positions, np.sort(batch.positions))
            found += list(batch.pixels)
    return found


def test_who_makes_the_images_changes_no_pixel(make_table: Make) -> None:
    examples = examples_of(make_table())
    found = []
    for kind, workers, cache_bytes in (
        ("threads", 1, 0),
        ("threads", 3, 10**9),
        ("processes", 2, 0),
        ("processes", 1, 10**9),
    ):
        with closing(PixelStore(examples, SMALL, workers, cache_bytes, kind=kind)) as store:
            found.append(passes(store, examples))
            assert store.kind == kind
            assert store.failures().empty
    assert len(found[0]) == 3 * len(examples.ids)
    for other in found[1:]:
        assert np.array_equal(found[0], other)


@pytest.mark.parametrize("kind", MAKERS)
def test_torch_shrinks_many_and_by_each_kind_alike(
    make_table: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(pixels, "MANY", 5)
    examples = examples_of(make_table(train=2, val=1, test=0))
    with closing(PixelStore(examples, SMALL, 1, 0, kind=kind)) as store:
        (batch,) = store.batches([np.arange(len(examples.ids))])
    for at, made in enumerate(batch.pixels):
        assert np.array_equal(made, prepare(opened_picture(examples.paths[at]), SMALL, with_torch))


@pytest.mark.usefixtures("deadly")
def test_an_image_that_ends_its_worker_is_a_row_and_the_rest_trains(make_table: Make) -> None:
    table = make_table(train=3, val=1, test=1)
    named(table, 4, "deadly")
    examples = examples_of(table)
    bad = examples.ids.index(str(table["image_id"][4]))
    groups = in_batches(np.arange(len(examples.ids)), 4)
    with closing(PixelStore(examples, SMALL, 1, kind="processes")) as store:
        first = list(store.batches(groups))
        (row,) = store.failures().to_dict("records")
        assert (row["image_id"], row["stage"]) == (examples.ids[bad], "train")
        assert row["reason"] == "crash: the decoder died (exit 3)"
        assert bad not in store.usable(np.arange(len(examples.ids)))
        assert [len(batch.pixels) for batch in first] == [
            len(group) - (bad in group) for group in groups
        ]
        with closing(PixelStore(examples, SMALL, 2)) as threads:
            for one, other in zip(first, threads.batches(groups), strict=True):
                kept = other.positions != bad
                assert np.array_equal(one.positions, other.positions[kept])
                assert np.array_equal(one.pixels, other.pixels[kept])


def test_workers_that_are_killed_cost_no_image(make_table: Make) -> None:
    examples = examples_of(make_table())
    groups = in_batches(np.tile(np.arange(len(examples.ids)), 5), 6)
    before = children()
    with closing(PixelStore(examples, SMALL, 1, kind="processes")) as store:
        batches = store.batches(groups, CHANGE)
        made = [next(batches)]
        for process in children() - before:
            os.kill(process, signal.SIGKILL)
        made += batches
        assert store.failures().empty
    with closing(PixelStore(examples, SMALL, 2)) as threads:
        for one, other in zip(made, threads.batches(groups, CHANGE), strict=True):
            assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.usefixtures("deadly")
def test_a_pass_that_is_left_is_in_nobodys_way_and_passes_may_be_nested(make_table: Make) -> None:
    table = make_table()
    named(table, 0, "slow")
    examples = examples_of(table)
    groups = in_batches(np.arange(len(examples.ids)), 3)
    with closing(PixelStore(examples, SMALL, 1, kind="processes")) as store:
        left = store.batches(groups, CHANGE)
        first = next(left)
        inner = [pixels for batch in store.batches(groups) for pixels in batch.pixels]
        assert np.array_equal(first.pixels, next(iter(store.batches(groups, CHANGE))).pixels)
        left.close()
        again = [pixels for batch in store.batches(groups) for pixels in batch.pixels]
        assert np.array_equal(inner, again)
        # Closed in the middle of its work.
        next(iter(store.batches(groups, CHANGE)))


def test_a_worker_that_cannot_start_is_an_error_and_no_wait_for_ever(
    make_table: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(makers, "LOAD", "tests.train.loading.deadly:missing")
    examples = examples_of(make_table())
    with closing(PixelStore(examples, SMALL, 1, kind="processes")) as store:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="could not be loaded") as raised:
                list(store.batches([np.arange(4)]))
            assert "did not start" in str(raised.value.__cause__)


SCRIPT = """
import sys, time
import numpy as np, pandas as pd
from contextlib import closing
from curate.train.examples import examples_of
from curate.train.loading.pixels import PixelStore
from tests.train.loading.test_pixels import SMALL

examples = examples_of(pd.read_csv(sys.argv[1], dtype="str"))
with closing(PixelStore(examples, SMALL, 1, kind="processes")) as store:
    while True:
        for batch in store.batches([np.arange(6)]):
            print(len(batch.pixels), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_by_a_signal_nothing_runs_on(
    make_table: Make, tmp_path: Path, number: signal.Signals
) -> None:
    # The script has no guard for its main part, and needs none.
    script, table = tmp_path / "script.py", tmp_path / "table.csv"
    script.write_text(SCRIPT)
    make_table(train=2, val=0, test=0).to_csv(table, index=False)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, str(script), str(table)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"6\n"
        workers = Path(f"/proc/{process.pid}/task").glob("*/children")
        running = [int(pid) for task in workers for pid in task.read_text().split()]
        assert len(running) == 1
        os.killpg(process.pid, number)
        process.stdout.read()
        assert process.wait() == -number
    until = time.monotonic() + 10
    while any(map(alive, running)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(alive, running))


def alive(pid: int) -> bool:
    try:
        return b"curate.engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_few_images_start_no_process(make_table: Make) -> None:
    examples = examples_of(make_table())
    before = children()
    with closing(PixelStore(examples, SMALL, 4, passes=3)) as store:
        assert store.kind == "threads"
        assert children() == before
    assert kind_for(WORTH, 2) == "processes"
    assert kind_for(WORTH - 1, 2) == "threads"
    assert kind_for(10 * WORTH, 1) == "threads"
    with pytest.raises(InputError, match="known are threads, processes"):
        PixelStore(examples, SMALL, kind="fibres")
