"""Every execution leaves a record, whatever its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from curate.core.errors import InputError, LockedError
from curate.store import runs, schema
from curate.store.library import Library


def recorded(library: Library) -> list[dict[str, Any]]:
    with library.reading() as connection:
        query = sa.select(schema.runs).order_by(schema.runs.c.run_id)
        return [dict(row) for row in connection.execute(query).mappings()]


def test_a_run_records_what_it_did(library: Library) -> None:
    with runs.running(library, "scan", {"root": "/ph\udcffotos", "n": 3}) as run:
        (during,) = recorded(library)
        assert (during["status"], during["ended_at"]) == ("running", None)
        run.summary.update(files=7, name="zoë\udcff")
    (row,) = recorded(library)
    assert (row["run_id"], row["stage"], row["status"]) == (run.run_id, "scan", "done")
    assert json.loads(row["parameters"]) == {"root": "/ph\udcffotos", "n": 3}
    assert json.loads(row["summary"]) == {"files": 7, "name": "zoë\udcff"}
    assert json.loads(row["versions"])["python"].startswith("3.")
    assert row["started_at"] <= row["ended_at"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("a", "b", "c"), "failed"),
        (ZeroDivisionError(), "failed"),
        (MemoryError(), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
    ],
)
def test_an_error_is_recorded_and_raised(
    library: Library, error: BaseException, status: str
) -> None:
    def work() -> None:
        with runs.running(library, "scan", {}) as run:
            run.summary["files"] = 7
            raise error

    with pytest.raises(type(error)):
        work()
    (row,) = recorded(library)
    assert row["status"] == status
    summary = json.loads(row["summary"])
    assert summary == {"files": 7, "error": str(error) or type(error).__name__}


def test_a_killed_run_is_seen_by_the_next_one_of_its_stage(library: Library) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from curate.store import runs; from curate.store.library import opened\n"
        "with opened(Path(sys.argv[1])) as library, runs.running(library, 'scan', {}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(library.root)], check=False)
    assert told.returncode == -signal.SIGKILL
    with runs.running(library, "split", {}):
        pass
    assert [row["status"] for row in recorded(library)] == ["running", "done"]
    with runs.running(library, "scan", {}):
        assert [row["status"] for row in recorded(library)] == ["interrupted", "done", "running"]
    assert recorded(library)[0]["ended_at"]


def test_two_of_one_stage_do_not_run_at_once(library: Library) -> None:
    second = runs.running(library, "scan", {})
    with runs.running(library, "scan", {}), pytest.raises(LockedError), second:
        raise AssertionError("two at once")
    assert [row["status"] for row in recorded(library)] == ["done"]


def test_the_key_is_that_of_the_parameters_unless_given(library: Library) -> None:
    for parameters, key in (({"a": 1, "b": 2}, ""), ({"b": 2, "a": 1}, ""), ({"a": 1}, "mine")):
        with runs.running(library, "scan", parameters, key):
            pass
    keys = [row["key"] for row in recorded(library)]
    assert keys == [runs.key_of({"a": 1, "b": 2})] * 2 + ["mine"]
    assert runs.key_of({"a": 1}) != runs.key_of({"a": "1"})
