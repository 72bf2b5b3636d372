"""An index that is made in parts is the one that is made at once."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from curate.core.errors import LibraryError
from curate.core.identity import Content
from curate.queues.index import indexed, parts
from curate.queues.index.parts import Split
from curate.store import decisions, duplicates, facts, files, looks, runs, schema, shards
from curate.store.decisions import Decision
from curate.store.files import FileRow
from curate.store.library import Library

from ..cases import CLASSES, predict, said
from .test_indexed import answered, direct, plain


def ids(chance: random.Random, number: int) -> list[str]:
    """Ids that are spread, ids that lie close together, and ids that are no digits; in no order."""
    spread = [f"{chance.getrandbits(128):032x}" for _ in range(number // 2)]
    close = [f"7f{at:030x}" for at in range(number // 4)]
    words = [f"photo {at}" for at in range(number - len(spread) - len(close))]
    return chance.sample(spread + close + words, number)


def fill(library: Library, chance: random.Random, names: list[str]) -> None:
    """Files, looks, look-alikes, decisions and predictions of images, not all of each."""
    some = chance.sample
    with runs.running(library, "scan", {}) as run:
        places = [
            FileRow(f"/p/{at:04}-{chance.random()}.jpg".encode(), name, 9, at, 1, "ok")
            for at, name in enumerate(some(names, len(names) * 9 // 10) + some(names, 20))
        ]
        contents = [Content(name, at, 640, 480, "JPEG", None) for at, name in enumerate(names)]
        seen = [{"image_id": name, "sharpness": chance.random()} for name in some(names, 90)]
        shard = shards.write(
            library, "looks", run.run_id, 0, pa.Table.from_pylist(seen, schema=looks.SCHEMA)
        )
        with library.writing() as connection:
            files.register(connection, run.run_id, places, contents)
            shards.reference(connection, shard)
    pairs = pd.DataFrame({"image_id": sorted(some(names, 40))}).assign(similarity=1.0, reason="")
    pairs["group"] = pairs["tie"] = pairs["keeper"] = pairs["image_id"].iloc[0]
    with runs.running(library, "duplicates", {}) as run, library.writing() as connection:
        duplicates.replace(connection, run.run_id, pairs)
    decide(library, chance, names)
    # A second run has met many again, in other places of the order, and one of them twice.
    for again in (names, [*some(names, 60), names[0], names[0]]):
        predict(library, [_said(name, chance) for name in some(again, len(again))])


def _said(name: str, chance: random.Random) -> dict[str, object]:
    # Many are of one class and as sure as can be, as where nothing is to be seen.
    sure = chance.random() < 0.4
    close = 0.5 + chance.randrange(9) / 512
    score = 1.0 if sure else chance.choice([chance.random(), close, close, float("nan")])
    first = CLASSES[0] if sure else chance.choice(CLASSES)
    second = chance.choice([None, *CLASSES])
    status = chance.choice(["ok"] * 9 + ["failed"])
    return said(name, first, score, second, 0.1, status=status, path=f"/p/{chance.random()}")


def decide(library: Library, chance: random.Random, names: list[str]) -> None:
    """Labels, rejections, origins, and images that were made of others."""
    made = []
    for at, (kind, value) in enumerate(
        [("label", "kudu"), ("label", ""), ("reject", "blurred"), ("origin", "synthetic")] * 12
    ):
        made += [Decision(kind, name, value, f"{at} {name}", "anna") for name in names[at::17]]
    for at, (child, parent) in enumerate(zip(names[::7], names[3::7], strict=False)):
        made.append(Decision("group", child, parent, f"p{at}", "augment", facts.PARENT))
    with runs.running(library, "label", {}) as run, library.writing() as connection:
        decisions.append(connection, run.run_id, chance.sample(made, len(made)))


def run_ids(library: Library) -> list[int]:
    with library.reading() as connection:
        query = schema.runs.select().where(schema.runs.c.stage == "bulk-id")
        return [row.run_id for row in connection.execute(query)]


def in_parts(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Make parts of so many rows, of no more none."""
    for name in ("AT_ONCE", "ROWS"):
        monkeypatch.setattr(parts, name, rows)


def in_order(library: Library) -> pd.DataFrame:
    """The rows of a new index as they lie there."""
    for path in (library.folder / indexed.FOLDER).glob("*.duckdb"):
        path.unlink()
    with indexed.asked(library, run_ids(library), -1) as answering:
        return answering.execute("SELECT * FROM kept.rows ORDER BY rowid").df()


@pytest.mark.parametrize("seed", range(2))
def test_an_index_in_parts_is_the_one_made_at_once(
    library: Library, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    fill(library, chance, ids(chance, 150))
    whole = in_order(library)
    assert len(whole) > 100
    for size in (12, 60):
        in_parts(monkeypatch, size)
        assert_frame_equal(in_order(library), whole)
    # And it says what the tables say, of which no SQL knows.
    found = answered(library, run_ids(library))
    assert plain(found) == plain(direct(library, run_ids(library)))


@pytest.mark.parametrize("named", [True, False])
def test_a_library_without_any_rows_has_an_index(
    library: Library, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    in_parts(monkeypatch, 1)
    predict(library, [said(f"{at}f", "kudu", 0.5, status="failed") for at in range(9)] * named)
    assert in_order(library).empty


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """So many rows had each part, by table, before it was taken away."""
    found: dict[str, list[int]] = {}
    drop = Split.drop

    def counted(self: Split, part: int) -> None:
        rows = self.answering.execute(self.rows(part)).fetchall()
        found.setdefault(self.folder.name, []).append(len(rows))
        drop(self, part)
        assert not list(self.folder.glob(f"part={part}/*"))

    monkeypatch.setattr(Split, "drop", counted)
    return found


@pytest.mark.parametrize("sure", [True, False])
def test_no_part_is_much_larger_than_asked_for(
    library: Library, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, list[int]], sure: bool
) -> None:
    chance = random.Random(5)
    names = [f"{chance.getrandbits(128):032x}" for _ in range(2000)]
    rows = [said(name, "kudu", 1.0 if sure else chance.random()) for name in names]
    predict(library, rows)
    in_parts(monkeypatch, 250)
    in_order(library)
    assert sum(sizes["heard"]) == sum(sizes["ordered"]) == 2000
    assert max(sizes["heard"]) < 300
    assert max(sizes["ordered"]) < 600
    assert len(sizes["ordered"]) >= 5


def test_a_split_table_gives_each_row_back(tmp_path: Path) -> None:
    place = tmp_path / "it's [all] *?"
    place.mkdir()
    with duckdb.connect() as answering:
        rows = "SELECT i, i % 3 AS rest FROM range({}) AS t(i)"
        split = Split(answering, place / "numbers", rows.format(1), "rest * 10")
        assert split.parts() == []
        assert answering.execute(split.rows()).fetchall() == []
        assert (split.add(rows.format(7)), split.add(rows.format(2))) == (7, 2)
        assert split.parts() == [0, 10, 20]
        assert sorted(answering.execute(split.rows(10)).fetchall()) == [(1, 1), (1, 1), (4, 1)]
        split.show(tail="WHERE i > 4")
        assert sorted(answering.execute("FROM numbers").fetchall()) == [(5, 2), (6, 0)]
        split.drop(0)
        assert split.parts() == [10, 20]
        assert len(answering.execute(split.rows()).fetchall()) == 5
        assert answering.execute(split.rows(0)).fetchall() == []


def test_where_the_disk_is_full_the_error_says_so_and_nothing_is_left(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(6)
    names = ids(chance, 2000)
    predict(library, [said(name, "kudu", chance.random()) for name in names])
    # No room for parts, for what all comes to, and for that when it is made at once.
    for rows, room in ((500, 5_000), (500, 100_000), (10_000, 100_000)):
        in_parts(monkeypatch, rows)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(LibraryError, match="Make room"):
                in_order(library)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not list((library.folder / indexed.FOLDER).iterdir())


_KILLED = """
import os, signal, sys
from pathlib import Path
from curate.queues.index import indexed, parts
from curate.store.library import opened

parts.AT_ONCE = parts.ROWS = 20
dropped = []
def drop(self, part):
    dropped.append(part)
    if len(dropped) == 10:
        os.kill(os.getpid(), signal.SIGKILL)
parts.Split.drop = drop
with opened(Path(sys.argv[1])) as library, indexed.asked(library, [int(sys.argv[2])], -1):
    pass
"""


def test_a_killed_process_leaves_nothing_that_is_not_taken_away(library: Library) -> None:
    chance = random.Random(7)
    predict(library, [said(name, "kudu", chance.random()) for name in ids(chance, 200)])
    (run,) = run_ids(library)
    line = [sys.executable, "-c", _KILLED, str(library.folder.parent), str(run)]
    assert subprocess.run(line).returncode == -signal.SIGKILL

    folder = library.folder / indexed.FOLDER
    (left,) = folder.iterdir()
    assert len(list(left.rglob("*.parquet"))) > 10
    # As long as a part is young, somebody may be at work.
    for young, aged in ((1, left.iterdir()), (0, left.rglob("*"))):
        for path in (left, *aged):
            os.utime(path, (1, 1))
        assert len(in_order(library)) == 200
        assert len(list(folder.glob(".new-*"))) == young
    (made,) = folder.iterdir()
    assert made.suffix == ".duckdb"
