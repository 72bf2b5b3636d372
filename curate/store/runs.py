"""Runs: every execution of a stage with its parameters, versions, times and result."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sqlalchemy import insert, select, update

from curate.store import processes, schema
from curate.store.library import Library

runs = schema.runs

ENVIRONMENT = ("platform", processes.HOST, processes.PROCESS)
"""Names under which the versions of a run hold no version, but where it ran."""

_RECORDED = (
    "curate",
    "numpy",
    "pandas",
    "pillow",
    "simplejpeg",
    "torch",
    "timm",
    "albumentations",
)


@dataclass
class Run:
    """A run in progress; the stage fills `summary` with what it wants remembered."""

    run_id: int
    summary: dict[str, Any] = field(default_factory=dict)


@contextmanager
def running(
    library: Library,
    stage: str,
    parameters: Mapping[str, Any],
    key: str = "",
    *,
    alone: bool = True,
) -> Iterator[Run]:
    """Hold the lock of the stage and record a run of it, from its start to whatever its end is.

    Parameters
    ----------
    library : Library
        Where it is recorded.
    stage : str
        ``scan``, ``split``, ``train``, …
    parameters : mapping
        What it was asked for; JSON values.
    key : str
        What the run computes (see `schema.runs`); made of the parameters when not given.
    alone : bool
        Whether one process at a time may do this; a stage that only reads needs no lock.
    """
    with library.locked(stage) if alone else nullcontext():
        run = Run(_begin(library, stage, parameters, key or key_of(parameters), alone))
        try:
            yield run
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
            run.summary["error"] = str(error) or type(error).__name__
            _end(library, run, "interrupted" if stopped else "failed")
            raise
        _end(library, run, "done")


def note(library: Library, run: Run) -> None:
    """Write down now what a run has to say so far, in case it does not come to its end."""
    with library.writing() as connection:
        connection.execute(
            update(runs)
            .where(runs.c.run_id == run.run_id)
            .values(summary=json.dumps(run.summary, default=str))
        )


def last_asked(library: Library, stage: str) -> dict[str, Any]:
    """Give what the last run of a stage that was done was asked for; {} where there is none."""
    done = (runs.c.stage == stage) & (runs.c.status == "done")
    query = select(runs.c.parameters).where(done).order_by(runs.c.run_id.desc()).limit(1)
    with library.reading() as connection:
        text = connection.scalar(query)
    asked: dict[str, Any] = json.loads(text or "{}")
    return asked


def key_of(parameters: Mapping[str, Any]) -> str:
    """Digest of parameters: the same for the same values, in any order."""
    return sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:32]


def _begin(
    library: Library, stage: str, parameters: Mapping[str, Any], key: str, alone: bool
) -> int:
    with library.writing() as connection:
        if alone:
            # We hold the lock of the stage, so a run that still says it is running was killed.
            connection.execute(
                update(runs)
                .where(runs.c.stage == stage, runs.c.status == "running")
                .values(status="interrupted", ended_at=_now())
            )
        query = (
            insert(runs)
            .values(
                stage=stage,
                key=key,
                parameters=json.dumps(parameters),
                versions=json.dumps(_versions() | _environment()),
                status="running",
                started_at=_now(),
            )
            .returning(runs.c.run_id)
        )
        return int(connection.execute(query).scalar_one())


def _end(library: Library, run: Run, status: str) -> None:
    with library.writing() as connection:
        connection.execute(
            update(runs)
            .where(runs.c.run_id == run.run_id)
            .values(
                status=status,
                ended_at=_now(),
                summary=json.dumps(run.summary, default=str),
            )
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _environment() -> dict[str, str]:
    return {"platform": platform.platform(), **processes.named()}
