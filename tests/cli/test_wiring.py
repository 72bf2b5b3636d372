"""Each command calls one verb with the right arguments; the verbs have tests of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from curate.bulk_id import Ask, Means, Selection
from curate.cli.main import EXPECTED, answer
from curate.core.errors import InputError
from curate.engine.cluster import Cluster
from curate.splits import SplitPolicy
from curate.store.library import opened


@pytest.fixture
def library(tmp_path: Path) -> Path:
    with opened(tmp_path, make=True):
        pass
    (tmp_path / "curate.toml").write_text("[split]\nmin_count = 7\nval = 0.2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "verb", "positional", "keywords"),
    [
        (
            ["scan", "photos", "--labels", "folder", "--origin", "staged", "--workers", "3"],
            "curate.scan.scan",
            ["photos"],
            {"labels": "folder", "origin": "staged", "workers": 3},
        ),
        (["status"], "curate.status.status", [7, 0.5, "groups"], {}),
        (["status", "--min-count", "9"], "curate.status.status", [9, 0.5, "groups"], {}),
        (["split"], "curate.splits.split", [SplitPolicy(min_count=7, val=0.2)], {}),
        (
            ["split", "--min-count=3", "--max-count=9", "--val=.3", "--benchmark=.05", "--seed=7"],
            "curate.splits.split",
            [SplitPolicy(3, 9, 0.3, 0.1, 0.05, 7)],
            {},
        ),
        (
            ["bulk-id", "a", "b", "--model", "m.pt", "--arch", "resnet18", "--top", "3"],
            "curate.bulk_id.bulk_id",
            [[Path("m.pt")], ["a", "b"]],
            {
                "arch": "resnet18",
                "classes": None,
                "other_classes": False,
                "ask": Ask(top=3),
                "means": Means(),
                "selection": Selection(),
                "engine_name": "processes",
                "cluster": Cluster(),
                "schemes": [],
                "announce": None,
            },
        ),
        (
            ["label", "import", "queue.csv", "--new-class", "okapi", "--by", "ann"],
            "curate.labels.import_answers",
            [Path("queue.csv")],
            {"actor": "ann", "new_classes": ["okapi"]},
        ),
        (["label", "export"], "curate.labels.export_labels", [], {}),
        (["check"], "curate.store.check.faults", [], {}),
    ],
)
def test_a_command_calls_its_verb(
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    verb: str,
    positional: list[Any],
    keywords: dict[str, Any],
) -> None:
    monkeypatch.chdir(library)
    with patch(verb, side_effect=InputError("stop", "here", "now")) as called:
        assert answer(command) == EXPECTED
    (place, *arguments), options = called.call_args
    assert place.root == library
    assert arguments == positional
    assert options == keywords


def test_bulk_id_passes_what_it_is_asked(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    line = (
        "bulk-id a --model m.pt --model n.pt --tta flip --embeddings --sample 9 --seed 4 "
        "--since 2026-11-01T00:00+00:00 --time-budget 1.5h --device cpu --backend onnx "
        "--precision fp32 --batch-size 8 --workers 3 --explain-plan --engine ray "
        "--ray-address auto"
    )
    with patch("curate.bulk_id.bulk_id", side_effect=InputError("stop", "here", "now")) as called:
        assert answer(line.split()) == EXPECTED
    (_, models, places), options = called.call_args
    assert (models, places) == ([Path("m.pt"), Path("n.pt")], ["a"])
    assert options["ask"] == Ask(5, "flip", True)
    assert options["means"] == Means("cpu", "onnx", "fp32", 8, 3)
    since = datetime(2026, 11, 1, tzinfo=UTC)
    assert options["selection"] == Selection(None, 9, 4, since, 5400)
    assert (options["engine_name"], options["cluster"]) == ("ray", Cluster("auto"))
    assert callable(options["announce"])


def test_queue_passes_filters(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.queues import Filters

    monkeypatch.chdir(library)
    line = "queue look-alike --class antelope --min-score 0.1 --max-score 0.6 --limit 9"
    with patch("curate.queues.queue", side_effect=InputError("stop", "here", "now")) as called:
        assert answer(line.split()) == EXPECTED
    (_, recipe, filters), options = called.call_args
    assert recipe == "look-alike"
    assert filters == Filters(class_="antelope", min_score=0.1, max_score=0.6, limit=9)
    assert options == {"min_count": 7, "count": "groups", "model": None}


def test_json_is_all_that_is_printed(
    library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    monkeypatch.chdir(library)
    assert answer(["status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"]["images"] == 0
    assert said["min_count"] == 7
    assert said["next"].startswith("curate scan")


def test_tables_go_to_files(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    table = pd.DataFrame({"path": ["=x", "b"], "label": ["cat", "dog"]})
    with patch("curate.labels.export_labels", return_value=table):
        assert answer(["label", "export", "--csv", "out.csv", "--parquet", "out.parquet"]) == 0
    assert (library / "out.csv").read_bytes() == b"path,label\r\n'=x,cat\r\nb,dog\r\n"
    pd.testing.assert_frame_equal(
        pd.read_parquet("out.parquet"), table, check_dtype=False, check_column_type=False
    )


def test_check_fails_on_a_fault(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    with patch("curate.store.check.faults", return_value=["shard x: gone"]):
        assert answer(["check"]) == 1
    assert answer(["check"]) == 0


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (InputError("a", "b", "c"), 1, "curate: a: b. c."),
        (KeyboardInterrupt(), 130, "What was done is kept"),
        (RuntimeError("oops"), 3, "a bug of ours"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_how_it_ended_is_the_exit_status(
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    raised: BaseException,
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(library)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with patch("curate.status.status", side_effect=raised):
        assert answer(["status"]) == status
    assert said in capsys.readouterr().err
    logs = list(tmp_path.glob("curate-bug-*.log"))
    assert len(logs) == (status == 3)
    assert all("oops" in log.read_text() for log in logs)


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["nonsense"], ["scan"], ["scan", "x", "--oirgin", "real"], ["bulk-id", "x"]):
        assert answer(wrong) == 2
        assert capsys.readouterr().err.startswith("curate: ")
