"""What is counted, drawn and compared when the index is made still holds after decisions."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from curate.core.errors import LibraryError
from curate.core.losses import THRESHOLDS
from curate.queues.index import indexed
from curate.queues.index.compared import compare
from curate.queues.index.sampled import sampled
from curate.queues.index.totals import totals
from curate.store.library import Library

from ..cases import predict, said
from .test_indexed import NAMES, World, answered

DECIDED = ("label", "reject", "label", "origin", "parent")


@pytest.fixture
def world(library: Library) -> World:
    """A library with predictions of all images, by two models."""
    made, chance = World(library), random.Random(3)
    for what in ("scan", "scan", "scan", "scan", "alike"):
        made.do(what, chance)
    predict(library, [_said(name, chance) for name in NAMES], "m2")
    predict(library, [_said(name, chance) for name in NAMES])
    return made


def _said(name: str, chance: random.Random) -> dict[str, object]:
    classes = chance.sample(["kudu", "zebra"], 2)
    score = chance.randint(1, 20) / 20
    return said(name, classes[0], score, classes[1], 0.1, path=f"/p/{name}a.jpg")


@pytest.mark.parametrize("small", [-1, 1000])
def test_totals_samples_and_what_differs_follow_decisions(
    library: Library, world: World, small: int
) -> None:
    other, own = world.run_ids()
    chance = random.Random(7)
    for what in ("", *DECIDED):
        if what:
            world.do(what, chance)
        with indexed.asked(library, [own], small) as answering:
            every = answering.execute("SELECT * FROM everything").df()
            counted, drawn = totals(answering), sampled(answering)
            compare(library, answering, [other])
            differing = answering.execute(
                "SELECT image_id, other, other_score FROM everything JOIN compared USING (place)"
            ).df()
        pool = every[every["label"].isna() & ~every["rejected"].astype(bool)]
        assert dict(zip(counted["predicted"], counted["images"], strict=True)) == dict(
            pool["predicted"].value_counts()
        )
        for at, edge in enumerate(THRESHOLDS):
            assert counted[f"up_to_{at}"].sum() == (pool["score"] <= edge).sum()
        kept = every[~every["rejected"].astype(bool)]
        assert sorted(drawn["image_id"]) == sorted(kept["image_id"])
        assert set(drawn.loc[drawn["label"].isna(), "image_id"]) == set(pool["image_id"])
        assert rows(differing) == rows(_differing(library, every, other))


def _differing(library: Library, every: pd.DataFrame, other: int) -> pd.DataFrame:
    theirs = answered(library, [other]).set_index("image_id")[["predicted", "score"]]
    both = every.join(theirs.add_prefix("other_"), on="image_id", how="inner")
    return both.loc[
        both["other_predicted"] != both["predicted"], ["image_id", "other_predicted", "other_score"]
    ]


def rows(table: pd.DataFrame) -> set[tuple[object, ...]]:
    return set(table.itertuples(index=False, name=None))


def test_what_differs_is_found_once(library: Library, world: World) -> None:
    other, own = world.run_ids()
    folder = library.folder / indexed.FOLDER
    written = set()
    for _ in range(2):
        with indexed.asked(library, [own], -1) as answering:
            compare(library, answering, [other])
        (kept,) = folder.glob("*~*.parquet")
        written.add(kept.stat().st_mtime_ns)
    assert len(written) == 1


def test_an_index_that_another_process_holds_is_not_taken_away(
    library: Library, world: World
) -> None:
    run_ids = world.run_ids()[1:]
    answered(library, run_ids)
    (index,) = (library.folder / indexed.FOLDER).glob("*.duckdb")
    holding = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(LibraryError, match="cannot be opened"):
            answered(library, run_ids)
        assert index.exists()
        process.communicate(b"\n")
    assert len(answered(library, run_ids)) > 0
    assert Path(index).exists()
