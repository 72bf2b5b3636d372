"""Answers in: from a filled-in queue, or as another program's file gave them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from curate.core import names, paths
from curate.core.chunks import batched
from curate.core.errors import FaultsError
from curate.core.names import REJECTED, UNKNOWN
from curate.formats.exchange import as_was
from curate.formats.tables import read_records
from curate.labels.deciding import (
    Faults,
    Held,
    Row,
    class_faults,
    decisions_of,
    one_each,
    status,
    sub_class_fault,
)
from curate.store import decisions, runs, schema
from curate.store.finding import find
from curate.store.library import Library

STAGE = "label"

ANSWERED = ("image_id", "path", "label", "sub_class", "was", "status")
"""Columns of `Imported.table`."""

_COLUMNS = ("image_id", "path", "label", "sub_class", "was")
_REMEDY = "Mend these and give the command again; a class that is new is named with `--new-class`."


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes
    ----------
    counts : dict of str to int
        labelled, unknown, rejected (new answers of each kind), changed (those of them that replace
        another answer), unchanged (answers that held already, and rows that came back as they went
        out), unanswered (rows with an empty label), new_classes (classes of which the library had
        no image).
    table : DataFrame
        `ANSWERED`, one row an answered image in the order of the file: image_id, path (as the file
        has it), label and sub_class (what was answered), was (what held before: a class, *unknown*,
        *rejected* or ''), status (labelled, unknown, rejected, unchanged).
    """

    counts: dict[str, int]
    table: pd.DataFrame


def import_answers(
    library: Library, path: Path, *, actor: str, new_classes: Collection[str] = ()
) -> Imported:
    """Bring the answers of a filled-in queue into the library.

    Parameters
    ----------
    library : Library
        Where the decisions are written.
    path : Path
        ``.csv`` or ``.parquet`` with `label`, and `image_id` or `path` (absolute, or from the
        library's folder), and optionally `sub_class` and `was`; other columns are not looked at.
        A label that is still what it `was` when this library wrote it is no answer. In `label`,
        '' is no answer, *unknown* is a good image of which nobody knows yet what it shows,
        *rejected* an image that is not wanted, anything else a class.
    actor : str
        Who answered.
    new_classes : collection of str
        Classes that neither the library nor a model knows yet. Where no class is known at all, and
        none is named here, every class of the file is taken.

    Returns
    -------
    Imported
        A label takes an earlier rejection back; a rejected image keeps its label, unused.

    Raises
    ------
    InputError
        The file cannot be read.
    FaultsError
        With every fault and its line; nothing was imported then.
    """
    faults: Faults = []
    answered, unanswered = _read(path, faults)

    def images(connection: Connection) -> tuple[dict[int, str], dict[int, str]]:
        found = _images(connection, answered, paths.absolute(library.root))
        return found, {r.number: _no_image(r) for r in answered if r.number not in found}

    parameters = {"file": os.fspath(path), "sha256": sha256(path.read_bytes()).hexdigest()}
    rows = _Rows(str(path), answered, unanswered, faults, images)
    return _import(library, rows, parameters, actor, new_classes)


def import_table(
    library: Library,
    answers: pd.DataFrame,
    source_name: str,
    *,
    actor: str,
    new_classes: Collection[str] = (),
    roots: Sequence[bytes] = (),
) -> Imported:
    """Bring the answers that a file of another program holds into the library.

    Parameters
    ----------
    library : Library
        Where the decisions are written.
    answers : DataFrame
        `formats.exchange.ANSWER_COLUMNS`: place, file, image_id, label, sub_class, by, was; one
        row an answer. Labels and `was` as `import_answers` takes them.
    source_name : str
        What errors and the run call the file.
    actor : str
        Who answered where `by` is ''.
    new_classes : collection of str
        As `import_answers` takes them.
    roots : sequence of bytes
        Folders that relative files may start from; the first in which there is one counts. See
        `store.finding.find` for how images are found.

    Returns
    -------
    Imported
        As `import_answers` gives it; `path` is the file as it was named.

    Raises
    ------
    FaultsError
        With every fault and its place, also two annotators who disagree; nothing was imported then.
    """
    columns = ("place", "image_id", "file", "label", "sub_class", "by", "was")
    texts = answers[list(columns)].astype(object).fillna("").astype(str)
    rows = [Row(n, *cells) for n, cells in enumerate(texts.itertuples(index=False, name=None))]
    faults = [(r.number, f"{r.place}: {said}") for r in rows if (said := sub_class_fault(r))]

    def images(connection: Connection) -> tuple[dict[int, str], dict[int, str]]:
        found = find(connection, [(row.image_id, row.path) for row in rows], roots)
        return found.images, found.faults

    digest = sha256(texts.to_json(orient="values").encode()).hexdigest()
    parameters = {"file": source_name, "sha256": digest}
    given = _Rows(source_name, rows, 0, faults, images)
    return _import(library, given, parameters, actor, new_classes)


@dataclass(frozen=True)
class _Rows:
    """The rows of a file that have an answer, and what is known of their faults before."""

    source: str
    answered: list[Row]
    unanswered: int
    faults: Faults
    images: Callable[[Connection], tuple[dict[int, str], dict[int, str]]]
    """Gives the image of each row, by its number, and why others have none."""


def _import(
    library: Library,
    given: _Rows,
    parameters: dict[str, Any],
    actor: str,
    new_classes: Collection[str],
) -> Imported:
    faults = list(given.faults)
    with runs.running(library, STAGE, parameters) as run:
        # One transaction from what holds to what is decided: nobody can answer in between.
        with library.writing() as connection:
            held = _held(connection)
            images, lost = given.images(connection)
            places = {row.number: row.place for row in given.answered}
            faults += [(number, f"{places[number]}: {said}") for number, said in lost.items()]
            answers = one_each(given.answered, images, faults)
            classes = {one.label for one in held.values() if one.label}
            accepted = _model_classes(connection) | set(new_classes)
            returned = _returned(connection, answers)
            said = [row for row in given.answered if images.get(row.number) not in returned]
            faults += class_faults(said, classes, accepted)
            if faults:
                raise FaultsError(given.source, [text for _, text in sorted(faults)], _REMEDY)
            rows, made = [], list[decisions.Decision]()
            for image_id, row in answers.items():
                before = held.get(image_id, Held())
                back = image_id in returned
                needed = [] if back else decisions_of(image_id, row, before, row.by or actor)
                rows.append((image_id, row, before.answer, status(row.label, needed)))
                made += needed
            decisions.append(connection, run.run_id, made)
        table = _table(rows)
        run.summary.update(counts := _counts(table, given.unanswered, classes))
    return Imported(counts, table)


def _read(path: Path, faults: Faults) -> tuple[list[Row], int]:
    """Read the rows that have an answer, and how many have none; note what is wrong with a row."""
    records = read_records(path, "a table of answers")
    _, header = next(records, ("", []))
    wrong = _header_faults(header)
    if wrong:
        raise FaultsError(str(path), wrong, _REMEDY)
    answered, unanswered = [], 0
    for number, (place, cells) in enumerate(records):
        if len(cells) != len(header):
            faults.append((number, f"{place}: {len(cells)} cells, {len(header)} columns"))
            continue
        named = dict(zip(header, cells, strict=True))
        image_id, shown, label, sub_class, was = (named.get(name, "") for name in _COLUMNS)
        row = Row(number, place, image_id, shown, label, sub_class, was=was)
        fault = sub_class_fault(row)
        if fault:
            faults.append((number, f"{place}: {fault}"))
        if row.label:
            answered.append(row)
        else:
            unanswered += 1
    return answered, unanswered


def _header_faults(header: Sequence[str]) -> list[str]:
    faults = [
        f"line 1: the column {name!r} is there {header.count(name)} times"
        for name in _COLUMNS
        if header.count(name) > 1
    ]
    if "label" not in header:
        meant = names.nearest("label", header)
        hint = f" (is it {meant!r}?)" if meant else ""
        faults.append(f"line 1: the column 'label' is missing{hint}")
    if "image_id" not in header and "path" not in header:
        faults.append("line 1: one of the columns 'image_id' and 'path' is needed, to name images")
    return faults


def _held(connection: Connection) -> dict[str, Held]:
    """Give what is decided of every image that has a label or a rejection."""
    labels = decisions.current(connection, "label").to_dict("records")
    held = {row["image_id"]: Held(row["value"], row["detail"], row["seq"]) for row in labels}
    for row in decisions.current(connection, "reject").to_dict("records"):
        before = held.get(row["image_id"], Held())
        held[row["image_id"]] = Held(
            before.label, before.detail, before.label_seq, row["value"] != "", row["seq"]
        )
    return held


def _returned(connection: Connection, answers: Mapping[str, Row]) -> set[str]:
    """Give the images whose row is as it went out, and went out of this library.

    It has held that label then, in the log if no longer now: what was corrected since stays. Of
    another library's labels, or in a library that is made anew from them, every row is an answer.
    """
    back = {image_id: row.was for image_id, row in answers.items() if row.is_as_it_went_out}
    found, log = set[str](), schema.decisions.c
    for some in batched(sorted(back), 500):
        query = select(log.image_id, log.value, log.detail).where(
            log.kind == "label", log.image_id.in_(some)
        )
        for image_id, label, detail in connection.execute(query):
            if back[image_id] == as_was(label, json.loads(detail).get("sub_class", "")):
                found.add(image_id)
    return found


def _model_classes(connection: Connection) -> set[str]:
    """Give the classes of every model whose predictions were asked for."""
    query = select(schema.runs.c.parameters).where(schema.runs.c.stage == "bulk-id")
    return {name for text in connection.scalars(query) for name in json.loads(text)["classes"]}


def _images(connection: Connection, rows: Sequence[Row], root: bytes) -> dict[int, str]:
    """Find the image of each row, by its number; rows that name none of the library are not there.

    A row without an image_id is found by its path.
    """
    ids = sorted({row.image_id for row in rows if row.image_id})
    places = {row.number: _absolute(root, row.path) for row in rows if not row.image_id}
    known: set[str] = set()
    for some in batched(ids, 500):
        column = schema.images.c.image_id
        known.update(connection.scalars(select(column).where(column.in_(some))))
    by_path: dict[bytes, str] = {}
    for lot in batched(sorted(set(places.values())), 500):
        path, image_id = schema.files.c.path, schema.files.c.image_id
        query = select(path, image_id).where(path.in_(lot), image_id.is_not(None))
        by_path.update((row.path, row.image_id) for row in connection.execute(query))
    found = {row.number: row.image_id for row in rows if row.image_id in known}
    return found | {n: by_path[place] for n, place in places.items() if place in by_path}


def _no_image(row: Row) -> str:
    named = f"image_id {row.image_id!r}" if row.image_id else f"path {row.path!r}"
    return f"{named} is no image of the library"


def _absolute(root: bytes, text: str) -> bytes:
    return paths.beside(root, paths.from_text(text))


def _table(rows: Sequence[tuple[str, Row, str, str]]) -> pd.DataFrame:
    cells = [
        (image_id, row.path, row.label, row.sub_class, was, status)
        for image_id, row, was, status in rows
    ]
    return pd.DataFrame(cells, columns=list(ANSWERED), dtype="string")


def _counts(table: pd.DataFrame, unanswered: int, classes: Collection[str]) -> dict[str, int]:
    new = table["status"] != "unchanged"
    fresh = set(table["label"]) - {*classes, UNKNOWN, REJECTED}
    return {
        **{name: int((table["status"] == name).sum()) for name in ("labelled", UNKNOWN, REJECTED)},
        "changed": int((new & (table["was"] != "")).sum()),
        "unchanged": int((~new).sum()),
        "unanswered": unanswered,
        "new_classes": len(fresh),
    }
