"""Gathered: what one model said of every image beside what the library knows of it, in DuckDB.

The rows of the database come a page at a time and are joined on the disk: no step needs memory that
grows with the library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlalchemy import select

from curate.core import paths
from curate.core.chunks import batched
from curate.queues.recipe import CANDIDATE_COLUMNS, DIGITS, PREDICTION_COLUMNS
from curate.store import facts, pages, schema
from curate.store.library import Library

Told = Callable[[int], object]
"""Is told how many rows were read."""

MEASURES = ("camera", "sharpness", "brightness", "contrast", "quality")

DECIDED = {
    **dict.fromkeys(("label", "sub_class", "origin", "split", "by"), "VARCHAR"),
    "label_run": "BIGINT",
    "rejected": "BOOLEAN",
}
"""Columns of candidates that decisions make, and their types."""

USUAL = {"origin": "'real'", "split": "''", "rejected": "false"}
"""What decided columns hold of an image that nobody decided on, where that is not missing."""

OF_ROW = ", ".join(
    'coalesce("group", image_id) AS "group"' if name == "group" else f'"{name}"'
    for name in CANDIDATE_COLUMNS
)
"""Columns of candidates, of a row: one without a group is a group of its own."""

ORDER = "label_run IS NULL, alone, floor(least(score, 1) * 8), predicted, score, image_id"
"""How rows lie: whoever asks for few of them then reads few blocks of the file.

Decided images lie together, and so do those that look alike; of the others those of a band of
scores, and in it those of a class.
"""

NUMBER = f"coalesce(try_cast('0x' || rpad(left({{0}}, {DIGITS}), {DIGITS}, '0') AS UBIGINT), 0)"
"""An image id (digits to the base of 16) as a number: a smaller id has no larger number."""

_KINDS = ("label", "origin", "split", "reject")

_T, _N = "VARCHAR", "BIGINT"
_STAGED_COLUMNS = {
    "places": {"image_id": _T, "place": "BLOB", "path": _T},
    "pictures": {
        **{"image_id": _T, "bytes": _N, "width": _N, "height": _N},
        **{"taken": _T, "arrived": _N},
    },
    "ties": {"image_id": _T, "tie": _T},
    "words": {
        **{"seq": _N, "kind": _T, "image_id": _T, "value": _T, "sub_class": _T},
        **{"actor": _T, "run_id": _N},
    },
    "parents": {"seq": _N, "image_id": _T, "value": _T, "detail": _T},
}
_STAGED = ";".join(
    f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"
    for name, columns in _STAGED_COLUMNS.items()
)

_DECIDED = """
CREATE OR REPLACE TABLE decided AS
WITH last AS (
    SELECT kind, image_id, arg_max(struct_pack(value, sub_class, actor, run_id, seq), seq) AS said
    FROM words GROUP BY kind, image_id
),
one AS (
    SELECT image_id,
        any_value(said) FILTER (WHERE kind = 'label' AND said.value <> '') AS labelled,
        any_value(said) FILTER (WHERE kind = 'reject' AND said.value <> '') AS refused,
        any_value(said.value) FILTER (WHERE kind = 'origin') AS origin,
        any_value(said.value) FILTER (WHERE kind = 'split') AS split
    FROM last GROUP BY image_id
),
holding AS (
    SELECT *, CASE WHEN labelled IS NULL OR refused.seq > labelled.seq THEN refused
        ELSE labelled END AS newest
    FROM one
)
SELECT image_id, labelled.value AS label, nullif(labelled.sub_class, '') AS sub_class,
    coalesce(origin, 'real') AS origin, coalesce(split, '') AS split, newest.actor AS "by",
    newest.run_id AS label_run, refused IS NOT NULL AS rejected
FROM holding
"""

_KIN = """
SELECT named.image_id, label, coalesce(origin, 'real') AS origin,
    CASE WHEN rejected THEN 'rejected' WHEN path IS NULL THEN 'gone' ELSE '' END AS unusable_reason
FROM named LEFT JOIN place USING (image_id) LEFT JOIN decided USING (image_id)
WHERE path IS NOT NULL OR image_id IN (SELECT image_id FROM words WHERE kind = 'label')
"""

_SAID = """
CREATE TABLE {name} AS
WITH rows AS (
    SELECT * FROM predictions WHERE status = 'ok' AND list_contains({runs}::BIGINT[], run_id)
),
-- An image may lie in two files, and a resumed run may have met it again: the last row counts.
several AS (SELECT image_id FROM rows GROUP BY image_id HAVING count(*) > 1)
SELECT {columns} FROM rows ANTI JOIN several USING (image_id)
UNION ALL
SELECT {columns} FROM rows SEMI JOIN several USING (image_id)
QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY run_id DESC, path DESC) = 1
"""

_ROWS = """
CREATE TABLE {target} AS
SELECT * FROM (
WITH told AS (SELECT image_id, {looked} FROM looks),
look AS (SELECT image_id, {measures} FROM told GROUP BY image_id),
class AS (
    SELECT name, row_number() OVER (ORDER BY name) AS class_number
    FROM (SELECT predicted AS name FROM said UNION SELECT second FROM said) WHERE name IS NOT NULL
)
SELECT {columns}, tie IS NULL AS alone,
    least(first.class_number, other.class_number) * 4294967296
        + greatest(first.class_number, other.class_number) AS pair,
    {number} AS number, place.path IS NOT NULL AND astray IS NULL AS there
FROM said
LEFT JOIN class AS first ON first.name = said.predicted
LEFT JOIN class AS other ON other.name = said.second
LEFT JOIN place ON place.image_id = said.image_id
LEFT JOIN pictures ON pictures.image_id = said.image_id
LEFT JOIN look ON look.image_id = said.image_id
LEFT JOIN ties ON ties.image_id = said.image_id
LEFT JOIN decided ON decided.image_id = said.image_id
LEFT JOIN strays ON strays.astray = said.image_id
)
ORDER BY {order}
"""


def gather(
    library: Library,
    answering: duckdb.DuckDBPyConnection,
    target: str,
    run_ids: Sequence[int],
    until: int,
    told: Told = lambda rows: None,
) -> None:
    """Make the table of all that one model said, with what the library knows.

    Parameters
    ----------
    library : Library
        Where it is known.
    answering : DuckDBPyConnection
        With the views `predictions` and `looks`; the tables on the way are made in it too.
    target : str
        The table to make: what makes up `OF_ROW`; `alone`, whether the image is alike to no other;
        `pair`, a number for the two best classes, in either order; `number` (see `NUMBER`);
        `there`, whether the image is a candidate (it can be read, and was not made of one that
        cannot be used).
    run_ids : sequence of int
        The runs of bulk identification that count.
    until : int
        The last decision that counts, by its number.
    told : callable
        Is told how many rows were read.
    """
    answering.execute(_STAGED)
    for name, batch in _everything(library, until):
        _put(answering, name, batch)
        told(batch.num_rows)
    settle(answering)
    gather_said(answering, "said", run_ids)
    answering.execute(
        _ROWS.format(
            target=target,
            looked=", ".join(map(_missing, MEASURES)),
            measures=", ".join(f"any_value({name}) AS {name}" for name in MEASURES),
            columns=", ".join(_from(name) for name in CANDIDATE_COLUMNS),
            number=NUMBER.format("said.image_id"),
            order=ORDER,
        )
    )


def gather_said(answering: duckdb.DuckDBPyConnection, name: str, run_ids: Sequence[int]) -> None:
    """Make a table of what one model said, one row an image, of the view `predictions`."""
    columns = ", ".join(map(_missing, ("image_id", *PREDICTION_COLUMNS, "run_id")))
    answering.execute(_SAID.format(name=name, runs=list(run_ids), columns=columns))


def gather_decided(
    library: Library, answering: duckdb.DuckDBPyConnection, image_ids: Sequence[str], until: int
) -> None:
    """Make the tables `decided` and `strays` of some images, and of all that these hang on.

    Parameters
    ----------
    library : Library
        Where it is decided.
    answering : DuckDBPyConnection
        Where the tables are made: image_id and `DECIDED`; the ids of the images that were made of
        others that cannot be used.
    image_ids : sequence of str
        The images.
    until : int
        The last decision that counts, by its number.
    """
    answering.execute(_STAGED)
    for name, batch in _some(library, image_ids, until):
        _put(answering, name, batch)
    settle(answering)


def settle(answering: duckdb.DuckDBPyConnection) -> None:
    """Let the last word of each kind hold."""
    answering.execute(
        "CREATE OR REPLACE TABLE place AS "
        "SELECT image_id, arg_min(path, place) AS path FROM places GROUP BY image_id"
    )
    answering.execute(_DECIDED)
    _find_strays(answering)


def parents_of(value: str, detail: str) -> list[str]:
    """Give the images that an image was made of, as the decision that says so has them."""
    several: list[str] = json.loads(detail).get("values") or [value] * (value != "")
    return several


def _everything(library: Library, until: int) -> Iterator[tuple[str, pa.Table]]:
    images, log = schema.images, schema.decisions
    for name, table, names, where, batch in (
        ("places", schema.files, _PLACE, schema.files.c.status == "ok", _places),
        ("pictures", images, _PICTURE, None, _pictures),
        ("ties", schema.duplicates, ("image_id", "tie"), None, _ties),
        ("words", log, _WORD, log.c.kind.in_(_KINDS) & (log.c.seq <= until), _words),
        ("parents", log, _PARENT, _parents & (log.c.seq <= until), _kin),
    ):
        for rows in pages.pages(library, table, names, where):
            yield name, batch(rows)


def _some(library: Library, image_ids: Sequence[str], until: int) -> Iterator[tuple[str, pa.Table]]:
    files, log = schema.files, schema.decisions
    for some in batched(image_ids, 500):
        with library.reading() as connection:
            for name, table, names, where, batch in (
                ("places", files, _PLACE, files.c.status == "ok", _places),
                ("words", log, _WORD, log.c.kind.in_(_KINDS) & (log.c.seq <= until), _words),
                ("parents", log, _PARENT, _parents & (log.c.seq <= until), _kin),
            ):
                query = select(*[table.c[column] for column in names])
                rows = connection.execute(query.where(where, table.c.image_id.in_(some))).all()
                yield name, batch(rows)


_PLACE = ("image_id", "path")
_PICTURE = ("image_id", "bytes", "width", "height", "taken", "run_id")
_WORD = ("seq", "kind", "image_id", "value", "detail", "actor", "run_id")
_PARENT = ("seq", "image_id", "value", "detail")
_parents = (schema.decisions.c.kind == "group") & (schema.decisions.c.field == facts.PARENT)

_Rows = Sequence[Any]


def _places(rows: _Rows) -> pa.Table:
    ids, places = _columns(rows, 2)
    texts = [paths.to_text(place) for place in places]
    return pa.table([_texts(ids), pa.array(places, pa.binary()), _texts(texts)], _names("places"))


def _pictures(rows: _Rows) -> pa.Table:
    ids, size, width, height, taken, run_id = _columns(rows, 6)
    whole = [pa.array(column, pa.int64()) for column in (size, width, height)]
    arrived = pa.array(run_id, pa.int64())
    return pa.table([_texts(ids), *whole, _texts(taken), arrived], _names("pictures"))


def _ties(rows: _Rows) -> pa.Table:
    return pa.table([_texts(column) for column in _columns(rows, 2)], _names("ties"))


def _words(rows: _Rows) -> pa.Table:
    seq, kind, ids, value, detail, actor, run_id = _columns(rows, 7)
    sub_class = [json.loads(text).get("sub_class", "") if text != "{}" else "" for text in detail]
    texts = [_texts(column) for column in (kind, ids, value, sub_class, actor)]
    numbers = [pa.array(column, pa.int64()) for column in (seq, run_id)]
    return pa.table([numbers[0], *texts, numbers[1]], _names("words"))


def _kin(rows: _Rows) -> pa.Table:
    seq, *texts = _columns(rows, 4)
    return pa.table([pa.array(seq, pa.int64()), *map(_texts, texts)], _names("parents"))


def _columns(rows: _Rows, width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _texts(values: Sequence[Any]) -> pa.Array:
    return pa.array(values, pa.string())


def _names(table: str) -> list[str]:
    return list(_STAGED_COLUMNS[table])


def _put(answering: duckdb.DuckDBPyConnection, name: str, batch: pa.Table) -> None:
    answering.register("batch", batch)
    answering.execute(f"INSERT INTO {name} SELECT * FROM batch")
    answering.unregister("batch")


def _missing(name: str) -> str:
    """Make NULL of a measure that is not a number: DuckDB would sort that above all others."""
    texts = ("image_id", "predicted", "second", "run_id", "camera")
    return name if name in texts else f"nullif({name}, 'nan'::FLOAT) AS {name}"


def _from(name: str) -> str:
    """Say where a column of candidates comes from."""
    if name == "group":
        return 'ties.tie AS "group"'
    if name in USUAL:
        return f"coalesce(decided.{name}, {USUAL[name]}) AS {name}"
    sources = {
        "decided": DECIDED,
        "look": MEASURES,
        "place": ("path",),
        "pictures": ("taken", "arrived", "width", "height", "bytes"),
    }
    source = next((source for source, names in sources.items() if name in names), "said")
    return f'{source}."{name}"'


def _find_strays(answering: duckdb.DuckDBPyConnection) -> None:
    """Find the images that were made of others that cannot be used, in the table `strays`."""
    answering.execute("CREATE OR REPLACE TABLE strays (astray VARCHAR)")
    ties = answering.execute(
        "SELECT image_id, arg_max(struct_pack(value, detail), seq) FROM parents GROUP BY image_id"
    ).fetchall()
    if not ties:
        return
    groups = pd.DataFrame(
        [(name, facts.PARENT, said["value"], json.loads(said["detail"])) for name, said in ties],
        columns=["image_id", "field", "value", "detail"],
    )
    parents = {one for _, said in ties for one in parents_of(said["value"], said["detail"])}
    named = {name for name, _ in ties} | parents
    answering.register("named", pa.table({"image_id": pa.array(sorted(named), pa.string())}))
    table = answering.execute(_KIN).df().set_index("image_id")
    answering.unregister("named")
    why = facts.without_their_parents(table, groups)
    wrong = list(table.index[(why != "") & (table["unusable_reason"] == "")])
    if wrong:
        answering.execute("INSERT INTO strays SELECT unnest(?::VARCHAR[])", [wrong])
