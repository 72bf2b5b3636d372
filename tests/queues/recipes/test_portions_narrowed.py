"""What SQL counts of the images that it leaves out, and what it leaves out."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from curate.queues.filters.filters import Filters
from curate.queues.recipes import portions

from ..cases import BESIDE, CANDIDATES, EXTRA, candidates, said

LACKING = pd.DataFrame(
    {"real": [38, 30], "unit": "images", "short": [2, 10], "wanted": [2, 10]},
    index=["gazelle", "kudu"],
)


def narrowed(table: pd.DataFrame, filters: Filters) -> pd.DataFrame:
    tail, values = portions.narrowed(LACKING, filters)
    with duckdb.connect() as duck:
        duck.register("pool", pa.Table.from_pandas(table, CANDIDATES, preserve_index=False))
        found: pd.DataFrame = duck.execute(
            f"WITH candidates AS (SELECT *, {EXTRA} FROM pool), {BESIDE} "
            f"SELECT * FROM candidates {tail}",
            values,
        ).df()
    return found.sort_values("image_id", ignore_index=True)


def many(number: int, score: float) -> pd.DataFrame:
    return candidates(*(said(f"{n:03d}", "gazelle", score - n / 1e4) for n in range(number)))


def test_it_counts_what_it_leaves_out() -> None:
    table = many(100, 0.5)

    found = narrowed(table, Filters(limit=6))

    # 5 images cover the 2 that are wanted; of two portions, the queue has room for the first 6.
    assert list(found["image_id"]) == [f"{n:03d}" for n in range(6)]
    assert set(found["peers"]) == {100}
    assert set(found["looks"]) == {5}
    assert found["total"][0] / (1 << 32) == pytest.approx(table["score"].sum())


def test_a_portion_that_is_larger_than_the_queue_is_counted_all_the_same() -> None:
    found = narrowed(many(100, 0.5), Filters(limit=2))

    assert list(found["image_id"]) == [f"{n:03d}" for n in range(5)]
    assert set(found["looks"]) == {5}


def test_equals_of_the_last_that_can_be_reached_come_too() -> None:
    table = candidates(*(said(f"{n:03d}", "gazelle", 1 - n // 5 / 10) for n in range(30)))

    found = narrowed(table, Filters(limit=6))

    assert list(found["image_id"]) == [f"{n:03d}" for n in range(10)]


def test_a_class_with_too_few_candidates_is_one_portion() -> None:
    found = narrowed(many(3, 0.5), Filters(limit=3))

    assert len(found) == 3
    assert found["looks"].isna().all()


def test_images_that_look_alike_do_not_use_up_the_room() -> None:
    alike = [said(f"{n:03d}", "gazelle", 0.9 - n / 1e4, group="000") for n in range(20)]
    others = [said(f"{n:03d}", "gazelle", 0.5 - n / 1e4) for n in range(20, 30)]

    found = narrowed(candidates(*alike, *others), Filters(limit=2))

    assert "020" in set(found["image_id"])


@pytest.mark.parametrize(
    ("filters", "most"),
    [
        (Filters(limit=6, per_class=1), 1),
        (Filters(limit=6, sort="score"), 6),
        (Filters(limit=1, diverse=True), 10),
    ],
)
def test_no_filter_brings_more_than_it_can_need(filters: Filters, most: int) -> None:
    assert len(narrowed(many(100, 0.5), filters)) == most


def test_what_is_sorted_keeps_its_place_in_the_queue() -> None:
    found = narrowed(many(100, 0.5), Filters(limit=2, sort="score"))

    assert sorted(found["before_it"]) == [98, 99]


def test_the_second_class_counts_where_it_is_close_and_the_first_lacks_nothing() -> None:
    found = narrowed(
        candidates(
            said("a", "zebra", 0.5, "kudu", 0.4),
            said("b", "zebra", 0.7, "kudu", 0.2),
            said("c", "gazelle", 0.5, "kudu", 0.4),
            said("d", "kudu", 0.5, origin="staged"),
            said("e", "kudu", 0.5, label="kudu"),
            said("f", "zebra", 0.9),
        ),
        Filters(),
    )

    assert list(found["image_id"]) == ["a", "c"]
    assert list(found["peers"]) == [1, 1]
    assert list(np.round(found["total"] / (1 << 32), 3)) == [0.4, 0.5]


def test_of_images_that_look_alike_those_that_sort_behind_come_too() -> None:
    # The better one stays, though the other one is sorted to the front.
    behind = said("900", "gazelle", 0.9, group="000", taken="2026-09-09")
    before = said("901", "gazelle", 0.3, group="000", taken="2026-01-01")
    others = [said(f"{n:03d}", "gazelle", 0.5, taken=f"2026-02-{n:02d}") for n in range(1, 20)]
    found = narrowed(candidates(behind, before, *others), Filters(limit=2, sort="taken"))
    assert {"900", "901"} < set(found["image_id"])
    every = narrowed(
        candidates(behind, before, *others), Filters(limit=2, sort="taken", one_per_group=False)
    )
    assert "900" not in set(every["image_id"])
