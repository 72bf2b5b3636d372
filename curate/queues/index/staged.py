"""Staged: what the database knows of images, in tables of Arrow, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import select

from curate.core import paths
from curate.core.chunks import batched
from curate.store import facts, pages, schema
from curate.store.library import Library

_KINDS = ("label", "origin", "split", "reject")

_T, _N = "VARCHAR", "BIGINT"
COLUMNS = {
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
"""Tables by name, and their columns with the types that these have in SQL."""


def columns() -> dict[str, str]:
    """Ask in SQL for each table of `COLUMNS`, without a row."""
    return {
        name: f"SELECT {', '.join(f'NULL::{kind} AS {column}' for column, kind in kinds.items())}"
        " LIMIT 0"
        for name, kinds in COLUMNS.items()
    }


def everything(library: Library, until: int) -> Iterator[tuple[str, pa.Table]]:
    """Give what is known of all images, up to a decision, a page at a time: of `COLUMNS`."""
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


def some(library: Library, image_ids: Sequence[str], until: int) -> Iterator[tuple[str, pa.Table]]:
    """Give what is decided on some images, up to a decision, and where these lie."""
    files, log = schema.files, schema.decisions
    for few in batched(image_ids, 500):
        with library.reading() as connection:
            for name, table, names, where, batch in (
                ("places", files, _PLACE, files.c.status == "ok", _places),
                ("words", log, _WORD, log.c.kind.in_(_KINDS) & (log.c.seq <= until), _words),
                ("parents", log, _PARENT, _parents & (log.c.seq <= until), _kin),
            ):
                query = select(*[table.c[column] for column in names])
                rows = connection.execute(query.where(where, table.c.image_id.in_(few))).all()
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
    return list(COLUMNS[table])
