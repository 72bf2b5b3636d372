"""Gathered: what one model said of every image beside what the library knows of it, in DuckDB.

Here is how tables are joined that hold all that counts of some images: of all images of a library,
of those decided since an index was made, or of a part of very many (see `parts`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from curate.queues.index import staged
from curate.queues.recipe import CANDIDATE_COLUMNS, DIGITS, PREDICTION_COLUMNS
from curate.store import facts
from curate.store.library import Library

Told = Callable[[int], object]
"""Is told how many rows were read or written."""

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

ORDER = "label_run IS NULL, alone, spot, number, image_id"
"""How rows lie: whoever asks for few of them then reads few blocks of the file.

Decided images lie together, and so do those that look alike; of the others those of a band of
scores, in it those of a class, and of these those of about the same score (see `SPOT`).
"""

NUMBER = f"coalesce(try_cast('0x' || rpad(left({{0}}, {DIGITS}), {DIGITS}, '0') AS UBIGINT), 0)"
"""An image id (digits to the base of 16) as a number: a smaller id has no larger number."""

_DECIDED = """
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


def _missing(name: str) -> str:
    """Make NULL of a measure that is not a number: DuckDB would sort that above all others."""
    texts = ("image_id", "predicted", "second", "run_id", "camera")
    return name if name in texts else f"nullif({name}, 'nan'::FLOAT) AS {name}"


LOOKED = f"SELECT image_id, {', '.join(map(_missing, MEASURES))} FROM looks"
"""What scans took from the pixels, in SQL."""

_PLACE = "SELECT image_id, arg_min(path, place) AS path FROM places GROUP BY image_id"
_LOOK = f"""
SELECT image_id, {", ".join(f"any_value({name}) AS {name}" for name in MEASURES)}
FROM looked GROUP BY image_id
"""
_HEARD = """
SELECT {columns}, path FROM predictions
WHERE status = 'ok' AND list_contains({runs}::BIGINT[], run_id)
"""

# An image may lie in two files, and a resumed run may have met it again: the last row counts.
_SAID = """
WITH several AS (SELECT image_id FROM {heard} GROUP BY image_id HAVING count(*) > 1)
SELECT * EXCLUDE (path) FROM {heard} ANTI JOIN several USING (image_id)
UNION ALL
SELECT * EXCLUDE (path) FROM {heard} SEMI JOIN several USING (image_id)
QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY run_id DESC, path DESC) = 1
"""

_CLASS = """
CREATE TABLE class AS
SELECT name, row_number() OVER (ORDER BY name) AS class_number
FROM (SELECT predicted AS name FROM heard UNION SELECT second FROM heard) WHERE name IS NOT NULL
"""

SPOT = """(
    (greatest(floor(least(score, 1) * 512), 0)::BIGINT // 64 << 38)
    + coalesce({class_number}, 0) * 64
    + greatest(floor(least(score, 1) * 512), 0)::BIGINT % 64
)"""
"""The eighth of scores, the class and the 64th of that eighth, in one number."""

_JOINED = f"""
SELECT {{columns}}, tie IS NULL AS alone,
    least(first.class_number, other.class_number) * 4294967296
        + greatest(first.class_number, other.class_number) AS pair,
    {NUMBER.format("said.image_id")} AS number,
    place.path IS NOT NULL AND astray IS NULL AS there,
    {SPOT.format(class_number="first.class_number")} AS spot
FROM said
LEFT JOIN class AS first ON first.name = said.predicted
LEFT JOIN class AS other ON other.name = said.second
LEFT JOIN place ON place.image_id = said.image_id
LEFT JOIN pictures ON pictures.image_id = said.image_id
LEFT JOIN look ON look.image_id = said.image_id
LEFT JOIN ties ON ties.image_id = said.image_id
LEFT JOIN decided ON decided.image_id = said.image_id
LEFT JOIN strays ON strays.astray = said.image_id
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
        With the views `predictions` and `looks`; the tables on the way are made in it too, so they
        should be few (see `parts`).
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
    _put(answering, staged.everything(library, until), told)
    answering.execute(f"CREATE VIEW looked AS {LOOKED}")
    answering.execute(f"CREATE VIEW heard AS {heard(run_ids)}")
    settle(answering)
    find_strays(answering, kinship(answering))
    relate(answering)
    answering.execute(
        f"CREATE TABLE {target} AS SELECT * EXCLUDE (spot) FROM joined ORDER BY {ORDER}"
    )


def relate(answering: duckdb.DuckDBPyConnection) -> None:
    """Make the view `joined` of what is staged, `looked`, `heard`, settled and stray.

    It has the columns of an index and `spot`, by which its rows are put in order.
    """
    answering.execute(_CLASS)
    columns = ", ".join(_from(name) for name in CANDIDATE_COLUMNS)
    for name, query in (
        ("look", _LOOK),
        ("said", _SAID.format(heard="heard")),
        ("joined", _JOINED.format(columns=columns)),
    ):
        answering.execute(f"CREATE VIEW {name} AS {query}")


def gather_said(answering: duckdb.DuckDBPyConnection, name: str, run_ids: Sequence[int]) -> None:
    """Make a table of what one model said, one row an image, of the view `predictions`."""
    said = _SAID.format(heard=f"({heard(run_ids)})")
    answering.execute(f"CREATE TABLE {name} AS {said}")


def heard(run_ids: Sequence[int]) -> str:
    """Ask the view `predictions` for all rows that count, in SQL."""
    columns = ", ".join(map(_missing, ("image_id", *PREDICTION_COLUMNS, "run_id")))
    return _HEARD.format(columns=columns, runs=list(run_ids))


def gather_decided(
    library: Library, answering: duckdb.DuckDBPyConnection, image_ids: Sequence[str], until: int
) -> None:
    """Make the view `decided` and the table `strays` of some images.

    Parameters
    ----------
    library : Library
        Where it is decided.
    answering : DuckDBPyConnection
        Where these are made: image_id and `DECIDED`; the ids of the images that were made of others
        that cannot be used.
    image_ids : sequence of str
        The images, and all that they hang on.
    until : int
        The last decision that counts, by its number.
    """
    _put(answering, staged.some(library, image_ids, until), lambda rows: None)
    settle(answering)
    find_strays(answering, kinship(answering))


def settle(answering: duckdb.DuckDBPyConnection) -> None:
    """Let the last word of each kind hold, in the views `place` and `decided`."""
    answering.execute(f"CREATE VIEW place AS {_PLACE}")
    answering.execute(f"CREATE VIEW decided AS {_DECIDED}")


def kinship(answering: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Give which images were made of which, as the last word says; all of them are in `named`."""
    rows = answering.execute(
        "SELECT image_id, arg_max(struct_pack(value, detail), seq) FROM parents GROUP BY image_id"
    ).fetchall()
    parents = {one for _, said in rows for one in parents_of(said["value"], said["detail"])}
    names = sorted(parents | {name for name, _ in rows})
    answering.register("named", pa.table({"image_id": pa.array(names, pa.string())}))
    return pd.DataFrame(
        [(name, facts.PARENT, said["value"], json.loads(said["detail"])) for name, said in rows],
        columns=["image_id", "field", "value", "detail"],
    )


def find_strays(answering: duckdb.DuckDBPyConnection, kin: pd.DataFrame) -> None:
    """Make the table `strays` of the images that were made of others that cannot be used.

    All that is known of the images of `named` must be known.
    """
    answering.execute("CREATE TABLE strays (astray VARCHAR)")
    if kin.empty:
        return
    table = answering.execute(_KIN).df().set_index("image_id")
    why = facts.without_their_parents(table, kin)
    wrong = list(table.index[(why != "") & (table["unusable_reason"] == "")])
    answering.execute("INSERT INTO strays SELECT unnest(?::VARCHAR[])", [wrong])


def parents_of(value: str, detail: str) -> list[str]:
    """Give the images that an image was made of, as the decision that says so has them."""
    several: list[str] = json.loads(detail).get("values") or [value] * (value != "")
    return several


def _put(
    answering: duckdb.DuckDBPyConnection, batches: Iterable[tuple[str, pa.Table]], told: Told
) -> None:
    for name, query in staged.columns().items():
        answering.execute(f"CREATE TABLE {name} AS {query}")
    for name, batch in batches:
        answering.register("batch", batch)
        answering.execute(f"INSERT INTO {name} SELECT * FROM batch")
        answering.unregister("batch")
        told(batch.num_rows)


def _from(name: str) -> str:
    """Say where a column of candidates comes from."""
    if name == "group":
        return 'ties.tie AS "group"'
    if name == "affinity":
        return "NULL::FLOAT AS affinity"  # see `affinities`
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
