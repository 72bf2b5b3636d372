"""What every recipe keeps, over libraries that nobody wrote by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from curate.queues.candidates import candidates
from curate.queues.recipe import QUEUE_COLUMNS, compose
from curate.queues.recipes import RECIPES

from .cases import SCHEMA, Case, cases

laws = settings(max_examples=50, deadline=None)
names = st.sampled_from(sorted(RECIPES))


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for all examples; each lays its own views over those of the last."""
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def made(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case, *, narrowed: bool = True
) -> pd.DataFrame:
    recipe = RECIPES[name]
    tail = recipe.narrow(case.aim) if narrowed else ("", [])
    shown = pa.Table.from_pandas(case.predictions, schema=SCHEMA, preserve_index=False)
    duck.register("predictions", shown)
    duck.register("images", pa.Table.from_pandas(case.images, preserve_index=False))
    found = candidates(duck, case.run_ids, case.aim.filters, tail)
    return compose(recipe, found, case.aim)


def last_said(case: Case) -> pd.DataFrame:
    """The prediction that counts, by image: the last by run, then by path."""
    rows = case.predictions
    rows = rows[(rows["status"] == "ok") & rows["run_id"].isin(case.run_ids)]
    ordered = rows.sort_values(["run_id", "path"])
    return ordered.drop_duplicates("image_id", keep="last").set_index("image_id")


@laws
@given(name=names, case=cases())
def test_the_shape_is_exact_and_every_image_comes_once_with_a_reason(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    queue = made(duck, name, case)

    assert tuple(queue.columns) == QUEUE_COLUMNS
    assert queue["image_id"].is_unique
    assert len(queue) <= case.aim.filters.limit
    assert (queue["reason"].str.len() > 0).all()
    assert (queue["label"] == "").all()
    assert queue["score"].dtype == queue["second_score"].dtype == "float64"


@laws
@given(name=names, case=cases())
def test_every_image_passes_the_filters(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    queue, filters = made(duck, name, case), case.aim.filters

    assert filters.class_ == "" or (queue["predicted"] == filters.class_).all()
    assert filters.min_score is None or (queue["score"] >= filters.min_score).all()
    assert filters.max_score is None or (queue["score"] <= filters.max_score).all()


@laws
@given(name=names, case=cases())
def test_no_decided_or_unusable_image_comes_back(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    known = case.images.set_index("image_id")
    queue = made(duck, name, case)

    assert set(queue["image_id"]) <= set(known.index)
    assert known.loc[queue["image_id"], "usable"].all()
    if not case.aim.filters.labelled:
        assert known.loc[queue["image_id"], "label"].isna().all()


@laws
@given(name=names, case=cases())
def test_what_counts_is_the_last_thing_said_in_these_runs(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    queue = made(duck, name, case)
    expected = last_said(case).loc[queue["image_id"]]

    for column in ("predicted", "score", "second", "second_score"):
        got = queue[column].astype(object).where(queue[column].notna(), None)
        want = expected[column].astype(object).where(expected[column].notna(), None)
        assert list(got) == list(want)


@laws
@given(name=names, case=cases(), seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case, seed: int
) -> None:
    shuffled = replace(
        case,
        predictions=case.predictions.sample(frac=1, random_state=seed),
        images=case.images.sample(frac=1, random_state=seed),
        aim=replace(case.aim, classes=case.aim.classes.sample(frac=1, random_state=seed)),
    )

    assert_frame_equal(made(duck, name, case), made(duck, name, shuffled))


@laws
@given(name=names, case=cases())
def test_narrowing_never_changes_a_queue(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    assert_frame_equal(made(duck, name, case), made(duck, name, case, narrowed=False))


@laws
@given(name=names, case=cases())
def test_a_shorter_queue_is_the_beginning_of_a_longer_one(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    wider = replace(case, aim=replace(case.aim, filters=replace(case.aim.filters, limit=500)))
    short, long = made(duck, name, case), made(duck, name, wider)

    assert_frame_equal(short, long.head(case.aim.filters.limit))
    assert len(short) == min(len(long), case.aim.filters.limit)
