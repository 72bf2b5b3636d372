"""`--where`: a condition that a person writes in SQL, over documented columns and nothing else.

DuckDB's own parser reads the text. What it found is not run: the condition is written anew from the
nodes of `expression`, which knows columns, constants and pure functions, and refuses all others. So
no text can reach a file, a setting or another table, however it is spelt.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import Any

import duckdb

from curate.core.errors import InputError
from curate.queues.filters.expression import TRUTH, Refused, written

LONGEST = 2_000
"""Characters of a condition."""

COLUMNS: dict[str, tuple[str, str]] = {
    "image_id": ("text", "the image"),
    "path": ("text", "where it lies"),
    "predicted": ("text", "the best class"),
    "score": ("number", "its score, 0 to 1"),
    "second": ("text", "the next class; missing where the model has one class"),
    "second_score": ("number", "its score"),
    "margin": ("number", "score less second_score"),
    "entropy": ("number", "of all scores: 0 where the model is sure"),
    "energy": ("number", "of the logits: low where the model is sure"),
    "novelty": ("number", "how unlike all training images: 1 is more than 95 % of those held out"),
    "affinity": ("number", "below 0: nearer to the pool than to what is labelled as its class"),
    "label": ("text", "the class that a person gave; missing in the pool"),
    "sub_class": ("text", "the sub-class that a person gave"),
    "origin": ("text", "real, staged or synthetic"),
    "split": ("text", "train, val, test or benchmark; '' for none"),
    "taken": ("text", "when, such as 2026-05-31T14:03:22; missing where the photo does not say"),
    "group": ("text", "shared by images that look alike"),
    "by": ("text", "who labelled or rejected it last"),
    "run_id": ("number", "the run that predicted"),
    "label_run": ("number", "the run that labelled or rejected it last"),
    "arrived": ("number", "the run that saw it first"),
    "rejected": ("truth", "whether a person rejected it"),
    "width": ("number", "in pixels"),
    "height": ("number", "in pixels"),
    "bytes": ("number", "the size of the file"),
    "camera": ("text", "make and model; missing where the photo does not say"),
    "sharpness": ("number", "0 and up; see quality"),
    "brightness": ("number", "0 (black) to 255 (white)"),
    "contrast": ("number", "0 to 127.5"),
    "quality": ("number", "sharpness, brightness and contrast as one number, 0 (worst) to 1"),
}
"""Columns of candidates that a condition may name: the kind of each, and its meaning."""

_KINDS = {name: kind for name, (kind, _) in COLUMNS.items()}
_PLACES = ("query_location", "query_location_length")


@lru_cache(maxsize=256)
def checked(text: str) -> str:
    """Read a condition, and write it anew from what is allowed.

    Parameters
    ----------
    text : str
        A boolean expression in DuckDB's SQL, such as ``score > 0.5 AND predicted LIKE 'a%'``:
        columns of `COLUMNS`, constants, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, ILIKE,
        IS NULL, arithmetic, casts to a date, and `expression.FUNCTIONS`.

    Returns
    -------
    str
        SQL over the columns of candidates that raises nothing, whatever the values are.

    Raises
    ------
    InputError
        It cannot be read, names something else, or compares what cannot be compared.
    """
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    try:
        kind, sql = written(_tree(text), _KINDS, _pattern_fault)
        if kind != TRUTH:
            raise Refused(f"this is a {kind}, not a condition", "Compare it with something.")
    except Refused as refused:
        raise InputError(f"--where {shown!r}", refused.rule, refused.remedy) from None
    return f"({sql})"


def _tree(text: str) -> Any:
    """Give the nodes of a condition; refuse whatever stands beside it."""
    readable = len(text) <= LONGEST and text.isprintable()
    if not readable and any(not sign.isprintable() and sign not in "\n\t\r" for sign in text):
        raise Refused("it has characters that cannot be printed", "Write it without them.")
    if len(text) > LONGEST:
        raise Refused(f"it is longer than {LONGEST:,} characters", "Use several queues.")
    found, nothing = _parsed(text), _parsed("true")
    if "error_message" in found:
        raise Refused(
            f"it is not SQL: {' '.join(found['error_message'].split())[:120]}",
            'Write a condition such as score > 0.5 AND predicted = \'kudu\'; "group" and "by" '
            "stand in double quotes, texts in single ones.",
        )
    statements = found["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    condition = node.pop("where_clause", None)
    nothing["statements"][0]["node"].pop("where_clause")
    if condition is None or found != nothing:
        raise Refused(
            "it is more than one condition", "Write what may follow WHERE, and nothing behind it."
        )
    return condition


def _parsed(condition: str) -> dict[str, Any]:
    sql = f"SELECT * FROM candidates WHERE {condition}"
    found: dict[str, Any] = json.loads(_ask("SELECT json_serialize_sql(?::VARCHAR)", sql))
    _drop_places(found)
    return found


def _drop_places(node: Any) -> None:
    """Leave out where in the text each node stood."""
    if isinstance(node, dict):
        for name in _PLACES:
            node.pop(name, None)
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            _drop_places(inner)


def _pattern_fault(pattern: str) -> str:
    """Say why a text is no regular expression; '' where it is one."""
    try:
        _ask("SELECT regexp_matches('', ?::VARCHAR)", pattern)
    except duckdb.Error as error:
        return str(error).partition("\n")[0].partition(": ")[2]
    return ""


def _ask(sql: str, value: str) -> Any:
    # A cursor of its own, as a server may ask from several threads.
    with _parser().cursor() as cursor:
        row = cursor.execute(sql, [value]).fetchone()
    return row[0] if row else None


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Open an empty database that can reach nothing; it is kept, as opening one takes long."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "threads": 1,
    }
    return duckdb.connect(config=settings)
