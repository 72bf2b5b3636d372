"""What a bulk identification found: every file beside its prediction, asked of DuckDB.

The table of a pool may be larger than memory, so it is only made where somebody wants it whole;
summaries are computed where the rows lie, and files are written a piece at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from curate.bulk_id.columns import COLUMNS, flat
from curate.bulk_id.listed import Listed
from curate.core import paths
from curate.core.files import Walked
from curate.store import files, views
from curate.store.library import Library

MEMORY = "500MB"
"""What DuckDB keeps in memory of it; the rest lies on disk."""

PIECE = 50_000
"""Rows that are in memory at a time."""

_ROWS = """
CREATE VIEW rows AS
WITH said AS (
    SELECT * FROM predictions WHERE list_contains({runs}::BIGINT[], run_id)
    -- An image may lie in two files, and a resumed run may have met it again.
    QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY run_id DESC, path DESC) = 1
)
SELECT place, files.image_id, files.path,
    CASE WHEN files.status = 'ok' THEN coalesce(said.status, 'failed') ELSE 'failed' END AS status,
    CASE WHEN files.status <> 'ok' THEN files.reason
        WHEN said.status = 'ok' THEN ''
        WHEN said.status IS NULL THEN files.missed
        ELSE 'score: ' || said.reason END AS reason,
    {columns}
FROM there AS files LEFT JOIN said ON said.image_id = files.image_id
WHERE files.status <> 'ok' OR said.status IS NOT NULL OR files.missed IS NOT NULL
"""


class Results:
    """One row a file under some folders, with `COLUMNS`, by path; made when it is asked for.

    A failure has a reason and no numbers. Files that were left for another run are not in it.

    Parameters
    ----------
    library : Library
        Where they are written down.
    listed : Listed
        What was found.
    passed : Walked
        What could not be listed: files that are known there are failures of this run.
    run_ids : sequence of int
        The runs whose predictions count.
    missed : mapping of bytes to str
        Paths of files that were read well before and could not be looked at now, with the reason.
    """

    def __init__(
        self,
        library: Library,
        listed: Listed,
        passed: Walked,
        run_ids: Sequence[int],
        missed: Mapping[bytes, str],
    ) -> None:
        self._library = library
        self._listed = listed
        self._hidden = {folder.rstrip(b"/"): reason for folder, reason in passed.failed}
        self._run_ids = list(run_ids)
        self._missed = missed

    def table(self) -> pd.DataFrame:
        """Give the whole table."""
        with self._rows() as answering:
            # By way of Arrow, a column has its type whatever is missing in it.
            found: pd.DataFrame = _in_order(answering).to_arrow_table().to_pandas()
        return found

    def pieces(self, width: int) -> Iterator[pd.DataFrame]:
        """Give the table a piece at a time, its top classes spread over `width` columns."""
        with self._rows() as answering:
            reader = _in_order(answering).to_arrow_reader(PIECE)
            pieces = (pa.Table.from_batches([batch]) for batch in reader)
            # A table without a row has its columns all the same.
            for piece in chain([next(pieces, reader.schema.empty_table())], pieces):
                yield flat(piece.to_pandas(), width)

    def summary(self) -> dict[str, Any]:
        """Count what there is.

        Returns
        -------
        dict
            files, identified, failed (counts), top_classes (class to number of images, the ten
            with most), median_scores (of those), score_histogram (list of (from, to, count)) and
            failures (reason to number of files, the most frequent first).
        """
        with self._rows() as answering:
            files_, fine = _one(
                answering, "SELECT count(*), count(*) FILTER (WHERE status = 'ok') FROM rows"
            )
            top = _all(
                answering,
                "SELECT predicted, count(*), median(score) FROM rows WHERE status = 'ok' "
                "GROUP BY predicted ORDER BY count(*) DESC, predicted LIMIT 10",
            )
            bins = dict(
                _all(
                    answering,
                    "SELECT least(9, floor(score * 10))::INT, count(*) FROM rows "
                    "WHERE status = 'ok' GROUP BY 1",
                )
            )
            failures = _all(
                answering,
                "SELECT reason, count(*) FROM rows WHERE status = 'failed' "
                "GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 100",
            )
        return {
            "files": files_,
            "identified": fine,
            "failed": files_ - fine,
            "top_classes": {name: count for name, count, _ in top},
            "median_scores": {name: median for name, _, median in top},
            "score_histogram": [(n / 10, (n + 1) / 10, bins.get(n, 0)) for n in range(10)],
            "failures": dict(failures),
        }

    @contextmanager
    def _rows(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with (
            views.asked(self._library, "predictions") as answering,
            tempfile.TemporaryDirectory(prefix="curate-") as spilled,
        ):
            answering.execute(f"SET memory_limit = '{MEMORY}'")
            answering.execute("SET temp_directory = ?", [spilled])
            answering.execute(
                "CREATE TABLE there (place BLOB, path VARCHAR, image_id VARCHAR, "
                "status VARCHAR, reason VARCHAR, missed VARCHAR)"
            )
            for page in self._pages():
                told = {
                    "place": pa.array([path for path, _, _ in page], pa.binary()),
                    "path": [paths.to_text(path) for path, _, _ in page],
                    "image_id": pa.array([row.image_id for _, row, _ in page], pa.string()),
                    "status": [row.status for _, row, _ in page],
                    "reason": [row.reason for _, row, _ in page],
                    "missed": pa.array([missed for _, _, missed in page], pa.string()),
                }
                answering.register("page", pa.table(told))
                answering.execute("INSERT INTO there SELECT * FROM page")
                answering.unregister("page")
            own = ("image_id", "path", "status", "reason")
            columns = ", ".join(f"said.{name}" for name in COLUMNS if name not in own)
            answering.execute(_ROWS.format(runs=self._run_ids, columns=columns))
            yield answering

    def _pages(self) -> Iterator[list[tuple[bytes, Any, str | None]]]:
        """Give what was found, and what is known where nobody could look; with what was missed."""
        for entries in self._listed.pages():
            with self._library.reading() as connection:
                known = files.known_at(connection, [entry.path for entry in entries])
            found = [(entry, known[entry.path]) for entry in entries if entry.path in known]
            yield [
                (entry.path, row, self._missed.get(entry.path))
                for entry, row in found
                # What was said of what lay here before says nothing of a file that was left.
                if row.status != "gone" and not row.changed(entry)
            ]
        for folder, why in self._hidden.items():
            reason = f"read: its folder could not be listed ({why})"
            for page in files.in_pages(self._library, [folder]):
                lacking = set(self._listed.lacks([row.path for row in page]))
                yield [(row.path, row, reason) for row in page if row.path in lacking]


def _in_order(answering: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    columns = ", ".join(COLUMNS)
    return answering.sql(f"SELECT {columns} FROM rows ORDER BY place")


def _one(answering: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return answering.execute(query).fetchall()[0]


def _all(answering: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return answering.execute(query).fetchall()
