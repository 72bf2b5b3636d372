"""What the library knows of every image, as rules want to know it, a piece at a time.

The rows of the database come a page at a time and are joined in DuckDB; rules see columns of some
images, never a table of everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import ColumnElement

from curate.core import paths
from curate.store import offered, pages, schema, shards, views
from curate.store.library import Library

PIECE = 100_000
"""Rows that a rule sees at a time."""

SAID = (
    *("predicted", "score", "second", "second_score", "margin", "entropy", "energy", "novelty"),
    "run_id",
)
MEASURES = ("camera", "sharpness", "brightness", "contrast", "quality")
COLUMNS = (
    *("image_id", "path", *SAID, "label", "sub_class", "origin", "split", "taken", "group", "by"),
    *("label_run", "arrived", "rejected", "width", "height", "bytes", *MEASURES),
    *("refused", "keeper", "keeper_path", "similarity", "queued"),
    *("like_rejected", "like_border"),
)
"""Columns of images: those that filters of queues are about (what the last model said, and what is
known), and refused (the reason of a rejection; missing where there is none), keeper (of its
near-duplicates), keeper_path (missing where the keeper cannot be read, or was rejected), similarity
(to the keeper), queued (whether a queue ever offered it, or a saved one holds it), like_rejected
and like_border (its score, and what it takes to go; missing until `alike.lay` filled them)."""

Told = Callable[[int], object]
"""Is told how many rows were read."""

_T, _N = "VARCHAR", "BIGINT"
_STAGED = {
    "places": {"image_id": _T, "place": "BLOB", "path": _T},
    "pictures": {
        **{"image_id": _T, "bytes": _N, "width": _N, "height": _N},
        **{"taken": _T, "arrived": _N},
    },
    "near": {"image_id": _T, "keeper": _T, "tie": _T, "similarity": "DOUBLE"},
    "words": {
        **{"seq": _N, "kind": _T, "image_id": _T, "value": _T},
        **{"sub_class": _T, "actor": _T, "run_id": _N},
    },
    "waiting": {"image_id": _T},
}

_KINDS = ("label", "reject", "origin", "split")

_MADE = """
CREATE TABLE images AS
WITH place AS (SELECT image_id, arg_min(path, place) AS path FROM places GROUP BY image_id),
look AS (SELECT image_id, {measures} FROM looks GROUP BY image_id),
said AS (
    SELECT image_id, unnest(arg_max(struct_pack({said}), (run_id, path)))
    FROM predictions WHERE status = 'ok' GROUP BY image_id
),
last AS (
    SELECT kind, image_id, arg_max(struct_pack(value, sub_class, actor, run_id, seq), seq) AS said
    FROM words GROUP BY kind, image_id
),
decided AS (
    SELECT image_id,
        any_value(said) FILTER (WHERE kind = 'label' AND said.value <> '') AS labelled,
        any_value(said) FILTER (WHERE kind = 'reject' AND said.value <> '') AS refusal,
        any_value(said.value) FILTER (WHERE kind = 'origin') AS origin,
        any_value(said.value) FILTER (WHERE kind = 'split') AS split
    FROM last GROUP BY image_id
),
shown AS (SELECT image_id FROM waiting UNION SELECT image_id FROM offered)
SELECT {columns} FROM place
JOIN pictures USING (image_id)
LEFT JOIN look USING (image_id)
LEFT JOIN said USING (image_id)
LEFT JOIN decided USING (image_id)
LEFT JOIN near USING (image_id)
LEFT JOIN place AS kept ON kept.image_id = near.keeper
LEFT JOIN decided AS of_kept ON of_kept.image_id = near.keeper
LEFT JOIN shown ON shown.image_id = place.image_id
"""

_FROM = {
    "label": "decided.labelled.value",
    "sub_class": "nullif(decided.labelled.sub_class, '')",
    "origin": "coalesce(nullif(decided.origin, ''), 'real')",
    "split": "coalesce(decided.split, '')",
    "group": "coalesce(near.tie, place.image_id)",
    "by": "coalesce(decided.refusal, decided.labelled).actor",
    "label_run": "coalesce(decided.refusal, decided.labelled).run_id",
    "rejected": "decided.refusal IS NOT NULL",
    "refused": "decided.refusal.value",
    "keeper_path": "CASE WHEN of_kept.refusal IS NULL THEN kept.path END",
    "queued": "shown.image_id IS NOT NULL",
    **dict.fromkeys(("like_rejected", "like_border"), "NULL::DOUBLE"),
    **{name: f"place.{name}" for name in ("image_id", "path")},
    **{name: f"pictures.{name}" for name in ("taken", "arrived", "width", "height", "bytes")},
    **{name: f"near.{name}" for name in ("keeper", "similarity")},
    **{name: f"look.{name}" for name in MEASURES},
    **{name: f"said.{name}" for name in SAID},
}


@contextmanager
def gathered(
    library: Library, told: Told = lambda rows: None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB with the table `images` (`COLUMNS`): all that can be read.

    Parameters
    ----------
    library : Library
        Where it is known.
    told : callable
        Is told how many rows were read.
    """
    with views.asked(library, "looks", "predictions") as answering:
        for name, columns in _STAGED.items():
            typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            answering.execute(f"CREATE TABLE {name} ({typed})")
        for name, table, where in (
            ("places", schema.files, schema.files.c.status == "ok"),
            ("pictures", schema.images, None),
            ("near", schema.duplicates, None),
            ("words", schema.decisions, schema.decisions.c.kind.in_(_KINDS)),
            ("waiting", schema.queued, None),
        ):
            _stage(library, answering, name, table, where, told)
        _offered(library, answering)
        answering.execute(
            _MADE.format(
                measures=", ".join(f"any_value({name}) AS {name}" for name in MEASURES),
                # What the last model said, of all that it said.
                said=", ".join(SAID),
                columns=", ".join(f'{_FROM[name]} AS "{name}"' for name in COLUMNS),
            )
        )
        yield answering


def pieces(
    answering: duckdb.DuckDBPyConnection, columns: Sequence[str], where: str
) -> Iterator[pd.DataFrame]:
    """Give some columns of images, a piece at a time.

    Parameters
    ----------
    answering : DuckDBPyConnection
        As `gathered` gives it.
    columns : sequence of str
        Of `COLUMNS`.
    where : str
        A condition in SQL, ours.
    """
    names = ", ".join(f'"{name}"' for name in dict.fromkeys(columns))
    # A cursor of its own, as whoever looks at a piece may ask for something else meanwhile.
    with answering.cursor() as cursor:
        found = cursor.sql(f"SELECT {names} FROM images WHERE {where}")
        for batch in found.to_arrow_reader(PIECE):
            yield batch.to_pandas()


def _stage(
    library: Library,
    answering: duckdb.DuckDBPyConnection,
    name: str,
    table: Any,
    where: ColumnElement[bool] | None,
    told: Told,
) -> None:
    columns = list(_STAGED[name])
    for rows in pages.pages(library, table, list(_READ[name]), where):
        read = list(zip(*rows, strict=True))
        batch = pa.table(_arrays(name, read), names=columns)
        answering.register("batch", batch)
        answering.execute(f"INSERT INTO {name} SELECT * FROM batch")
        answering.unregister("batch")
        told(len(rows))


_READ = {
    "places": ("image_id", "path"),
    "pictures": ("image_id", "bytes", "width", "height", "taken", "run_id"),
    "near": ("image_id", "keeper", "tie", "similarity"),
    "words": ("seq", "kind", "image_id", "value", "detail", "actor", "run_id"),
    "waiting": ("image_id",),
}


def _arrays(name: str, read: Sequence[Sequence[Any]]) -> list[Any]:
    if name == "places":
        ids, places = read
        return [ids, pa.array(places, pa.binary()), [paths.to_text(place) for place in places]]
    if name == "pictures":
        *others, taken, run_id = read
        return [*others, pa.array(taken, pa.string()), run_id]
    if name == "words":
        place = _READ[name].index("detail")
        texts = [
            json.loads(text).get("sub_class", "") if text != "{}" else "" for text in read[place]
        ]
        return [*read[:place], texts, *read[place + 1 :]]
    return list(read)


def _offered(library: Library, answering: duckdb.DuckDBPyConnection) -> None:
    """Name what queues ever showed: an image that somebody passed by was looked at."""
    with library.reading() as connection:
        found = shards.referenced(connection, offered.TABLE)
    answering.execute("CREATE TABLE offered (image_id VARCHAR)")
    for path in shards.paths(library, found):
        rows = pq.read_table(path, columns=["image_id"])
        answering.register("batch", rows)
        answering.execute("INSERT INTO offered SELECT image_id FROM batch")
        answering.unregister("batch")
