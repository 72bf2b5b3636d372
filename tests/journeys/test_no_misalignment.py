"""No misalignment, ever: each row is that of its own file's pixels, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.bulk_id import Ask, Identified, Means, Selection, bulk_id, pipeline, thinking, verb
from curate.bulk_id.pipeline import answered
from curate.engine import Computed, Work
from curate.engine.cluster import Cluster
from curate.store import shards
from curate.store.check import faults
from curate.store.library import Library, opened

from . import numbered

pytestmark = pytest.mark.timeout(300)

IMAGES = 420


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered.network(tmp_path_factory.mktemp("model") / "numbers.pt")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    numbered.draw(folder, IMAGES)
    return folder


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the decoding workers do what the names of files ask for."""
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setattr(thinking, "reading", numbered.reading_badly(marks))
    return marks


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "ROWS", 40)


def run(library: Library, model: Path, folder: Path, **options: Any) -> Identified:
    batch_size = options.pop("batch_size", 8)
    means = Means(device="cpu", backend="torch", precision="fp32", batch_size=batch_size, workers=2)
    return bulk_id(library, model, [folder], **{"means": means, "ask": Ask(top=2), **options})


def rows_in_shards(library: Library) -> Counter[tuple[str, str]]:
    with library.reading() as connection:
        parts = shards.paths(library, shards.referenced(connection, "predictions"))
    tables = [pq.read_table(part, columns=["image_id", "path"]).to_pylist() for part in parts]
    return Counter((row["image_id"], row["path"]) for table in tables for row in table)


@pytest.mark.parametrize("engine_name", ["serial", "processes"])
def test_a_network_reads_the_numbers(
    library: Library, model: Path, photos: Path, engine_name: str
) -> None:
    found = run(library, model, photos, engine_name=engine_name)
    numbered.check(found.table, photos, behaved=True)
    # Almost as many different answers as files: a neighbour's row would be seen.
    assert found.table["predicted"].nunique() == IMAGES


@pytest.mark.parametrize("batch_size", [1, 24])
def test_workers_that_die_and_files_that_fail_move_no_row(
    library: Library,
    model: Path,
    photos: Path,
    misbehaving: Path,
    small_shards: None,
    batch_size: int,
) -> None:
    found = run(library, model, photos, batch_size=batch_size)
    numbered.check(found.table, photos, behaved=False)
    assert len(list(misbehaving.iterdir())) == IMAGES // 60


def test_a_file_that_ends_every_worker_costs_nobody_else_a_row(
    library: Library, model: Path, photos: Path, misbehaving: Path, tmp_path: Path
) -> None:
    deadly = tmp_path / "deadly"
    deadly.mkdir()
    numbered.draw(deadly, 120)
    numbered.draw_deadly(deadly)
    found = run(library, model, deadly)
    numbered.check(found.table, deadly, behaved=False)
    reasons = found.table["reason"][found.table["path"].str.contains("always")]
    assert list(reasons) == ["crash: the decoder died (signal 11)"] * len(numbered.DEADLY)


def test_interrupted_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
    library: Library,
    model: Path,
    photos: Path,
    misbehaving: Path,
    small_shards: None,
) -> None:

    def stops(*arguments: Any) -> Generator[Computed, None, None]:
        blocks = answered(*arguments)
        try:
            for number, block in enumerate(blocks):
                if number == 17:
                    raise KeyboardInterrupt
                yield block
        finally:
            blocks.close()

    monkeypatch.setattr(verb, "answered", stops)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(library, model, photos)
    monkeypatch.setattr(verb, "answered", answered)
    # Other blocks, another order, and in between another model of nobody's interest.
    before = rows_in_shards(library)
    found = run(library, model, photos, batch_size=5)
    numbered.check(found.table, photos, behaved=False)
    assert sum(before.values()) > 2 * 80
    assert set(rows_in_shards(library).values()) == {1}
    assert faults(library) == []


KILLED = """
import sys, time
from pathlib import Path
from curate.bulk_id import Ask, Means, bulk_id, thinking, verb
from curate.store.library import opened
from tests.journeys import numbered

library, model, folder, marks = map(Path, sys.argv[1:])
verb.ROWS = 40
thinking.reading = numbered.reading_badly(marks)
means = Means(device="cpu", backend="torch", precision="fp32", batch_size=8, workers=2)
with opened(library, make=True) as place:
    bulk_id(place, model, [folder], ask=Ask(top=2), means=means)
"""


def test_killed_and_resumed(
    tmp_path: Path, model: Path, photos: Path, misbehaving: Path, small_shards: None
) -> None:
    home = tmp_path / "killed"
    home.mkdir()
    command = [sys.executable, "-c", KILLED, *map(str, (home, model, photos, misbehaving))]
    root = str(Path(__file__).parents[2])
    for committed in (1, 4):
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root})
        while process.poll() is None and _committed(home) < committed:
            time.sleep(0.02)
        process.kill()
        process.wait()
    with opened(home) as library:
        assert 1 <= _committed(home) < IMAGES // 40 + 2
        found = run(library, model, photos, batch_size=16)
        numbered.check(found.table, photos, behaved=False)
        assert set(rows_in_shards(library).values()) == {1}
        assert faults(library) == []
        again = run(library, model, photos)
        # Those that were short of memory are tried again, and nothing else.
        assert again.counts["computed"] == sum("short" in path for path in found.table["path"])


def _committed(home: Path) -> int:
    if not (home / ".curate" / "library.db").exists():
        return 0
    try:
        with opened(home) as library, library.reading() as connection:
            return len(shards.referenced(connection, "predictions"))
    except Exception:  # it is being made at this moment
        return 0


def test_numbers_change_under_their_names(
    tmp_path: Path, library: Library, model: Path, small_shards: None
) -> None:
    """A file that is rewritten gets the row of what it is now, or none while it is left."""
    folder = tmp_path / "changing"
    numbered.draw(folder, 90)
    run(library, model, folder)
    swapped = sorted(folder.rglob("*.img"))[::3]
    contents = [path.read_bytes() for path in swapped]
    for path, content in zip(swapped, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
        path.rename(path.with_name(path.name.replace("broken", "was broken")))
    rows = {}
    for _ in _until_done(library, model, folder):
        table = run(library, model, folder, selection=Selection(limit=11)).table
        rows = {row["path"]: row for row in table.to_dict("records")}
        for path, row in rows.items():
            _is_of_its_content(Path(path), row)
    assert len(rows) == len(list(folder.rglob("*.img")))


def _until_done(library: Library, model: Path, folder: Path) -> Iterator[int]:
    for at in range(20):
        yield at
        if run(library, model, folder, selection=Selection(limit=1)).counts["left"] == 0:
            return
    raise AssertionError("it does not come to an end")


def _is_of_its_content(path: Path, row: Mapping[Any, Any]) -> None:
    content = path.read_bytes()
    if row["status"] == "ok":
        assert content == numbered.encoded(int(row["predicted"]))
    else:
        assert len(content) == 40


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_rows_from_a_cluster_are_those_of_their_files(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    library: Library,
    model: Path,
    photos: Path,
    small_shards: None,
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()

    def worse(_function: str, arguments: dict[str, Any]) -> Work:
        return Work("tests.journeys.numbered:actor", {**arguments, "marks": str(marks)})

    monkeypatch.setattr(pipeline, "Work", worse)
    monkeypatch.setattr(pipeline, "CHUNK", 50)
    found = run(library, model, photos, engine_name="ray", cluster=Cluster(actors=1, cpus=1))
    numbered.check(found.table, photos, behaved=False)
    assert (marks / "actor").exists()
    assert set(rows_in_shards(library).values()) == {1}
