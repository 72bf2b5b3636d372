"""The runs of a library as rows: what each was asked, what it made, and what people said of it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from curate.core.errors import InputError
from curate.store import decisions, processes, schema
from curate.store.decisions import Decision
from curate.store.library import Library
from curate.store.runs import ENVIRONMENT

NOTE = "note"
"""Kind of the decision that is a remark on a run."""

_COUNTS = 4
"""Counts of a summary that tell in a few words what a stage made."""


@dataclass(frozen=True)
class Note:
    """A remark on a run: what was said, by whom, and when (ISO 8601, UTC)."""

    text: str
    by: str
    at: str


@dataclass(frozen=True)
class Recorded:
    """One run as the library remembers it.

    Attributes
    ----------
    run_id : int
        Its number.
    stage : str
        ``scan``, ``train``, …
    status : str
        running, done, failed or interrupted; one that was killed is interrupted.
    started, ended : str or None
        ISO 8601, UTC. No end while it runs, and where it was killed.
    parameters, summary : mapping
        What it was asked, and what it wanted remembered.
    versions, environment : mapping of str to str
        Of the software, and where it ran.
    notes : tuple of Note
        Oldest first.
    """

    run_id: int
    stage: str
    status: str
    started: str
    ended: str | None
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    environment: Mapping[str, str]
    summary: Mapping[str, Any]
    notes: tuple[Note, ...] = ()

    @property
    def seconds(self) -> float | None:
        """From the start to the end, good to a second; None without an end."""
        if self.ended is None:
            return None
        times = datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)
        return times.total_seconds()

    @property
    def digest(self) -> str | None:
        """Of the checkpoint that it made, where it made one."""
        found = self.summary.get("digest") if self.stage == "train" else None
        return str(found) if found else None

    @property
    def metrics(self) -> dict[str, float]:
        """What was measured of it: finite numbers only."""
        found = self.summary.get("metrics")
        if not isinstance(found, Mapping):
            return {}
        return {str(name): value for name, value in found.items() if _is_number(value)}

    @property
    def throw_away(self) -> bool | None:
        """Whether it made a throw-away model; None where it is no training."""
        found = self.summary.get("throw_away", self.parameters.get("throw_away"))
        return found if isinstance(found, bool) else None

    @property
    def parent(self) -> str | None:
        """Digest of the checkpoint that it started from."""
        found = self.summary.get("parent") or self.parameters.get("from")
        return str(found) if found and self.stage == "train" else None

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch, as `curate.train.TrainResult.history`; empty where there is none."""
        return self._rows("history")

    @property
    def recalls(self) -> pd.DataFrame:
        """One row a class, as `curate.train.TrainResult.recalls`; empty where there is none."""
        return self._rows("recalls")

    @property
    def made(self) -> str:
        """What came of it, in a few words."""
        if error := self.summary.get("error"):
            return str(error)
        if self.stage == "train":
            path = self.summary.get("path") or self.parameters.get("out") or ""
            return str(path) if self.digest else ""
        told = [f"{count:,} {name.replace('_', ' ')}" for name, count in _counts(self.summary)]
        return ", ".join(told[:_COUNTS])

    def _rows(self, name: str) -> pd.DataFrame:
        found = self.summary.get(name)
        rows = found if isinstance(found, list) else []
        return pd.DataFrame([row for row in rows if isinstance(row, Mapping)])


def recorded(
    connection: Connection,
    *,
    stage: str = "",
    limit: int | None = None,
    run_ids: Collection[int] = (),
) -> list[Recorded]:
    """Read runs, the newest first.

    Parameters
    ----------
    connection : Connection
        A view of the database.
    stage : str
        Only of this stage; of all when empty.
    limit : int, optional
        At most so many, the newest.
    run_ids : collection of int
        Only these; all when empty.
    """
    table = schema.runs
    query = select(table).order_by(table.c.run_id.desc()).limit(limit)
    if stage:
        query = query.where(table.c.stage == stage)
    if run_ids:
        query = query.where(table.c.run_id.in_(run_ids))
    rows = connection.execute(query).mappings().all()
    notes = _notes(connection)
    return [_recorded(row, notes.get(row["run_id"], ())) for row in rows]


def named(connection: Connection, run_ids: Sequence[int]) -> list[Recorded]:
    """Read the runs with these numbers, in this order.

    Raises
    ------
    InputError
        There is none with such a number.
    """
    found = {row.run_id: row for row in recorded(connection, run_ids=run_ids)}
    for run_id in run_ids:
        if run_id not in found:
            raise InputError(
                f"run {run_id}", "the library has no such run", "`curate runs` lists them"
            )
    return [found[run_id] for run_id in run_ids]


def stages(connection: Connection) -> list[str]:
    """Name the stages of which there are runs."""
    stage = schema.runs.c.stage
    return list(connection.scalars(select(stage).distinct().order_by(stage)))


def maker(connection: Connection, digest: str) -> int | None:
    """Give the last training that made the checkpoint with a digest; None where none did."""
    trainings = recorded(connection, stage="train")
    return next((row.run_id for row in trainings if row.digest == digest), None)


def table(rows: Sequence[Recorded]) -> pd.DataFrame:
    """Lay runs out as a table.

    Returns
    -------
    DataFrame
        One row a run, in the order given: run_id, stage, status, started (ISO 8601, UTC), seconds
        (missing without an end), made (in a few words; the error of one that failed), digest,
        val_accuracy, test_accuracy, throw_away, parent (missing where it is no training), notes
        (joined by line breaks).
    """
    columns: dict[str, pd.Series] = {
        "run_id": pd.Series([row.run_id for row in rows], dtype="int64"),
        "stage": _texts([row.stage for row in rows]),
        "status": _texts([row.status for row in rows]),
        "started": _texts([row.started for row in rows]),
        "seconds": _floats([row.seconds for row in rows]),
        "made": _texts([row.made for row in rows]),
        "digest": _texts([row.digest for row in rows]),
        "val_accuracy": _floats([row.metrics.get("val_accuracy") for row in rows]),
        "test_accuracy": _floats([row.metrics.get("test_accuracy") for row in rows]),
        "throw_away": pd.Series([row.throw_away for row in rows], dtype="boolean"),
        "parent": _texts([row.parent for row in rows]),
        "notes": _texts(["\n".join(note.text for note in row.notes) for row in rows]),
    }
    return pd.DataFrame(columns)


def remark(library: Library, run_id: int, text: str, by: str) -> bool:
    """Keep a remark on a run, for ever: it goes into the log of decisions.

    Returns
    -------
    bool
        Whether it is new: the same words of the same person on the same run are one remark.

    Raises
    ------
    InputError
        There is no such run, or no text.
    """
    # A name or a text that is not UTF-8 reaches us in pieces that no database takes.
    said, actor = (part.strip().encode(errors="backslashreplace").decode() for part in (text, by))
    if not said:
        raise InputError(f"note {text!r}", "it says nothing", "Give a text")
    key = sha256(json.dumps([NOTE, run_id, said, actor]).encode()).hexdigest()
    with library.writing() as connection:
        named(connection, [run_id])
        made = Decision(NOTE, "", said, key, actor, field=str(run_id))
        return bool(decisions.append(connection, run_id, [made]))


def _notes(connection: Connection) -> dict[int, tuple[Note, ...]]:
    log = schema.decisions
    query = select(log.c.run_id, log.c.value, log.c.actor, log.c.made_at)
    found: dict[int, tuple[Note, ...]] = {}
    for run_id, text, by, at in connection.execute(
        query.where(log.c.kind == NOTE).order_by(log.c.seq)
    ):
        found[run_id] = (*found.get(run_id, ()), Note(text, by, at))
    return found


def _recorded(row: Mapping[Any, Any], notes: tuple[Note, ...]) -> Recorded:
    told = json.loads(row["versions"])
    killed = row["status"] == "running" and processes.is_gone(told)
    return Recorded(
        run_id=row["run_id"],
        stage=row["stage"],
        status="interrupted" if killed else row["status"],
        started=row["started_at"],
        ended=row["ended_at"],
        parameters=json.loads(row["parameters"]),
        versions={name: text for name, text in told.items() if name not in ENVIRONMENT},
        environment={name: told[name] for name in ENVIRONMENT if name in told},
        summary=json.loads(row["summary"]),
        notes=notes,
    )


def _counts(summary: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Give the counts above 0 of a summary, also those in a table of counts (images by split)."""
    for name, value in summary.items():
        if isinstance(value, Mapping):
            if all(type(count) is int for count in value.values()):
                yield from _counts(value)
        elif type(value) is int and value > 0:
            yield str(name), value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _texts(values: Sequence[str | None]) -> pd.Series:
    return pd.Series(values, dtype="str")


def _floats(values: Sequence[float | None]) -> pd.Series:
    return pd.Series(values, dtype="float64")
