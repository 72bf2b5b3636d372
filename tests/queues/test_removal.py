"""Mass removal: buckets to look at, and a plan that leaves out what somebody wants."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from curate.cleanup import plans
from curate.core.errors import InputError
from curate.formats.tables import read_records
from curate.queues.removal import CLEANUP_COLUMNS, buckets, cleanup_plan
from curate.queues.removing import sheets, write_cleanup
from curate.scan import scan
from curate.store import files
from curate.store.library import Library

from ..conftest import MakePhoto
from ..store.made import decide, said


def test_a_queue_is_parted_by_score_in_its_order() -> None:
    queue = pd.DataFrame({"image_id": list("dcbae"), "score": [0.02, 0.1, 0.25, 0.21, 0.9]})
    parts = buckets(queue, [0.1, 0.2, 0.3])

    assert list(parts) == [(0.0, 0.1), (0.2, 0.3)]
    assert [list(part["image_id"]) for part in parts.values()] == [["d", "c"], ["b", "a"]]
    assert buckets(queue.head(0)) == {}


def test_every_file_of_an_image_is_in_the_plan_in_the_order_of_the_queue() -> None:
    queue = pd.DataFrame({"image_id": ["b", "a", "x"], "score": [0.1, 0.2, 0.3], "reason": "why"})
    queue["predicted"] = ["kudu", "zebra", None]
    places = [("/2", "b", 5), ("/1", "b", 5), ("/3", "a", 7), ("/4", "other", 9)]
    plan = cleanup_plan(queue, pd.DataFrame(places, columns=["path", "image_id", "bytes"]))

    assert tuple(plan.columns) == CLEANUP_COLUMNS
    assert plan["path"].to_list() == ["/1", "/2", "/3"]
    assert plan["score"].to_list() == [0.1, 0.1, 0.2]
    assert plan["bytes"].to_list() == [5, 5, 7]
    assert plan["predicted"].to_list() == ["kudu", "kudu", "zebra"]
    assert set(plan["rule"]) == {"low-score"}


@pytest.fixture
def queue(library: Library, photo: MakePhoto, tmp_path: Path) -> pd.DataFrame:
    """Scan three photos, one of them twice; a queue of two."""
    for name, seed in (("a", 1), ("copy of a", 1), ("b", 2), ("c", 3)):
        photo(f"pool/{name}.jpg", seed)
    scan(library, tmp_path / "pool", backend="serial")
    with library.reading() as connection:
        table = files.one_path_each(connection)
    ids = {Path(path).stem: name for path, name in table[["path", "image_id"]].to_numpy()}
    rows = [(ids["b"], 0.05, "kudu"), (ids["a"], 0.15, "zebra")]
    return pd.DataFrame(rows, columns=["image_id", "score", "predicted"]).assign(reason="low")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_plan_is_written_and_no_file_is_touched(
    library: Library, queue: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    place = tmp_path / f"plan{suffix}"
    plan = write_cleanup(library, queue, place)

    names = [Path(path).name for path in plan["path"]]
    assert names == ["b.jpg", "a.jpg", "copy of a.jpg"]
    assert all(
        Path(path).stat().st_size == size
        for path, size in zip(plan["path"], plan["bytes"], strict=True)
    )
    records = [record for _, record in read_records(place, "a plan")]
    assert records[0] == list(CLEANUP_COLUMNS)
    assert [record[1] for record in records[1:]] == plan["path"].to_list()
    assert len(list((tmp_path / "pool").iterdir())) == 4
    read = plans.read(library, place)
    assert read.table["path"].to_list() == plan["path"].to_list()
    assert (read.policy, read.run_id) == ("", 0)


def test_what_somebody_wants_is_in_no_plan(
    library: Library, queue: pd.DataFrame, tmp_path: Path
) -> None:
    decide(library, said("label", str(queue["image_id"][0]), "unknown"))
    plan = write_cleanup(library, queue, tmp_path / "plan.csv")
    assert [Path(path).name for path in plan["path"]] == ["a.jpg", "copy of a.jpg"]


def test_another_suffix_is_refused(library: Library, queue: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Name it \.csv or \.parquet"):
        write_cleanup(library, queue, tmp_path / "plan.xlsx")


def test_each_bucket_has_its_sheet(library: Library, queue: pd.DataFrame) -> None:
    drawn = dict(sheets(library, queue))

    assert list(drawn) == ["0-0.1", "0.1-0.2"]
    assert all(page.startswith(b"\xff\xd8") for page in drawn.values())
