"""Tables come back exactly, and no cell of a CSV starts as a formula."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.core.errors import FaultsError, InputError
from curate.formats.tables import (
    read_rows,
    write_csv,
    write_csv_pieces,
    write_parquet,
    write_parquet_pieces,
)

LIVE = ("=", "+", "-", "@", "\t", "\r", "\n")
CELLS = st.text(
    st.one_of(
        st.sampled_from(list("=+-@'\",;\t\r\n |\\")),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    ),
    max_size=8,
)
HOSTILE = [
    '=HYPERLINK("http://x","y")',
    "+1",
    "-2+3|cmd",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'",
    "'=1",
    "''=1",
    "'a",
    '"',
    '""',
    ",",
    "a,b\r\nc",
    "a\rb",
    "  spaces ",
    "zoë 鹿 \U0001f98c \u2028 \x0b \x85",
    "\ufeff",
    "",
    "NA",
    "nan",
    "None",
    "1e5",
    "007",
]


def rows_of(path: Path) -> list[list[str]]:
    return [cells for _, cells in read_rows(path)]


@settings(max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
@example([(cell, "x") for cell in HOSTILE])
@example([("x", cell) for cell in HOSTILE])
def test_texts_come_back_exactly(rows: list[tuple[str, str]]) -> None:
    path = Path("table.csv")
    write_csv(pd.DataFrame(rows, columns=["path", "label"]), path)
    assert rows_of(path) == [["path", "label"], *map(list, rows)]


@settings(max_examples=60)
@given(st.lists(CELLS, min_size=1, max_size=6))
@example(HOSTILE)
def test_no_cell_is_run_by_a_spreadsheet(cells: list[str]) -> None:
    path = Path("table.csv")
    write_csv(pd.DataFrame({"label": cells, "n": range(len(cells))}), path)
    with path.open(encoding="utf-8", newline="") as file:
        raw = list(csv.reader(file))
    assert len(raw) == len(cells) + 1
    assert not [cell for row in raw for cell in row if cell.startswith(LIVE)]


@settings(max_examples=40)
@given(st.lists(CELLS, min_size=1, max_size=6))
@example([""])
def test_a_single_column_comes_back(cells: list[str]) -> None:
    path = Path("table.csv")
    write_csv(pd.DataFrame({"label": cells}), path)
    assert rows_of(path) == [["label"], *([cell] for cell in cells)]


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=False), min_size=1), st.data())
def test_numbers_come_back_exactly(numbers: list[float], data: st.DataObject) -> None:
    whole = data.draw(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=len(numbers), max_size=len(numbers))
    )
    path = Path("table.csv")
    write_csv(pd.DataFrame({"score": numbers, "n": np.array(whole, np.int64)}), path)
    read = rows_of(path)[1:]
    assert [float(row[0]) for row in read] == numbers
    assert [int(row[1]) for row in read] == whole


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["=1", "plain", "=1"], dtype=object),
        pd.Series(["=1", "plain", "=1"], dtype="str"),
        pd.Series(["=1", "plain", "=1"], dtype="category"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_every_kind_of_text_column_is_made_safe(column: pd.Series[str]) -> None:
    write_csv(pd.DataFrame({"label": column}), Path("t.csv"))
    assert rows_of(Path("t.csv"))[1:] == [["=1"], ["plain"], ["=1"]]
    assert b"\n=1" not in Path("t.csv").read_bytes()


def test_missing_values_are_empty_cells() -> None:
    table = pd.DataFrame({"label": ["a", None, np.nan], "score": [0.5, np.nan, 1.0]})
    write_csv(table, Path("t.csv"))
    assert rows_of(Path("t.csv"))[1:] == [["a", "0.5"], ["", ""], ["", "1.0"]]


def test_a_negative_number_is_a_number() -> None:
    write_csv(pd.DataFrame({"energy": [-1.5]}), Path("t.csv"))
    assert Path("t.csv").read_bytes() == b"energy\r\n-1.5\r\n"


def test_the_table_that_is_given_is_not_changed() -> None:
    table = pd.DataFrame({"label": ["=1"]})
    write_csv(table, Path("t.csv"))
    assert table["label"].tolist() == ["=1"]


def test_a_table_without_rows_has_its_header() -> None:
    write_csv(pd.DataFrame({"path": [], "label": []}), Path("t.csv"))
    assert rows_of(Path("t.csv")) == [["path", "label"]]


def test_lines_are_those_where_the_records_start() -> None:
    Path("t.csv").write_bytes(b'a,b\r\n"x\ny\nz",1\r\n\r\nlast,2')
    assert list(read_rows(Path("t.csv"))) == [
        (1, ["a", "b"]),
        (2, ["x\ny\nz", "1"]),
        (6, ["last", "2"]),
    ]


def test_semicolons_in_cells_are_content() -> None:
    for data in (b"path,a;b\nx;y,z", b"label\rx;y"):
        Path("t.csv").write_bytes(data)
        assert ";" in rows_of(Path("t.csv"))[1][0]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_are_accepted(line_end: bytes, start: bytes) -> None:
    Path("t.csv").write_bytes(start + line_end.join([b"path,label", "é,x".encode()]))
    assert rows_of(Path("t.csv")) == [["path", "label"], ["é", "x"]]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("path,label\na,b".encode("utf-16"), "line 1: is UTF-16, not UTF-8"),
        (b"\xfe\xff\x00p", "line 1: is UTF-16, not UTF-8"),
        ("path,label".encode("utf-16-le"), "line 1: has a NUL byte"),
        (b"path,label\na,b\nc,\x00", "line 3: has a NUL byte"),
        (b"path,label\na,\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        (b'path,label\na,b\n"c,d\ne,f\n', "line 3: unexpected end of data"),
        (b'path,label\na,"b"c\n', "line 2: ',' expected after '\"'"),
        (b"path;label\r\na;b\r\n", "line 1: is separated by semicolons"),
        (b"\xef\xbb\xbfpath;label\ra,1;b\r", "line 1: is separated by semicolons"),
        (b'"path";"label"\n"a";"b"\n', "line 1: is separated by semicolons"),
        (b"sep=;\npath;label\n", "line 1: is separated by semicolons"),
    ],
)
def test_what_is_not_a_csv_in_utf_8_is_refused_with_its_line(data: bytes, fault: str) -> None:
    Path("t.csv").write_bytes(data)
    with pytest.raises(FaultsError) as caught:
        rows_of(Path("t.csv"))
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(fault)


def test_a_missing_file_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no such file"):
        rows_of(Path("t.csv"))


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_folder_that_is_not_there_is_an_input_error(write: object) -> None:
    assert callable(write)
    with pytest.raises(InputError, match="cannot be written: no such file or directory"):
        write(pd.DataFrame({"a": [1]}), Path("no/where.csv"))


def test_a_device_is_written_to_and_not_replaced() -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_csv(pd.DataFrame({"a": [1]}), Path("pipe"))
        assert os.read(reader, 100) == b"a\r\n1\r\n"
    finally:
        os.close(reader)
    assert Path("pipe").is_fifo()


def test_parquet_comes_back() -> None:
    table = pd.DataFrame({"label": ["=1", None], "score": [0.1, np.nan], "n": [1, 2]})
    write_parquet(table, Path("t.parquet"))
    pd.testing.assert_frame_equal(pd.read_parquet("t.parquet"), table)


@settings(max_examples=30)
@given(st.lists(st.tuples(CELLS, st.floats(allow_nan=False)), max_size=9), st.data())
def test_a_table_in_pieces_is_the_table(rows: list[tuple[str, float]], data: st.DataObject) -> None:
    table = pd.DataFrame(rows, columns=["text", "number"]).astype({"text": "str", "number": float})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    bounds = [0, *cuts, len(rows)]
    pieces = [table[low:high] for low, high in pairwise(bounds)]
    write_csv(table, Path("whole.csv"))
    write_csv_pieces(iter(pieces), Path("pieces.csv"))
    assert Path("pieces.csv").read_bytes() == Path("whole.csv").read_bytes()
    write_parquet_pieces(iter(pieces), Path("pieces.parquet"))
    pd.testing.assert_frame_equal(pd.read_parquet("pieces.parquet"), table)


def test_pieces_that_break_off_leave_no_file() -> None:
    def breaking() -> Iterator[pd.DataFrame]:
        yield pd.DataFrame({"a": [1]})
        raise KeyError("gone")

    for write, name in ((write_csv_pieces, "t.csv"), (write_parquet_pieces, "t.parquet")):
        with pytest.raises(KeyError):
            write(breaking(), Path(name))
        assert not list(Path().iterdir())
