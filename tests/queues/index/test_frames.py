"""By way of Arrow a table has the columns that DuckDB itself would give."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from curate.queues.index.frames import frame

ROWS = """
FROM (VALUES
    ('a', 1, 0.5::DOUBLE, 0.25::FLOAT, true, 1.5),
    ('b', 2, NULL, NULL, false, NULL),
    ({text}, {whole}, 'nan'::DOUBLE, 1, {truth}, 2)
) AS told(text, whole, number, small, truth, tenths)
"""


@pytest.mark.parametrize(
    ("text", "whole", "truth"), [("'c'", "3", "true"), ("NULL", "NULL", "NULL")]
)
def test_columns_are_of_the_kinds_that_duckdb_gives(text: str, whole: str, truth: str) -> None:
    rows = ROWS.format(text=text, whole=whole, truth=truth)
    query = f"SELECT text, whole::BIGINT AS whole, number, small, truth, tenths {rows}"
    with duckdb.connect() as connection:
        assert_frame_equal(frame(connection, query), connection.execute(query).df())


def test_without_rows_the_columns_are_there() -> None:
    with duckdb.connect() as connection:
        table = frame(connection, "SELECT 'a' AS text, 1::BIGINT AS whole WHERE false")
    assert list(table.columns) == ["text", "whole"]
    assert table["whole"].dtype == "int64"
    assert len(table) == 0


def test_values_are_bound_by_name() -> None:
    with duckdb.connect() as connection:
        table = frame(connection, "SELECT $number + 1 AS more", {"number": 2})
    assert table["more"].tolist() == [3]


def test_rows_that_come_in_pieces_are_one_table() -> None:
    with duckdb.connect() as connection:
        table = frame(connection, "SELECT range AS n, range::VARCHAR AS text FROM range(10000)")
    assert sorted(table["n"]) == list(range(10_000))
    assert table["text"].dtype == "str"
    assert isinstance(table.index, pd.RangeIndex)
