"""Labels in and out: the answers of a person come back from a queue, and all labels go to a file.

What a file says is held against what the library keeps now. An answer that holds already adds
nothing, so the same file can be imported again; one that differs is a new decision, also where it
goes back to an earlier one. The key of a decision names the one that it replaces: a file that
changes its mind twice makes three decisions, an import that is sent twice makes one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from curate.core import names, paths
from curate.core.chunks import batched
from curate.core.errors import FaultsError
from curate.core.names import REJECTED, UNKNOWN
from curate.formats.tables import read_records
from curate.store import decisions, facts, runs, schema
from curate.store.decisions import Decision
from curate.store.library import Library

STAGE = "label"

ANSWERED = ("image_id", "path", "label", "sub_class", "was", "status")
"""Columns of `Imported.table`."""

_COLUMNS = ("image_id", "path", "label", "sub_class")
_REMEDY = "Mend these and give the command again; a class that is new is named with `--new-class`."


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes
    ----------
    counts : dict of str to int
        labelled, unknown, rejected (new answers of each kind), changed (those of them that replace
        another answer), unchanged (answers that held already), unanswered (rows with an empty
        label), new_classes (classes of which the library had no image).
    table : DataFrame
        `ANSWERED`, one row an answered image in the order of the file: image_id, path (as the file
        has it), label and sub_class (what was answered), was (what held before: a class, *unknown*,
        *rejected* or ''), status (labelled, unknown, rejected, unchanged).
    """

    counts: dict[str, int]
    table: pd.DataFrame


@dataclass(frozen=True)
class _Row:
    """One row of the file; `place` is its line, for people."""

    number: int
    place: str
    image_id: str
    path: str
    label: str
    sub_class: str


@dataclass(frozen=True)
class _Held:
    """What the library keeps of an image, and which decisions say so (0 where none does)."""

    label: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    label_seq: int = 0
    rejected: bool = False
    reject_seq: int = 0

    @property
    def answer(self) -> str:
        return REJECTED if self.rejected else self.label


_Faults = list[tuple[int, str]]
"""Faults with the number of their row, so that they can be listed in the order of the file."""


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
        library's folder), and optionally `sub_class`; other columns are not looked at. In `label`,
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
    faults: _Faults = []
    answered, unanswered = _read(path, faults)
    parameters = {"file": os.fspath(path), "sha256": sha256(path.read_bytes()).hexdigest()}
    with runs.running(library, STAGE, parameters) as run:
        # One transaction from what holds to what is decided: nobody can answer in between.
        with library.writing() as connection:
            held = _held(connection)
            images = _images(connection, answered, paths.absolute(library.root))
            answers = _one_each(answered, images, faults)
            classes = {one.label for one in held.values() if one.label}
            accepted = _model_classes(connection) | set(new_classes)
            faults += _class_faults(answered, classes, accepted)
            if faults:
                raise FaultsError(str(path), [text for _, text in sorted(faults)], _REMEDY)
            rows, made = [], list[Decision]()
            for image_id, row in answers.items():
                before = held.get(image_id, _Held())
                needed = _decisions(image_id, row, before, actor)
                rows.append((image_id, row, before.answer, _status(row.label, needed)))
                made += needed
            decisions.append(connection, run.run_id, made)
        table = _table(rows)
        run.summary.update(counts := _counts(table, unanswered, classes))
    return Imported(counts, table)


def export_labels(library: Library) -> pd.DataFrame:
    """Give every label, as a table that `import_answers` and `curate scan --labels` read back.

    The import finds images by their content, wherever they lie; it takes label and sub_class. The
    scan goes by path, in one folder, and takes every column.

    Returns
    -------
    DataFrame
        Columns image_id, path (one place of the image), label, sub_class ('' for none), origin, a
        column for each kind of group ('' for none), and bbox where an image has one; by path.
        Images that were rejected, or of which no file can be read any more, are left out.
    """
    with library.reading() as connection:
        table = facts.images(connection)
        details = decisions.current(connection, "label").set_index("image_id")["detail"]
    table = table[table["usable"] & table["label"].notna()]
    boxes = details.map(lambda detail: detail.get("bbox", "")).reindex(table["image_id"])
    table = table.assign(bbox=boxes.to_numpy())
    groups = [name for name in map(str, table.columns) if name.startswith(facts.GROUP_PREFIX)]
    # What curate found itself is no word of a person's, and the next library finds it again.
    groups = [name for name in groups if name not in table.attrs["found"]]
    extra = ["bbox"] if (table["bbox"] != "").any() else []
    manifest = table[["image_id", "path", "label", "sub_class", "origin", *groups, *extra]]
    return manifest.fillna("").sort_values("path", ignore_index=True)


def _read(path: Path, faults: _Faults) -> tuple[list[_Row], int]:
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
        row = _Row(number, place, *(named.get(name, "") for name in _COLUMNS))
        fault = _sub_class_fault(row)
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


def _sub_class_fault(row: _Row) -> str:
    if not row.sub_class:
        return ""
    if row.label in ("", UNKNOWN, REJECTED):
        return f"sub_class {row.sub_class!r} without a class"
    fault = names.fault_of(row.sub_class)
    return f"sub_class {row.sub_class!r} {fault}" if fault else ""


def _held(connection: Connection) -> dict[str, _Held]:
    """Give what is decided of every image that has a label or a rejection."""
    labels = decisions.current(connection, "label").to_dict("records")
    held = {row["image_id"]: _Held(row["value"], row["detail"], row["seq"]) for row in labels}
    for row in decisions.current(connection, "reject").to_dict("records"):
        before = held.get(row["image_id"], _Held())
        held[row["image_id"]] = _Held(
            before.label, before.detail, before.label_seq, row["value"] != "", row["seq"]
        )
    return held


def _model_classes(connection: Connection) -> set[str]:
    """Give the classes of every model whose predictions were asked for."""
    query = select(schema.runs.c.parameters).where(schema.runs.c.stage == "bulk-id")
    return {name for text in connection.scalars(query) for name in json.loads(text)["classes"]}


def _images(connection: Connection, rows: Sequence[_Row], root: bytes) -> dict[int, str]:
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


def _absolute(root: bytes, text: str) -> bytes:
    return paths.beside(root, paths.from_text(text))


def _one_each(rows: Sequence[_Row], images: Mapping[int, str], faults: _Faults) -> dict[str, _Row]:
    """Give the row that answers for each image; note unknown images, and two answers."""
    answers: dict[str, _Row] = {}
    for row in rows:
        image_id = images.get(row.number)
        if image_id is None:
            named = f"image_id {row.image_id!r}" if row.image_id else f"path {row.path!r}"
            faults.append((row.number, f"{row.place}: {named} is no image of the library"))
            continue
        first = answers.setdefault(image_id, row)
        if (first.label, first.sub_class) != (row.label, row.sub_class):
            text = (
                f"{row.place}: the image is answered {_written(row)} here and {_written(first)} "
                f"in {first.place}"
            )
            faults.append((row.number, text))
    return answers


def _written(row: _Row) -> str:
    return repr(" / ".join(filter(None, (row.label, row.sub_class))))


def _class_faults(
    rows: Sequence[_Row], classes: Collection[str], accepted: Collection[str]
) -> _Faults:
    """Say which labels cannot be classes, once each, at the first row that has it."""
    first: dict[str, _Row] = {}
    counts: dict[str, int] = {}
    for row in rows:
        first.setdefault(row.label, row)
        counts[row.label] = counts.get(row.label, 0) + 1
    settled = {*classes, UNKNOWN, REJECTED}
    known = settled | set(accepted)
    incoming = first.keys() - settled
    twins = dict(names.clashes(incoming, known))
    if known == {UNKNOWN, REJECTED}:
        # There is no class that a slip could be told from: a backup comes into a new library.
        known |= incoming
    faults = []
    for label in incoming:
        fault = _class_fault(label, twins.get(label, ""), known)
        if fault:
            more = f" (and {counts[label] - 1:,} more)" if counts[label] > 1 else ""
            faults.append((first[label].number, f"{first[label].place}{more}: {fault}"))
    return faults


def _class_fault(label: str, twin: str, known: Collection[str]) -> str:
    if twin:
        return f"class {label!r} differs from {twin!r} only in case or composition"
    fault = names.fault_of(label)
    if fault:
        return f"{label!r} cannot name a class: it {fault}"
    if label not in known:
        meant = names.nearest(label, sorted(known))
        return f"no class {label!r} is known" + (f"; did you mean {meant!r}?" if meant else "")
    return ""


def _decisions(image_id: str, row: _Row, held: _Held, actor: str) -> list[Decision]:
    """Give what has to be decided so that the answer holds; nothing where it holds already."""
    if row.label == REJECTED:
        return [] if held.rejected else [_reject(image_id, f"by {actor}", held, actor)]
    made = [_reject(image_id, "", held, actor)] if held.rejected else []
    # An answer without a sub-class does not take away the one that is known.
    same = row.label == held.label and row.sub_class in ("", held.detail.get("sub_class", ""))
    if not same:
        # Where the subject stands in the picture does not depend on what it is called.
        detail = {name: value for name, value in held.detail.items() if name != "sub_class"}
        if row.sub_class:
            detail["sub_class"] = row.sub_class
        key = _key("label", image_id, held.label_seq, [row.label, detail])
        made.append(Decision("label", image_id, row.label, key, actor, detail=detail))
    return made


def _reject(image_id: str, value: str, held: _Held, actor: str) -> Decision:
    key = _key("reject", image_id, held.reject_seq, value)
    return Decision("reject", image_id, value, key, actor)


def _key(kind: str, image_id: str, replaces: int, said: object) -> str:
    digest = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return f"answer/{kind}/{image_id}/{replaces}/{digest}"


def _status(label: str, made: Sequence[Decision]) -> str:
    if not made:
        return "unchanged"
    return label if label in (UNKNOWN, REJECTED) else "labelled"


def _table(rows: Sequence[tuple[str, _Row, str, str]]) -> pd.DataFrame:
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
