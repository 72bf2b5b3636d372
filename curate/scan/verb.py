"""Bring the library up to date with a folder.

A file is read when it is new or has changed; its content is its identity, so a moved file is the
image it was, with its labels, and copies are one image with several files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from curate import engine
from curate.core import paths
from curate.core.errors import FaultsError, InputError
from curate.core.files import FileEntry, Walked
from curate.core.listing import listed
from curate.formats.manifest import ORIGINS, read_manifest
from curate.scan.changes import needs_look
from curate.scan.labels import (
    careful_origins,
    clash_faults,
    contradictions,
    from_folders,
    group_values,
    label_changes,
    value_changes,
    withdrawn,
)
from curate.store import decisions, files, runs, schema, shards
from curate.store import looks as looks_table
from curate.store.decisions import Decision
from curate.store.dialect import insert_or_replace
from curate.store.files import FileRow
from curate.store.library import Library
from curate.store.schema import roots

ACTOR = "scan"
LOOKS = looks_table.TABLE


@dataclass
class Scanned:
    """What a scan found.

    Attributes
    ----------
    table : DataFrame
        One row a file: image_id, path, status (ok, failed), reason.
    conflicts : DataFrame
        Files that say another label, origin or split than the library keeps: image_id, path,
        label (what is kept), stated, reason.
    counts : dict of str to int
        files, read, unchanged, failed, missed (read well before, and not now for reasons of the
        system), gone, links, special, images, decisions, conflicts.
    unlisted : list of str
        Folders that could not be listed, each with the system's reason.
    new_classes : list of str
        Classes that had no image before.
    """

    table: pd.DataFrame
    conflicts: pd.DataFrame
    counts: dict[str, int]
    unlisted: list[str]
    new_classes: list[str]


def scan(
    library: Library,
    root: str | os.PathLike[str],
    *,
    labels: str = "",
    origin: str = "",
    backend: str = "processes",
    workers: int = 0,
) -> Scanned:
    """Bring the library up to date with a folder.

    Parameters
    ----------
    library : Library
        Where it is written down.
    root : path-like
        A folder of images, or one image.
    labels : str
        '' for a pool, ``folder`` for class folders (a nested folder is the sub-class), or the path
        of a manifest (see `read_manifest`).
    origin : str
        Where the images come from (real, staged, synthetic); '' leaves what is known.
    backend : str
        One of `engine.BACKENDS`.
    workers : int
        Processes; 0 for one a core.

    Raises
    ------
    InputError, FaultsError
        The folder is missing or empty, or the labels have faults; nothing was changed then.
    """
    passed = Walked()
    place, found = listed(root, passed)
    stated = _stated(library, found, place, labels, origin)
    said = paths.to_text(os.fsencode(labels))
    parameters = {"root": paths.to_text(place), "labels": said, "origin": origin}
    with runs.running(library, "scan", parameters) as run:
        shards.tidy(library, LOOKS, looks_table.SCHEMA)
        with library.reading() as connection:
            before = files.known(connection, [place])
            looked = _looked_at(library, connection)
        todo = [entry for entry in found if needs_look(entry, before.get(entry.path), looked)]
        workers = workers or engine.available_cores()
        missed = _look(library, run.run_id, todo, before, looked, backend, workers)
        gone = files.missing(before, found, passed)
        with library.writing() as connection:
            files.mark_gone(connection, run.run_id, gone)
            root_row = {"path": place, "labels": said, "origin": origin, "run_id": run.run_id}
            insert_or_replace(connection, roots, [root_row])
            table = files.table(connection, [place])
            known = set(decisions.current(connection, "label")["value"])
            made, conflicts = _decide(connection, table, stated, run.run_id, labels != "folder")
            decided = decisions.append(connection, run.run_id, made)
        counts = {
            "files": len(found),
            "read": len(todo),
            "unchanged": len(found) - len(todo),
            "failed": int((table["status"] == "failed").sum()),
            "missed": missed,
            "gone": len(gone),
            "links": passed.links,
            "special": passed.special,
            "images": int(table["image_id"].nunique()),
            "decisions": decided,
            "conflicts": len(conflicts),
        }
        unlisted = [f"{paths.to_text(folder)}: {why}" for folder, why in passed.failed]
        named = {decision.value for decision in made if decision.kind == "label"}
        new_classes = sorted(named - known - {""})
        run.summary.update(counts, unlisted=unlisted, new_classes=new_classes)
    rows = table[["image_id", "path", "status", "reason"]]
    return Scanned(rows, conflicts, counts, unlisted, new_classes)


def _stated(
    library: Library, found: Sequence[FileEntry], place: bytes, labels: str, origin: str
) -> pd.DataFrame:
    """Give what the user says of files: path (text), label, sub_class … as texts."""
    if origin and origin not in ORIGINS:
        raise InputError(
            f"origin {origin!r}", "is none of the origins", f"Known: {', '.join(ORIGINS)}."
        )
    if labels and labels != "folder":
        stated, faults, source = read_manifest(Path(labels), place), list[str](), labels
    elif labels:
        stated, faults = from_folders((entry.path for entry in found), place)
        source = paths.to_text(place)
    else:
        stated, faults, source = pd.DataFrame({"path": [e.path for e in found]}), [], ""
        stated["label"] = ""
    with library.reading() as connection:
        known = decisions.current(connection, "label")["value"].unique()
    faults += clash_faults(stated["label"].unique(), known)
    if faults:
        raise FaultsError(source, faults, "Rename these and give the command again.")
    for column in ("sub_class", "bbox", "origin", "split"):
        if column not in stated:
            stated[column] = ""
    if origin:
        stated["origin"] = stated["origin"].mask(stated["origin"] == "", origin)
    stated["path"] = [paths.to_text(path) for path in stated["path"]]
    return stated


def _look(
    library: Library,
    run_id: int,
    todo: Sequence[FileEntry],
    before: Mapping[bytes, FileRow],
    looked: set[str],
    backend: str,
    workers: int,
) -> int:
    """Read the files, and write down what they are, a shard at a time.

    Gives the number of those that were read well before and could not be read now for reasons of
    the system: they stay what they were, and the next scan tries them again.
    """

    def keep(outcomes: list[engine.Outcome], number: int) -> None:
        seen = [_file_row(outcome) for outcome in outcomes]
        looks = {o.value.content.image_id: o.value for o in outcomes if o.value is not None}
        # A moved file or a copy is an image that was looked at before: it gets no second row.
        new = [look for image_id, look in looks.items() if image_id not in looked]
        shard = shards.write(library, LOOKS, run_id, number, looks_table.rows(new))
        with library.writing() as connection:
            contents = [look.content for look in looks.values()]
            files.register(connection, run_id, seen, contents)
            shards.reference(connection, shard)
        looked.update(looks)

    buffer = engine.Buffer(keep)
    work = engine.Work("curate.core.look:seen", together="curate.core.look:finished")
    outcomes = engine.backend(backend)(todo, work, min(workers, len(todo)), engine.Limits())
    failed = missed = 0
    with engine.progress("Scanning", len(todo)) as advance:
        try:
            for outcome in outcomes:
                known = before.get(outcome.entry.path)
                well = known is not None and known.was_read(outcome.entry)
                if outcome.value is None and well and engine.may_pass_later(outcome.reason):
                    missed += 1
                else:
                    buffer.add(outcome)
                failed += outcome.value is None
                advance(1, f"{failed} failed" if failed else "")
        finally:
            # Also on Ctrl-C: what has been read is kept.
            buffer.flush()
    return missed


def _file_row(outcome: engine.Outcome) -> FileRow:
    image_id = outcome.value.content.image_id if outcome.value is not None else None
    return FileRow.read(outcome.entry, image_id, outcome.reason)


def _looked_at(library: Library, connection: Connection) -> set[str]:
    found = shards.paths(library, shards.referenced(connection, LOOKS))
    return {
        image_id
        for path in found
        for image_id in pq.read_table(path, columns=["image_id"])["image_id"].to_pylist()
    }


def _decide(
    connection: Connection, table: pd.DataFrame, stated: pd.DataFrame, run_id: int, revises: bool
) -> tuple[list[Decision], pd.DataFrame]:
    """Turn what the user says into the decisions that are new, and the conflicts."""
    told = table[["image_id", "path"]].dropna().merge(stated, on="path").sort_values("path")
    made: list[Decision] = []

    def decide(kind: str, field: str, rows: pd.DataFrame, column: str) -> None:
        for row in rows.to_dict("records"):
            detail = {name: row[name] for name in _DETAIL.get(kind, ()) if row[name]}
            key = f"scan/{run_id}/{kind}/{field}/{row['image_id']}"
            made.append(Decision(kind, row["image_id"], row[column], key, ACTOR, field, detail))

    by_manifest = _manifest_words(connection, run_id)
    labels = decisions.current(connection, "label")
    kept = _labels(labels[labels["value"] != ""])
    said = decisions.current(connection, "label", actors=[ACTOR])
    changes, conflicts = label_changes(
        told[told["label"] != ""], kept, _labels(said), revises=revises
    )
    decide("label", "", changes, "label")
    said = said[said["seq"].isin(by_manifest)]
    decide("label", "", withdrawn(told, "label", kept, _labels(said)), "label")
    origins, two_origins = careful_origins(told)
    current = decisions.current(connection, "origin").set_index("image_id")["value"]
    decide("origin", "", value_changes(origins, "origin", current), "origin")
    # Only an image that never had a place takes the manifest's: the permanent split stays put.
    placed = decisions.current(connection, "split", withdrawn=False).set_index("image_id")["value"]
    unplaced = told[~told["image_id"].isin(placed.index)]
    new = value_changes(unplaced, "split", pd.Series(dtype=object))
    decide("split", "", new, "split")
    places = pd.concat([placed, new.set_index("image_id")["split"]])
    two_places = contradictions(told, "split", places, _HAS_ITS_PLACE)
    groups = decisions.current(connection, "group")
    for column in stated.columns:
        if column == "group" or column.startswith("group_"):
            field = column.removeprefix("group_")
            rows = groups[groups["field"] == field].rename(columns={"value": column})
            changes = value_changes(
                group_values(told, column), column, rows.set_index("image_id")[column]
            )
            decide("group", field, changes, column)
            holds = rows[["image_id", column]]
            # Nobody but scans says groups, so what holds is what was said last.
            gone = withdrawn(told, column, holds, holds[rows["seq"].isin(by_manifest)])
            decide("group", field, gone, column)
    found = pd.concat([conflicts, two_origins, two_places], ignore_index=True)
    return made, found


_DETAIL = {"label": ("sub_class", "bbox"), "group": ("values",)}
_HAS_ITS_PLACE = "it has its place in the permanent split; the manifest's split is left aside"


def _manifest_words(connection: Connection, run_id: int) -> set[int]:
    """Give the decisions (seq) that a manifest may take back: those of manifests for its folder.

    An empty cell says nothing against the label that a folder gave, or that the manifest of
    another folder gave to a copy. There are none when the run itself reads no manifest.
    """
    runs_, log = schema.runs, schema.decisions
    query = select(runs_.c.run_id, runs_.c.parameters).where(runs_.c.stage == "scan")
    asked = {row.run_id: json.loads(row.parameters) for row in connection.execute(query)}
    manifests = {
        number: parameters["root"]
        for number, parameters in asked.items()
        if parameters.get("labels", "") not in ("", "folder")
    }
    if run_id not in manifests:
        return set()
    rows = connection.execute(select(log.c.seq, log.c.run_id).where(log.c.actor == ACTOR))
    return {row.seq for row in rows if manifests.get(row.run_id) == manifests[run_id]}


def _labels(current: pd.DataFrame) -> pd.DataFrame:
    sub_classes = [detail.get("sub_class", "") for detail in current["detail"]]
    return pd.DataFrame(
        {"image_id": current["image_id"], "label": current["value"], "sub_class": sub_classes}
    )
