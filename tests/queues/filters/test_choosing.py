"""What is taken from a queue in its order, and that SQL takes the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.errors import LibraryError
from curate.queues.filters import bounds, choosing
from curate.queues.filters.choosing import choose, diverse, foremost, one_per_group, per_class, sort
from curate.queues.filters.filters import Filters

from ..cases import CANDIDATES, CLASSES, EXTRA, candidates, features, said

laws = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def queue(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """A queue by hand: image, group, topic, score."""
    made = [said(image, "kudu", score, group=group) for image, group, _, score in rows]
    return candidates(*made).assign(topic=[topic for _, _, topic, _ in rows])


def ids(table: pd.DataFrame) -> list[str]:
    return list(table["image_id"])


def test_of_images_that_look_alike_the_first_stays() -> None:
    ordered = queue(
        ("c", "g", "", 0.5), ("a", "g", "", 0.9), ("b", "b", "", 0.1), ("d", "g", "", 0)
    )
    assert ids(one_per_group(ordered)) == ["c", "b"]


def test_an_image_without_a_group_is_alike_to_no_other() -> None:
    ordered = queue(("a", "a", "", 0.5), ("b", "b", "", 0.9)).assign(group=None)
    assert ids(one_per_group(ordered)) == ["a", "b"]


def test_each_topic_has_its_share_and_without_topics_each_class() -> None:
    ordered = queue(*((f"{topic}{n}", "g", topic, 0.5) for n in range(3) for topic in "xy"))
    assert ids(per_class(ordered, 2)) == ["x0", "y0", "x1", "y1"]

    untold = ordered.assign(topic="", predicted=["kudu"] * 3 + ["zebra"] * 3)
    assert ids(per_class(untold, 1)) == ["x0", "y1"]


def test_sorting_keeps_equals_in_the_order_of_the_queue_and_nothing_last() -> None:
    ordered = queue(
        ("a", "", "", 0.5), ("b", "", "", float("nan")), ("c", "", "", 0.1), ("d", "", "", 0.5)
    )
    assert ids(sort(ordered, "score")) == ["c", "a", "d", "b"]
    assert ids(sort(ordered, "-score")) == ["a", "d", "c", "b"]
    days: list[Any] = [None, "2026-01-01", None, "2025-01-01"]
    dated = ordered.assign(taken=days)
    assert ids(sort(dated, "taken")) == ["d", "b", "a", "c"]
    assert ids(sort(dated, "-path")) == ["d", "c", "b", "a"]


def test_diverse_images_start_with_the_first_and_go_to_the_farthest() -> None:
    ordered = queue(*((name, name, "", 0.5) for name in "abcde"))
    vectors = features(a=(1, 0), b=(1, 0.01), c=(0, 1), d=(1, 0.02), e=(-1, 0))
    assert ids(diverse(ordered, 3, vectors)) == ["a", "e", "c"]
    assert ids(diverse(ordered, 1, vectors)) == ["a"]
    assert ids(diverse(ordered, 9, vectors))[:3] == ["a", "e", "c"]


def test_images_without_features_follow_those_that_have_some() -> None:
    ordered = queue(*((name, name, "", 0.5) for name in "abcd"))
    vectors = features(b=(1, 0), d=(0, 1))
    assert ids(diverse(ordered, 3, vectors)) == ["b", "d", "a"]
    nowhere = features(a=(0, 0), b=(float("nan"), 1), c=(1, 0), d=(0, 1))
    assert sorted(ids(diverse(ordered, 4, nowhere))) == ["a", "b", "c", "d"]


def test_diverse_images_are_of_the_beginning_of_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "POOL", 2)
    ordered = queue(*((name, name, "", 0.5) for name in "abcde"))
    vectors = features(a=(1, 0), b=(0.9, 0.1), c=(0.7, 0.3), d=(0.5, 0.5), e=(-1, 0))
    assert ids(diverse(ordered, 2, vectors)) == ["a", "d"]


@pytest.mark.parametrize("vectors", [None, features()])
def test_without_embeddings_nobody_knows_what_is_unlike(vectors: pd.DataFrame | None) -> None:
    with pytest.raises(LibraryError, match=r"--diverse.*bulk-id --embeddings"):
        choose(queue(("a", "a", "", 0.5)), Filters(diverse=True), vectors)


def test_an_empty_queue_stays_one() -> None:
    asked = Filters(per_class=1, diverse=True, sort="-taken")
    assert choose(candidates().assign(topic=pd.Series(dtype=str)), asked, features()).empty


def test_the_order_is_groups_then_classes_then_diverse_then_sorting() -> None:
    rows = queue(
        *(("a", "1", "x", 0.5), ("b", "1", "x", 0.9), ("c", "3", "x", 0.8), ("d", "4", "x", 0.1)),
        *(("e", "5", "y", 0.2), ("f", "6", "y", 0.4)),
    )
    assert ids(choose(rows, Filters(per_class=2))) == ["a", "c", "e", "f"]
    assert ids(choose(rows, Filters(per_class=2, one_per_group=False))) == ["a", "b", "e", "f"]
    assert ids(choose(rows, Filters(per_class=2, sort="score", limit=3))) == ["e", "f", "a"]
    vectors = features(a=(1, 0), c=(0.5, 0.5), e=(1, 0.1), f=(-1, 0), b=(1, 0), d=(1, 0))
    unlike = Filters(per_class=2, diverse=True, limit=2)
    assert ids(choose(rows, unlike, vectors)) == ["a", "f"]
    assert ids(choose(rows, replace(unlike, sort="score"), vectors)) == ["f", "a"]


@st.composite
def drawn(draw: st.DrawFn) -> pd.DataFrame:
    """A table of candidates: few groups, scores and classes, so that ties are common."""
    rows = []
    for number in range(draw(st.integers(0, 12))):
        image = f"{number:02d}"
        rows.append(
            said(
                image,
                draw(st.sampled_from(CLASSES[:2])),
                draw(st.sampled_from([0.1, 0.2, 0.3])),
                group=draw(st.sampled_from([image, image, "00", "05", "other"])),
                novelty=draw(st.sampled_from([None, float("nan"), 1.0, 2.0])),
                taken=draw(st.sampled_from([None, "2026-05-31T10:00:00", "2025-01-01T00:00:00"])),
                width=draw(st.sampled_from([10, 20])),
                bytes=draw(st.sampled_from([1, 2**40])),
            )
        )
    return candidates(*rows)


asked = st.builds(
    Filters,
    limit=st.sampled_from([1, 2, 4, 500]),
    one_per_group=st.booleans(),
    per_class=st.none() | st.integers(1, 3),
    sort=st.sampled_from(["", *bounds.NAMES["sort"]]),
    diverse=st.booleans(),
)


def by_score(table: pd.DataFrame) -> pd.DataFrame:
    """The order of a simple recipe; SQL says it as ``score DESC, image_id``."""
    return table.sort_values(["score", "image_id"], ascending=[False, True]).assign(topic="")


def unit(table: pd.DataFrame) -> pd.DataFrame:
    """A direction for every image, the same whatever the others are."""
    angles = [0.7 * int(image) for image in table["image_id"]]
    return features(**{i: (np.cos(a), np.sin(a)) for i, a in zip(ids(table), angles, strict=True)})


@laws
@given(table=drawn(), filters=asked)
def test_choosing_takes_some_rows_and_adds_none(table: pd.DataFrame, filters: Filters) -> None:
    ordered = by_score(table)
    chosen = choose(ordered, filters, unit(table))

    assert len(chosen) <= filters.limit
    assert chosen["image_id"].is_unique
    assert set(ids(chosen)) <= set(ids(ordered))
    pd.testing.assert_frame_equal(chosen, ordered.loc[chosen.index])
    if filters.one_per_group:
        assert chosen["group"].is_unique
    if filters.per_class is not None:
        assert (chosen.groupby("predicted").size() <= filters.per_class).all()
    if not filters.sort and not filters.diverse:
        assert list(chosen.index) == [place for place in ordered.index if place in chosen.index]
    if not filters.diverse:
        # Whatever was left out had to be.
        longer = choose(ordered, replace(filters, limit=500), unit(table))
        assert ids(chosen) == ids(longer)[: filters.limit]


@laws
@given(table=drawn(), filters=asked)
def test_as_many_are_taken_as_there_can_be(table: pd.DataFrame, filters: Filters) -> None:
    kept: list[dict[str, Any]] = []
    for row in by_score(table).to_dict("records"):
        alike = filters.one_per_group and any(row["group"] == one["group"] for one in kept)
        if not alike:
            kept.append({str(name): value for name, value in row.items()})
    most = 500 if filters.per_class is None else filters.per_class
    each = pd.Series([row["predicted"] for row in kept], dtype=object).value_counts()

    chosen = choose(by_score(table), filters, unit(table))
    assert len(chosen) == min(filters.limit, int(each.clip(upper=most).sum()))


@laws
@given(table=drawn(), filters=asked)
def test_sql_hands_over_what_is_chosen(
    duck: duckdb.DuckDBPyConnection, table: pd.DataFrame, filters: Filters
) -> None:
    duck.register("pool", pa.Table.from_pandas(table, schema=CANDIDATES, preserve_index=False))
    tail, values = foremost("-score", filters)
    handed = duck.execute(
        f"WITH candidates AS (SELECT *, {EXTRA} FROM pool) FROM candidates {tail}", values
    ).df()

    most = filters.limit * (choosing.POOL if filters.diverse else 1)
    assert len(handed) <= most
    chosen = choose(by_score(handed), filters, unit(handed))
    assert ids(chosen) == ids(choose(by_score(table), filters, unit(table)))
