"""Tables in and out: CSV that a spreadsheet cannot run and that comes back exactly, and Parquet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from curate.core import cells
from curate.core.errors import FaultsError, InputError
from curate.core.files import describe, write_asked_by


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV (UTF-8, comma, quotes where needed), whole or not at all.

    Texts that a spreadsheet would run (``=``, ``+``, ``-``, ``@`` … first) get a ``'`` in front,
    which `read_csv` takes away again; numbers are written so that they come back exactly.
    """
    write_csv_pieces([table], path)


def write_csv_pieces(pieces: Iterable[pd.DataFrame], path: Path) -> None:
    """Write a table that comes in pieces (at least one, maybe empty) as `write_csv` does."""

    def write(file: IO[bytes]) -> None:
        for number, piece in enumerate(pieces):
            safe = piece.copy()
            for name in safe.columns:
                if not pd.api.types.is_numeric_dtype(safe[name]):
                    safe[name] = safe[name].map(cells.safe)
            text = safe.to_csv(None, index=False, header=number == 0, lineterminator="\r\n")
            file.write(text.encode())

    write_asked_by(path, write)


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all."""
    write_parquet_pieces([table], path)


def write_parquet_pieces(pieces: Iterable[pd.DataFrame], path: Path) -> None:
    """Write a table that comes in pieces (at least one, maybe empty) as Parquet."""

    def write(file: IO[bytes]) -> None:
        rows = (pa.Table.from_pandas(piece, preserve_index=False) for piece in pieces)
        first = next(rows)
        with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
            for piece in chain([first], rows):
                writer.write_table(piece.cast(first.schema))

    write_asked_by(path, write)


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of a CSV file as (line where the record starts, cells).

    The protecting quote of `write_csv` is taken away. The header is the first record.

    Raises
    ------
    InputError
        The file cannot be read.
    FaultsError
        It is not UTF-8, holds NUL, is separated by semicolons, or a quote is never closed.
    """
    for line, record in read_plain_rows(path):
        yield line, [cells.plain(cell) for cell in record]


def read_plain_rows(path: Path, *, spaced: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of a CSV file of another tool, each cell as it stands.

    Parameters
    ----------
    path : Path
        The file.
    spaced : bool
        Whether a space after a comma belongs to the comma.

    Raises
    ------
    InputError, FaultsError
        As `read_rows`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), describe(error), "Give the path of a CSV file.") from error
    text = _decoded(path, data)
    _refuse_semicolons(path, text)
    # newline="": line ends inside quotes are content.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, strict=True, skipinitialspace=spaced)
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise FaultsError(
            str(path),
            [f"line {line}: {error} (a quote that is never closed?)"],
            "Mend the line and give the command again.",
        ) from error


def read_records(path: Path, what: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the records of a CSV or Parquet file as (place, cells), all cells as texts.

    The header is the first record; ``place`` is ``line 7`` or ``row 7``.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.parquet``.
    what : str
        What the table is, for the error about another suffix.

    Raises
    ------
    InputError, FaultsError
        As `read_rows`; or neither suffix, or not Parquet.
    """
    if path.suffix == ".csv":
        for line, record in read_rows(path):
            yield f"line {line}", record
    elif path.suffix == ".parquet":
        yield from _parquet_records(path)
    else:
        raise InputError(str(path), f"is not {what}", "Give a .csv or a .parquet file.")


def _parquet_records(path: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            str(path), f"is not a Parquet file ({error})", "Give one that is."
        ) from error
    yield "schema", list(table.column_names)
    row = 0
    for batch in table.to_batches(max_chunksize=10_000):
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            row += 1
            yield f"row {row}", [_text(value) for value in values]


def _text(value: object) -> str:
    # NaN, the only value unlike itself, stands for a missing one in Parquet too.
    return "" if value is None or value != value else str(value)


def _decoded(path: Path, data: bytes) -> str:
    remedy = "Save it as CSV in UTF-8 and give the command again."
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FaultsError(str(path), ["line 1: is UTF-16, not UTF-8"], remedy)
    nul = data.find(b"\x00")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise FaultsError(str(path), [f"line {line}: has a NUL byte"], remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FaultsError(
            str(path), [f"line {line}: byte {data[error.start]:#04x} is not UTF-8"], remedy
        ) from error


def _refuse_semicolons(path: Path, text: str) -> None:
    # Spreadsheets write them where the comma stands in numbers. The header alone says so: it may
    # have every cell in quotes, or be the line `sep=;`.
    header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    if ";" in header and "," not in header:
        raise FaultsError(
            str(path),
            ["line 1: is separated by semicolons, not by commas"],
            "Save it as CSV with commas between the cells and give the command again.",
        )
