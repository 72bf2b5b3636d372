"""Affinities: of each image of an index, how much it is at home in the class it is taken for.

They are worked out when the index is made, from the features that bulk identification kept; without
these they are missing. Features come a block at a time, and what images are compared with is few
for each class: memory holds the features of these, and four numbers of each image. Who is labelled
later is no reason to work them out anew; where that happens all the same, what was labelled before
the model spoke is taken as it is by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.core.errors import InputError, LibraryError
from curate.core.files import write_whole
from curate.core.names import HELD_OUT
from curate.queues.expectations.affinity import MOST, Side, affinity
from curate.queues.filters.spread import directions
from curate.queues.index.gathered import NUMBER
from curate.store import embeddings
from curate.store.library import Library

SUFFIX = ".affinities.parquet"
"""How files end in which affinities are kept for a library that is too small for an index."""

MODELS = 3
"""So many such files are kept."""

AT_ONCE = 4_000_000
"""So many rows are filled in at a time."""

_FAMILY = """hash(coalesce("group", image_id)) AS family"""

# What was labelled after the model had spoken counts as pool: no answer to an image of the pool may
# help to foresee what such answers will be.
_SIDES = f"""
WITH held AS (
    SELECT image_id, number, predicted, label, {_FAMILY},
        coalesce(label_run < run_id AND list_contains($classes, label), false) AS known,
        coalesce(list_contains($held_out, split), false) AS held_out
    FROM kept.rows WHERE there AND NOT coalesce(rejected AND label_run < run_id, false)
)
SELECT image_id, family, known, coded.code FROM held
JOIN coded ON coded.name = CASE WHEN known THEN label ELSE predicted END
WHERE NOT (known AND held_out)
QUALIFY row_number() OVER (PARTITION BY known, coded.code ORDER BY number) <= {MOST}
"""
_ROWS = f"""
SELECT number, {_FAMILY}, coded.code FROM kept.rows
JOIN coded ON coded.name = predicted WHERE there AND number > 0 ORDER BY number
"""

Sides = dict[int, tuple[Side, Side]]


def keep_affinities(
    library: Library,
    answering: duckdb.DuckDBPyConnection,
    model: str,
    classes: Sequence[str],
    path: Path | None = None,
) -> None:
    """Fill the column `affinity` of an index; it stays missing where there are no features.

    Parameters
    ----------
    library : Library
        Whose features.
    answering : DuckDBPyConnection
        With the index, as `gathered.gather` makes it.
    model : str
        Digest of the checkpoint; none when empty.
    classes : sequence of str
        What it knows.
    path : Path, optional
        Where affinities are read, or, where there are none, laid down for the next question.
    """
    if not model:
        return
    table = _read(path) if path else None
    if table is None:
        try:
            table = _worked_out(library, answering, model, classes)
        except (LibraryError, InputError, OSError, pa.ArrowInvalid):
            # There are none, or they are damaged, which is no reason to answer no question.
            return
        if path:
            _write(path, table)
    answering.register("told", table)
    answering.execute("CREATE OR REPLACE TEMP TABLE near AS FROM told")
    answering.unregister("told")
    (rows,) = answering.execute("SELECT count(*) FROM kept.rows").fetchone() or (0,)
    # What is changed at once is in memory twice.
    for start in range(0, rows, AT_ONCE):
        answering.execute(
            "UPDATE kept.rows SET affinity = near.affinity FROM near "
            "WHERE rows.number = near.number AND rows.rowid BETWEEN ? AND ?",
            [start, start + AT_ONCE - 1],
        )
        if rows > AT_ONCE:
            answering.execute("CHECKPOINT kept")


def _read(path: Path) -> pa.Table | None:
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid):
        return None


def _write(path: Path, table: pa.Table) -> None:
    """Keep affinities; without room for them they are worked out again."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(sink.getvalue()))
        kept = sorted(path.parent.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-MODELS]:
            old.unlink(missing_ok=True)


def _worked_out(
    library: Library, answering: duckdb.DuckDBPyConnection, model: str, classes: Sequence[str]
) -> pa.Table:
    """Give number and affinity of the images that have one."""
    embeddings.held(library, model)  # where there are none, rows need not be read
    answering.execute(
        "CREATE OR REPLACE TEMP TABLE coded AS "
        "SELECT name, row_number() OVER () AS code FROM (SELECT unnest($classes) AS name)",
        {"classes": list(classes)},
    )
    told = {"classes": list(classes), "held_out": list(HELD_OUT)}
    sides = answering.execute(_SIDES, told).df()
    compared = _sides(sides, *embeddings.of_images(library, sides["image_id"], model))
    rows = {name: np.asarray(of) for name, of in answering.execute(_ROWS).fetchnumpy().items()}
    values = np.full(len(rows["number"]), np.nan, np.float32)
    for image_ids, features in embeddings.blocks(library, model) if len(values) else ():
        numbers = _numbers(answering, image_ids)
        at = np.searchsorted(rows["number"], numbers).clip(max=len(values) - 1)
        there = np.flatnonzero(rows["number"][at] == numbers)
        at = at[there]
        values[at] = _compared(features[there], rows["family"][at], rows["code"][at], compared)
    known = np.isfinite(values)
    return pa.table({"number": rows["number"][known], "affinity": values[known]})


def _sides(sides: pd.DataFrame, image_ids: Sequence[str], features: NDArray[Any]) -> Sides:
    """Put features to the images that others are compared with: by class, labelled and pool."""
    at = pd.Index(image_ids).get_indexer(pd.Index(sides["image_id"]))
    sides = sides.assign(at=at)[at >= 0]

    def side(rows: pd.DataFrame) -> Side:
        own, usable = directions(features[rows["at"].to_numpy()])
        return Side(own[usable], rows["family"].to_numpy(np.uint64)[usable])

    found: Sides = {}
    for code, rows in sides.groupby("code"):
        found[int(str(code))] = (side(rows[rows["known"]]), side(rows[~rows["known"]]))
    return found


def _compared(
    features: NDArray[Any], families: NDArray[Any], codes: NDArray[Any], compared: Sides
) -> NDArray[np.float64]:
    """Compare images, each with both sides of the class it is taken for."""
    values = np.full(len(codes), np.nan)
    order = np.argsort(codes, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(some) and int(codes[some[0]]) in compared:
            sides = compared[int(codes[some[0]])]
            values[some] = affinity(features[some], families[some], *sides)
    return values


def _numbers(answering: duckdb.DuckDBPyConnection, image_ids: NDArray[Any]) -> NDArray[Any]:
    answering.register("block", pa.table({"image_id": pa.array(image_ids.tolist(), pa.string())}))
    query = f"SELECT {NUMBER.format('image_id')} AS number FROM block"
    numbers = np.asarray(answering.execute(query).fetchnumpy()["number"])
    answering.unregister("block")
    return numbers
