"""What every recipe keeps, over libraries that nobody wrote by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from curate.core.errors import InputError
from curate.queues.recipe import QUEUE_COLUMNS, Recipe, compose, unsaid
from curate.queues.recipes import RECIPES

from .cases import BESIDE, CANDIDATES, EXTRA, Case, cases

OTHER = pa.schema([("image_id", pa.string()), ("predicted", pa.string()), ("score", pa.float64())])
COMPARED = """
compared AS (
    SELECT place, told.predicted AS other, told.score AS other_score
    FROM candidates JOIN told USING (image_id) WHERE told.predicted <> candidates.predicted
)
"""

laws = settings(max_examples=20, deadline=None)
names = st.sampled_from(sorted(RECIPES))


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for all examples; each lays its own views over those of the last."""
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def found(
    duck: duckdb.DuckDBPyConnection, case: Case, tail: str, values: list[object]
) -> pd.DataFrame:
    """What the filters and a recipe's `narrow` let through."""
    duck.register("pool", pa.Table.from_pandas(case.pool, CANDIDATES, preserve_index=False))
    duck.register("classes", pa.Table.from_pandas(case.aim.classes, preserve_index=False))
    conditions, bound = case.aim.filters.conditions()
    inner = f"SELECT *, {EXTRA} FROM pool WHERE {' AND '.join(conditions) or 'true'}"
    told = case.aim.other
    assert told is not None
    duck.register(
        "told", pa.Table.from_pandas(told[list(OTHER.names)], OTHER, preserve_index=False)
    )
    query = f"WITH candidates AS ({inner}), {BESIDE}, {COMPARED} SELECT * FROM candidates {tail}"
    return duck.execute(query, [*bound, *values]).df()


def made(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case, *, narrowed: bool = True
) -> pd.DataFrame:
    recipe = RECIPES[name]
    case = asked(recipe, case)
    try:
        tail, values = recipe.narrow(case.aim) if narrowed else ("", [])
        return compose(recipe, found(duck, case, tail, values), case.aim)
    except InputError:
        # A recipe may refuse to work without features, or for a class of which nothing is known.
        reject()


def asked(recipe: Recipe, case: Case) -> Case:
    """Ask as the verb does: a recipe about decided images sees them."""
    filters = replace(case.aim.filters, labelled=case.aim.filters.labelled or recipe.decided)
    return replace(case, aim=replace(case.aim, filters=filters))


@settings(max_examples=40, deadline=None)
@given(name=names, case=cases())
def test_a_queue_is_what_it_promises_to_be(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case
) -> None:
    queue, filters, recipe = made(duck, name, case), case.aim.filters, RECIPES[name]

    # Its shape is exact, and every image comes once, with a reason.
    assert tuple(queue.columns) == QUEUE_COLUMNS
    assert queue["image_id"].is_unique
    assert len(queue) <= filters.limit
    assert (queue["reason"].str.len() > 0).all()
    assert (queue["label"] == "").all()
    assert queue["score"].dtype == queue["second_score"].dtype == "float64"

    # Every image passes the filters.
    assert filters.class_ == "" or (queue["predicted"] == filters.class_).all()
    assert filters.min_score is None or (queue["score"] >= filters.min_score).all()
    assert filters.max_score is None or (queue["score"] <= filters.max_score).all()

    # No decided image comes back unless asked for.
    known = case.pool.set_index("image_id")
    assert set(queue["image_id"]) <= set(known.index)
    if not (filters.labelled or recipe.decided):
        assert known.loc[queue["image_id"], "label"].isna().all()

    # What is expected is a probability or unsaid.
    expected = queue["expected"]
    assert expected.dtype == "float64"
    assert (expected.isna() | expected.between(0, 1)).all()
    assert recipe.expect is not unsaid or expected.isna().all()


@laws
@given(name=names, case=cases(), seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(
    duck: duckdb.DuckDBPyConnection, name: str, case: Case, seed: int
) -> None:
    aim = case.aim
    tables = {
        part: table.sample(frac=1, random_state=seed)
        for part in ("classes", "features", "labelled", "other")
        if (table := getattr(aim, part)) is not None
    }
    pool = case.pool.sample(frac=1, random_state=seed)
    shuffled = replace(case, pool=pool, aim=replace(aim, **tables))

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
