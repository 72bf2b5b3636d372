"""Bulk identification on a cluster of two nodes, one of which is cut off in the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from curate.bulk_id import Identified, pipeline, verb
from curate.bulk_id.pipeline import answered_on
from curate.engine import Computed, Work
from curate.engine.cluster import Cluster
from curate.store import shards
from curate.store.check import faults
from curate.store.library import Library, opened
from tests.bulk_id.made import checkpoint, identified, photos, saved

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install 'curate[ray]'", allow_module_level=True)

from tests.engine.test_cluster import Nodes, nodes, second

__all__ = ["nodes", "second"]  # fixtures: two raylets, each a process of its own

pytestmark = pytest.mark.timeout(180)

FILES = 240
CHUNK = 8
OTHERS = 7
"""Copies of a photo, and files that are none."""


def pool_of(folder: Path) -> Path:
    """Photos, one of them three times, and files that are none."""
    made = photos(folder, FILES)
    for name in ("copy", "another"):
        (folder / f"{name}.jpg").write_bytes(made[9].read_bytes())
    for number in range(5):
        (folder / f"{number}0 broken.jpg").write_bytes(made[number].read_bytes()[:90])
    return folder


def committed(library: Library) -> Counter[tuple[str, str]]:
    """How often each (image_id, path) lies in the shards that count."""
    with library.reading() as connection:
        parts = shards.paths(library, shards.referenced(connection, "predictions"))
    tables = [pq.read_table(part, columns=["image_id", "path"]).to_pylist() for part in parts]
    return Counter((row["image_id"], row["path"]) for table in tables for row in table)


def check(library: Library, found: Identified, local: pd.DataFrame) -> None:
    """Compare with the local rows; every file that is an image has one row in the shards."""
    pd.testing.assert_frame_equal(local, found.table, atol=1e-5)
    fine = local[local["status"] == "ok"]
    assert committed(library) == Counter(zip(fine["image_id"], fine["path"], strict=True))
    assert faults(library) == []


def as_soon_as(ready: Callable[[], bool], act: Callable[[], None]) -> Any:
    """Stand in for `answered_on`: something happens once, when it is time."""

    def answers(*arguments: Any, many: bool) -> Generator[Computed, None, None]:
        blocks = answered_on(*arguments, many=many)
        waiting = True
        try:
            for block in blocks:
                yield block
                if waiting and ready():
                    waiting = False
                    act()
        finally:
            blocks.close()
        assert not waiting, "it never was time"

    return answers


def test_a_node_killed_after_the_first_shard_costs_no_row(
    monkeypatch: pytest.MonkeyPatch, nodes: Nodes, second: Any, library: Library, tmp_path: Path
) -> None:
    model, pool = saved(checkpoint(), tmp_path / "ckpt.pt"), pool_of(tmp_path / "pool")
    notes = tmp_path / "notes"
    notes.mkdir()

    def noted(_function: str, arguments: dict[str, Any]) -> Work:
        return Work("tests.journeys.noted:actor", {**arguments, "notes": str(notes)})

    monkeypatch.setattr(verb, "ROWS", 2 * CHUNK)
    with opened(tmp_path / "local", make=True) as alone:
        local = identified(alone, model, [pool]).table
    left = []

    def cut() -> None:
        left.append(FILES - sum(committed(library).values()))
        nodes.kill(second)

    both = as_soon_as(lambda: len(list(notes.iterdir())) == 2 and bool(committed(library)), cut)
    cluster = Cluster(nodes.address, cpus=1)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "CHUNK", CHUNK)
        patch.setattr(pipeline, "Work", noted)
        patch.setattr(verb, "answered_on", both)
        found = identified(library, model, [pool], engine_name="ray", cluster=cluster)
    assert left[0] > 4 * CHUNK, "the node was killed before the end"
    assert found.counts["computed"] == len(local) == FILES + OTHERS
    check(library, found, local)

    # Nothing is left to do on the cluster, and this machine goes on with what comes later.
    again = identified(library, model, [pool], engine_name="ray", cluster=cluster)
    assert again.counts["computed"] == 0
    check(library, again, local)
    photos(pool, 3, first=FILES)
    later = identified(library, model, [pool])
    assert (later.counts["computed"], later.counts["found"]) == (3, FILES + OTHERS + 3)
    known = later.table[later.table["path"].isin(local["path"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(local, known, atol=1e-5)
