"""Runs as rows: what was recorded comes back, whatever a stage left out of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from curate.core.errors import InputError
from curate.store import run_rows, runs, schema
from curate.store.library import Library
from curate.store.run_compare import compared, curves
from curate.store.run_rows import Recorded

TRAINED: dict[str, Any] = {
    "metrics": {"val_accuracy": 0.75, "test_accuracy": 0.5, "test_images": 8},
    "digest": "abc",
    "path": "out/m.pt",
    "history": [
        {"epoch": 1, "loss": 2.0, "val_accuracy": 0.5},
        {"epoch": 2, "loss": 1.0, "val_accuracy": 0.75},
    ],
    "recalls": [{"class": "cat", "images": 4, "correct": 2, "recall": 0.5}],
}


def run(library: Library, stage: str, parameters: dict[str, Any], **summary: Any) -> int:
    with runs.running(library, stage, parameters) as made:
        made.summary.update(summary)
    return made.run_id


def read(library: Library, **asked: Any) -> list[Recorded]:
    with library.reading() as connection:
        return run_rows.recorded(connection, **asked)


def one(library: Library, run_id: int) -> Recorded:
    with library.reading() as connection:
        return run_rows.named(connection, [run_id])[0]


def plain(run_id: int = 1, stage: str = "train", **changes: Any) -> Recorded:
    usual: dict[str, Any] = {
        "status": "done",
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:30+00:00",
        "parameters": {},
        "versions": {},
        "environment": {},
        "summary": {},
    }
    return Recorded(run_id, stage, **(usual | changes))


def test_a_training_comes_back(library: Library) -> None:
    number = run(library, "train", {"arch": "resnet18", "throw_away": True}, **TRAINED)
    row = one(library, number)
    assert (row.stage, row.status, row.digest, row.made) == ("train", "done", "abc", "out/m.pt")
    assert row.metrics == {"val_accuracy": 0.75, "test_accuracy": 0.5, "test_images": 8}
    assert row.history.to_dict("list") == {
        "epoch": [1, 2],
        "loss": [2.0, 1.0],
        "val_accuracy": [0.5, 0.75],
    }
    assert row.recalls["recall"].tolist() == [0.5]
    assert row.throw_away is True
    assert row.parameters == {"arch": "resnet18", "throw_away": True}
    assert row.versions["python"].startswith("3.")
    assert set(row.environment) == set(runs.ENVIRONMENT)
    assert not set(row.environment) & set(row.versions)


@pytest.mark.parametrize(
    "summary",
    [
        {},
        {"metrics": None, "history": None, "recalls": None},
        {"metrics": [], "history": {}, "recalls": "x", "throw_away": "yes", "digest": None},
        {"metrics": {"val_accuracy": float("nan"), "name": "x"}, "history": [None, 3]},
    ],
)
def test_what_a_training_left_out_is_missing(library: Library, summary: dict[str, Any]) -> None:
    """Libraries have runs of earlier versions."""
    number = run(library, "train", {"out": "m.pt"}, **summary)
    row = one(library, number)
    assert (row.metrics, row.digest, row.throw_away, row.parent) == ({}, None, None, None)
    assert row.history.empty
    assert row.recalls.empty
    assert row.made == ""  # it left no checkpoint that anybody knows of
    line = run_rows.table([row]).iloc[0]
    assert line[["val_accuracy", "test_accuracy", "digest", "throw_away", "parent"]].isna().all()


def test_the_path_of_an_early_training_is_what_was_asked_for(library: Library) -> None:
    number = run(library, "train", {"out": "m.pt", "from": "p"}, digest="abc")
    assert (one(library, number).made, one(library, number).parent) == ("m.pt", "p")


def test_other_stages_say_what_they_counted() -> None:
    counts = {"files": 12345, "failed": 0, "ok": True, "a_b": 2, "c": 3, "d": 4, "e": 5, "x": {}}
    row = plain(stage="scan", summary=counts)
    assert row.made == "12,345 files, 2 a b, 3 c, 4 d"
    assert (row.digest, row.throw_away, row.parent) == (None, None, None)


def test_a_split_says_how_many_images_are_where() -> None:
    summary = {"digest": "abc", "images": {"train": 20, "": 0, "val": 6}, "plan": {"a": "b"}}
    assert plain(stage="split", summary=summary).made == "20 train, 6 val"


def test_a_split_has_a_digest_and_no_checkpoint() -> None:
    assert plain(stage="split", summary={"digest": "abc"}).digest is None


def test_one_that_failed_says_why(library: Library) -> None:
    with pytest.raises(InputError), runs.running(library, "train", {"out": "m.pt"}):
        raise InputError("a", "b", "c")
    row = read(library)[0]
    assert (row.status, row.made) == ("failed", "a: b. c.")


def test_the_newest_come_first(library: Library) -> None:
    numbers = [run(library, stage, {}) for stage in ("scan", "train", "scan", "train")]
    assert [row.run_id for row in read(library)] == numbers[::-1]
    assert [row.run_id for row in read(library, stage="train")] == [numbers[3], numbers[1]]
    assert [row.run_id for row in read(library, stage="scan", limit=1)] == [numbers[2]]
    assert [row.run_id for row in read(library, limit=3)] == numbers[:0:-1]
    with library.reading() as connection:
        assert run_rows.stages(connection) == ["scan", "train"]


def test_runs_come_in_the_order_that_they_are_named_in(library: Library) -> None:
    first, second = (run(library, "scan", {}) for _ in range(2))
    with library.reading() as connection:
        found = run_rows.named(connection, [second, first])
        assert [row.run_id for row in found] == [second, first]
        with pytest.raises(InputError, match=r"run 99: the library has no such run\."):
            run_rows.named(connection, [first, 99])


def test_the_maker_of_a_checkpoint_is_the_last_one(library: Library) -> None:
    run(library, "train", {}, digest="abc")
    again = run(library, "train", {}, digest="abc")
    run(library, "split", {}, digest="split")
    with library.reading() as connection:
        assert run_rows.maker(connection, "abc") == again
        assert run_rows.maker(connection, "split") is None


def test_a_run_is_running_while_it_runs(library: Library) -> None:
    with runs.running(library, "scan", {}):
        (row,) = read(library)
    assert (row.status, row.ended, row.seconds) == ("running", None, None)


def test_a_killed_run_shows_as_interrupted(library: Library) -> None:
    """At once, and before another run of its stage writes it down."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from curate.store import runs; from curate.store.library import opened\n"
        "with opened(Path(sys.argv[1])) as library, runs.running(library, 'train', {}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(library.root)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (row,) = read(library)
    assert (row.status, row.seconds) == ("interrupted", None)
    with library.reading() as connection:
        assert connection.scalar(sa.select(schema.runs.c.status)) == "running"


def test_a_run_of_another_version_is_taken_as_it_was_recorded(library: Library) -> None:
    """Nothing tells whether a process that was never named has ended."""
    number = run(library, "scan", {})
    with library.writing() as connection:
        connection.execute(
            sa.update(schema.runs).values(
                status="running", ended_at=None, versions=json.dumps({"python": "3.11"})
            )
        )
    row = one(library, number)
    assert (row.status, row.versions, row.environment) == ("running", {"python": "3.11"}, {})


def test_the_table(library: Library) -> None:
    run(library, "scan", {}, files=3)
    number = run(library, "train", {"from": "p", "throw_away": False}, **TRAINED)
    run_rows.remark(library, number, "the lamp\nwas off", "ann")
    run_rows.remark(library, number, "again", "bob")
    table = run_rows.table(read(library))
    assert list(table.columns) == [
        "run_id", "stage", "status", "started", "seconds", "made", "digest",
        "val_accuracy", "test_accuracy", "throw_away", "parent", "notes",
    ]  # fmt: skip
    trained, scanned = table.to_dict("records")
    assert trained["notes"] == "the lamp\nwas off\nagain"
    assert (trained["val_accuracy"], trained["throw_away"], trained["parent"]) == (0.75, False, "p")
    assert (scanned["made"], scanned["notes"]) == ("3 files", "")
    assert pd.isna(scanned["digest"])
    # An empty table has the same kinds of columns: files of both can be laid together.
    assert list(run_rows.table([]).dtypes) == list(table.dtypes)
    assert plain().seconds == 90


def test_remarks_are_kept_in_their_order(library: Library) -> None:
    first, second = (run(library, "scan", {}) for _ in range(2))
    assert run_rows.remark(library, first, " looked again ", "ann")
    assert run_rows.remark(library, second, "other", "ann")
    assert run_rows.remark(library, first, "fine now", "bob")
    notes = one(library, first).notes
    assert [(note.text, note.by) for note in notes] == [
        ("looked again", "ann"),
        ("fine now", "bob"),
    ]
    assert all(note.at.endswith("+00:00") for note in notes)
    assert [note.text for note in one(library, second).notes] == ["other"]


def test_a_remark_that_is_sent_again_is_one(library: Library) -> None:
    number, other = (run(library, "scan", {}) for _ in range(2))
    assert run_rows.remark(library, number, "fine", "ann")
    assert not run_rows.remark(library, number, "fine ", "ann")
    assert run_rows.remark(library, number, "fine", "bob")
    assert run_rows.remark(library, other, "fine", "ann")
    assert len(one(library, number).notes) == 2


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_remark_says_something(library: Library, text: str) -> None:
    number = run(library, "scan", {})
    with pytest.raises(InputError, match="says nothing"):
        run_rows.remark(library, number, text, "ann")


def test_a_remark_is_on_a_run_that_there_is(library: Library) -> None:
    with pytest.raises(InputError, match="run 7: the library has no such run"):
        run_rows.remark(library, 7, "fine", "ann")


def test_a_remark_in_bytes_that_are_no_text_is_kept(library: Library) -> None:
    number = run(library, "scan", {})
    run_rows.remark(library, number, os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff"))
    (note,) = one(library, number).notes
    assert (note.text, note.by) == ("caf\\udce9", "\\udcff")


def test_a_remark_is_no_decision_on_any_image(library: Library) -> None:
    from curate.store import facts

    number = run(library, "scan", {})
    run_rows.remark(library, number, "fine", "ann")
    with library.reading() as connection:
        assert facts.images(connection).empty


def test_only_parameters_that_differ_are_compared() -> None:
    rows = [
        plain(1, parameters={"lr": 0.1, "seed": 0, "mix": {"a": 1, "b": [2]}, "gone": None}),
        plain(2, parameters={"lr": 0.2, "seed": 0, "mix": {"b": [2], "a": 1}}),
    ]
    table = compared(rows)
    assert list(zip(table["kind"], table["name"], strict=True)) == [
        ("parameter", "lr"),
        # Nothing is not the same as nothing: one was asked without it, the other was not asked.
        ("parameter", "gone"),
    ]
    assert (table["run 1"][0], table["run 2"][0]) == (0.1, 0.2)


def test_versions_that_differ_are_compared() -> None:
    rows = [
        plain(1, versions={"torch": "2.14", "timm": "1"}, environment={"host": "a"}),
        plain(2, versions={"torch": "2.15", "timm": "1"}, environment={"host": "b"}),
    ]
    table = compared(rows)
    assert table.to_numpy().tolist() == [["version", "torch", "2.14", "2.15", ""]]


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("test_accuracy", [0.5, 0.75, 0.75], "2,3"),
        ("val_recall", [0.5, 0.25, None], "1"),
        ("test_loss", [0.5, 0.25, 1.0], "2"),
        ("test_loss_calibrated", [0.5, 0.25, 0.125], "3"),
        ("test_ece_calibrated", [0.5, 0.25, 0.125], "3"),
        ("seconds", [9.0, 8.0, 7.0], "3"),
        ("images_per_second", [9.0, 8.0, 7.0], "1"),
        ("test_accuracy", [0.5, 0.5, 0.5], ""),
        ("test_accuracy", [0.5, None, None], ""),
        ("epoch", [3, 4, 5], ""),
        ("test_images", [3, 4, 5], ""),
    ],
)
def test_the_best_is_named(name: str, values: list[float | None], best: str) -> None:
    rows = [
        plain(number, summary={"metrics": {} if value is None else {name: value}})
        for number, value in enumerate(values, start=1)
    ]
    table = compared(rows)
    assert table["best"].tolist() == [best]
    assert table["kind"].tolist() == ["metric"]


@given(
    values=st.lists(st.floats(0, 1), min_size=2, max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_the_runs_changes_nothing_but_the_columns(
    values: list[float], order: Any
) -> None:
    rows = [
        plain(n, parameters={"lr": value}, summary={"metrics": {"val_accuracy": value}})
        for n, value in enumerate(values)
    ]
    mixed = list(rows)
    order.shuffle(mixed)
    first, second = compared(rows), compared(mixed)
    assert sorted(first.columns) == sorted(second.columns)
    assert first["name"].tolist() == second["name"].tolist()
    runs_of = [set(table["best"].iloc[-1].split(",")) for table in (first, second)]
    assert runs_of[0] == runs_of[1]
    columns = [name for name in first.columns if name != "best"]
    assert first[columns].equals(second[columns])


def test_curves_leave_out_what_is_not_there() -> None:
    rows = [
        plain(1, summary={"history": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]}),
        plain(2, summary={"history": [{"epoch": 1, "loss": None}, {"epoch": 2, "loss": 3.0}]}),
        plain(3),
        plain(4, summary={"history": [{"epoch": 1, "loss": float("nan")}]}),
        plain(5, summary={"history": [{"epoch": 1, "loss": "x"}, {"loss": 1.0}]}),
    ]
    assert curves(rows, "loss") == {1: ([1, 2], [2.0, 1.0]), 2: ([2], [3.0])}
    assert curves(rows, "val_accuracy") == {}
