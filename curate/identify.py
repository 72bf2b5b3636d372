"""Bulk identification: checkpoint + images -> one row for every file.

The same command resumes: files that have not changed and whose prediction by the same checkpoint is
in the library are not read again. Failures are rows too, and are only tried again where the system,
not the content, was at fault.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from curate import engine
from curate.core import names, paths
from curate.core.errors import CheckpointError
from curate.core.files import FileEntry, Walked, listed
from curate.core.identity import Content
from curate.core.names import UNKNOWN
from curate.models import checkpoint as checkpoints
from curate.models.classify import Classifier
from curate.models.scores import score_table
from curate.store import decisions, files, runs, shards
from curate.store.files import FileRow
from curate.store.library import Library
from curate.store.schema import runs as runs_table

STAGE = "bulk-id"
PREDICTIONS = "predictions"
BATCH_SIZE = 32
"""Images in one forward pass, when not given."""

COLUMNS = (
    "image_id",
    "path",
    "status",
    "reason",
    "predicted",
    "score",
    "second",
    "second_score",
    "margin",
    "entropy",
    "energy",
    "top_classes",
    "top_scores",
)
"""Columns of the table of predictions."""

_SCHEMA = pa.schema(
    [("run_id", pa.int64())]
    + [(name, pa.string()) for name in ("image_id", "path", "status", "reason", "predicted")]
    + [("score", pa.float64()), ("second", pa.string())]
    + [(name, pa.float64()) for name in ("second_score", "margin", "entropy", "energy")]
    + [("top_classes", pa.list_(pa.string())), ("top_scores", pa.list_(pa.float64()))]
)


@dataclass
class Identified:
    """What a bulk identification found.

    Attributes
    ----------
    table : DataFrame
        One row a file under the folders, by path, with `COLUMNS`. `score` and `second_score` are
        probabilities, `entropy` is in nats; a failure has a reason and no numbers.
    computed : int
        Files that were read in this run; the others were known.
    seconds : float
        Time for those, the model's loading not counted.
    links : int
        Symbolic links that were met and not followed.
    unlisted : list of str
        Folders that could not be listed, each with the system's reason.
    dropped : int
        Rows of damaged shards, of any model, that were given up; the same commands make them again.
    checkpoint : Checkpoint
        The model.
    """

    table: pd.DataFrame
    computed: int
    seconds: float
    links: int
    unlisted: list[str]
    dropped: int
    checkpoint: checkpoints.Checkpoint


@dataclass(frozen=True)
class _Row:
    """One file on its way to a shard: what was read, and what the model said of it."""

    entry: FileEntry
    content: Content | None
    reason: str
    scores: dict[str, Any] | None = None


def bulk_id(
    library: Library,
    model: str | os.PathLike[str],
    roots: Sequence[str | os.PathLike[str]],
    *,
    arch: str | None = None,
    classes: str | os.PathLike[str] | Sequence[str] | None = None,
    other_classes: bool = False,
    top: int = 5,
    device: str = "auto",
    batch_size: int = BATCH_SIZE,
    backend: str = "processes",
    workers: int = 0,
) -> Identified:
    """Let a checkpoint identify every image under some folders.

    Parameters
    ----------
    library : Library
        Where files and predictions are written down.
    model : path-like
        A checkpoint of ours, or a timm state dict.
    roots : sequence of path-like
        Folders (or single files).
    arch, classes
        For a checkpoint from elsewhere: see `curate.models.checkpoint.load`.
    other_classes : bool
        Take a checkpoint of ours although it knows classes that this library's labels lack.
    top : int
        How many classes are kept for each image.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
    batch_size : int
        Images in one forward pass.
    backend : str
        One of `engine.BACKENDS`.
    workers : int
        Decoding processes; 0 chooses.

    Raises
    ------
    InputError
        A folder is missing or holds no file.
    CheckpointError
        The checkpoint cannot be used, or its classes are not this library's.
    """
    passed = Walked()
    places, entries = _listed(roots, passed)
    loaded = checkpoints.load(model, arch, classes)
    if classes is None and not other_classes:
        _check_classes(library, os.fspath(model), loaded.classes)
    asked = {
        "model": loaded.digest,
        "arch": loaded.arch,
        "classes": list(loaded.classes),
        "preprocessing": loaded.preprocessing.to_json(),
        "top": top,
    }
    parameters = {
        **asked,
        "path": os.fspath(model),
        "roots": [paths.to_text(place) for place in places],
        "throw_away": loaded.throw_away,
    }
    key = runs.key_of(asked)
    with runs.running(library, STAGE, parameters, key) as run:
        dropped = sum(shard.rows for shard in shards.tidy(library, PREDICTIONS))
        with library.reading() as connection:
            before = files.known(connection, places)
            done = set(_predictions(library, connection, key, ["image_id"])["image_id"])
        todo = [entry for entry in entries if not _is_done(before.get(entry.path), entry, done)]
        seconds, missed = 0.0, dict[str, str]()
        if todo:
            classifier = Classifier(loaded, device)
            workers = workers or _workers(classifier.device.type)
            work = engine.Work(
                "curate.models.reading:read_prepared", {"preprocessing": loaded.preprocessing}
            )
            outcomes = engine.backend(backend)(todo, work, min(workers, len(todo)), engine.Limits())
            rows = _identify(outcomes, classifier, loaded, batch_size, top)
            seconds = _keep(library, run.run_id, _sifted(rows, before, missed), len(todo))
        with library.writing() as connection:
            files.mark_gone(connection, run.run_id, files.missing(before, entries, passed))
        with library.reading() as connection:
            table = _laid_beside(
                files.table(connection, places), _predictions(library, connection, key), missed
            )
        failed = int((table["status"] == "failed").sum())
        unlisted = [f"{paths.to_text(folder)}: {why}" for folder, why in passed.failed]
        run.summary.update(
            files=len(table),
            computed=len(todo),
            failed=failed,
            seconds=seconds,
            unlisted=unlisted,
            dropped=dropped,
        )
    return Identified(table, len(todo), seconds, passed.links, unlisted, dropped, loaded)


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """Spread the top classes over columns: `class_1`, `score_1`, `class_2`, …, for flat files."""
    width = max((len(names) for names in table["top_classes"].dropna()), default=0)
    spread = table.drop(columns=["top_classes", "top_scores"])
    for place in range(width):
        for name, column in (("class", "top_classes"), ("score", "top_scores")):
            spread[f"{name}_{place + 1}"] = [
                values[place] if isinstance(values, np.ndarray | list) else None
                for values in table[column]
            ]
    return spread


def _listed(
    roots: Sequence[str | os.PathLike[str]], passed: Walked
) -> tuple[list[bytes], list[FileEntry]]:
    """List the files under all folders, each once, by path."""
    places: list[bytes] = []
    entries: dict[bytes, FileEntry] = {}
    for root in roots:
        place, found = listed(root, passed)
        places.append(place)
        entries.update((entry.path, entry) for entry in found)
    return places, [entries[path] for path in sorted(entries)]


def _check_classes(library: Library, model: str, classes: Sequence[str]) -> None:
    """Refuse a model of other labels: its answers would become classes that nobody meant."""
    with library.reading() as connection:
        known = set(decisions.current(connection, "label")["value"]) - {UNKNOWN, ""}
    lacking = [name for name in classes if name not in known] if known else []
    if lacking:
        meant = names.nearest(lacking[0], known)
        shown = ", ".join(map(repr, lacking[:5])) + (", …" if len(lacking) > 5 else "")
        raise CheckpointError(
            model,
            f"{len(lacking)} of its {len(classes)} classes are not in this library: {shown}"
            + (f" (the nearest to the first is {meant!r})" if meant else ""),
            "Scan the labelled images that it was made from, name another --library, or take it "
            "all the same with --other-classes.",
        )


def _is_done(known: FileRow | None, entry: FileEntry, done: set[str]) -> bool:
    """Whether a file is as it was and its row is there."""
    if known is None or known.status == "gone" or known.changed(entry):
        return False
    if known.status == "failed":
        return not engine.may_pass_later(known.reason)
    return known.image_id in done


def _identify(
    outcomes: Iterator[engine.Outcome],
    classifier: Classifier,
    loaded: checkpoints.Checkpoint,
    batch_size: int,
    top: int,
) -> Generator[_Row, None, None]:
    """Turn what the workers read into rows, the readable ones in batches through the model."""
    batch: list[tuple[FileEntry, Content, Any]] = []

    def forward() -> Iterator[_Row]:
        if not batch:
            return
        logits = classifier.logits(np.stack([pixels for _, _, pixels in batch]))
        table = score_table(logits, loaded.classes, top, loaded.temperature)
        for number, (entry, content, _) in enumerate(batch):
            yield _Row(entry, content, "", {name: table[name][number] for name in table})
        batch.clear()

    with closing(engine.prefetched(outcomes, 4 * batch_size)) as ahead:
        for outcome in ahead:
            if outcome.value is None:
                yield _Row(outcome.entry, None, outcome.reason)
                continue
            batch.append((outcome.entry, *outcome.value))
            if len(batch) == batch_size:
                yield from forward()
        yield from forward()


def _sifted(
    rows: Generator[_Row, None, None],
    before: Mapping[bytes, FileRow],
    missed: dict[str, str],
) -> Generator[_Row, None, None]:
    """Put aside the failures of the system on files that were read well before.

    A machine short of memory for an hour must not make labelled images unreadable; such files are
    failures of this run only, and the next one tries them again.
    """
    with closing(rows):
        for row in rows:
            known = before.get(row.entry.path)
            well = known is not None and known.was_read(row.entry)
            if row.content is None and well and engine.may_pass_later(row.reason):
                missed[paths.to_text(row.entry.path)] = row.reason
            else:
                yield row


def _keep(library: Library, run_id: int, rows: Generator[_Row, None, None], total: int) -> float:
    """Write rows to the library, a shard at a time; give the seconds that it took."""

    def keep(some: list[_Row], number: int) -> None:
        predicted = [row for row in some if row.scores is not None and row.content is not None]
        shard = shards.write(library, PREDICTIONS, run_id, number, _to_arrow(predicted, run_id))
        with library.writing() as connection:
            seen = [
                FileRow.read(row.entry, row.content.image_id if row.content else None, row.reason)
                for row in some
            ]
            contents = [row.content for row in some if row.content is not None]
            files.register(connection, run_id, seen, contents)
            shards.reference(connection, shard)

    buffer = engine.Buffer(keep)
    failed = 0
    start = time.monotonic()
    with closing(rows), engine.progress("Identifying", total) as advance:
        try:
            for row in rows:
                buffer.add(row)
                failed += row.content is None
                advance(1, f"{failed} failed" if failed else "")
        finally:
            # Also on Ctrl-C: what has been computed is kept.
            buffer.flush()
    return time.monotonic() - start


def _to_arrow(rows: Sequence[_Row], run_id: int) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                **(row.scores or {}),
                "run_id": run_id,
                "image_id": row.content.image_id if row.content else None,
                "path": paths.to_text(row.entry.path),
            }
            for row in rows
        ],
        schema=_SCHEMA,
    )


def _predictions(
    library: Library, connection: Connection, key: str, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Give what runs of this key predicted: one row an image, the last where there are more."""
    query = select(runs_table.c.run_id).where(runs_table.c.stage == STAGE, runs_table.c.key == key)
    run_ids = list(connection.scalars(query))
    parts = shards.paths(library, shards.referenced(connection, PREDICTIONS, run_ids))
    tables = [pq.read_table(path, columns=columns) for path in parts]
    table = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame.drop_duplicates("image_id", keep="last")


def _laid_beside(
    found: pd.DataFrame, predicted: pd.DataFrame, missed: Mapping[str, str]
) -> pd.DataFrame:
    """Give every file its prediction, or its failure."""
    joined = found[["path", "image_id", "status", "reason"]].merge(
        predicted.drop(columns=["path", "run_id"]),
        on="image_id",
        how="left",
        suffixes=("", "_said"),
    )
    said = joined["status_said"] == "failed"
    joined.loc[said, "reason"] = "score: " + joined.loc[said, "reason_said"]
    unsaid = (joined["status"] == "ok") & joined["status_said"].isna()
    joined.loc[unsaid, "reason"] = [
        missed.get(path, "read: it could not be looked at in this run")
        for path in joined.loc[unsaid, "path"]
    ]
    joined.loc[said | unsaid, "status"] = "failed"
    return joined[list(COLUMNS)]


def _workers(device: str) -> int:
    """Decoding processes: all cores beside a GPU, few where the model needs the cores."""
    cores = engine.available_cores()
    return cores if device != "cpu" else 1 + cores // 4
