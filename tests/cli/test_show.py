"""`curate show` and `curate export`: what the user is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.cli.main import answer
from curate.models.checkpoint import Checkpoint, describe, save
from curate.store import runs
from curate.store.library import Library, opened
from tests.bulk_id.made import checkpoint


@pytest.fixture
def model(tmp_path: Path) -> Checkpoint:
    made = replace(
        checkpoint(),
        metrics={"epoch": 2, "val_accuracy": 0.8, "test_precision_at_0.9": 0.91},
        thresholds={"0.9": 0.712345},
        settings={"epochs": 2},
    )
    return save(made, tmp_path / "ckpt.pt")


def said(capsys: pytest.CaptureFixture[str], command: str) -> str:
    assert answer(command.split()) == 0
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], command: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(said(capsys, f"{command} --json"))
    return values


def test_the_card_of_a_checkpoint(model: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "show ckpt.pt")
    for part in (str(model.digest), "test_resnet", "4: ant, bee, cat, dog", "0.712345", "0.910"):
        assert part in out
    assert "THROW-AWAY" not in out
    assert "Next: curate bulk-id FOLDER --model ckpt.pt" in out
    assert "curate export ckpt.pt -o model.onnx" in out


def test_a_throw_away_model_is_marked_before_all_else(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(replace(model, throw_away=True, min_count=35), tmp_path / "thrown.pt")
    lines = said(capsys, "show thrown.pt").splitlines()
    assert "THROW-AWAY MODEL" in lines[1]


def test_json_is_the_whole_description(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = told(capsys, "show ckpt.pt")
    described = describe(model)
    assert {name: values[name] for name in described} == described
    assert values["path"] == "ckpt.pt"
    assert values["bytes"] == (tmp_path / "ckpt.pt").stat().st_size
    assert values["run"] is None


def test_a_foreign_file_with_and_without_names(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(dict(model.weights), tmp_path / "x.pth")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\nfour\n")
    out = said(capsys, "show x.pth --arch test_resnet")
    assert "4, which the file does not name" in out
    assert "--model x.pth --arch test_resnet --classes FILE" in out
    out = said(capsys, "show x.pth --arch test_resnet --classes names.txt")
    assert "4: one, two, three, four" in out
    assert "--model x.pth --arch test_resnet --classes names.txt" in out
    assert answer(["show", "x.pth"]) == 1
    assert "Name it with --arch" in capsys.readouterr().err


def test_the_run_that_made_it_is_named(
    model: Checkpoint, library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    with runs.running(library, "bulk-id", {"models": [model.digest]}):
        pass
    with runs.running(library, "train", {}) as run:
        run.summary["digest"] = model.digest
    assert told(capsys, "show ckpt.pt")["run"] == run.run_id
    assert f"{run.run_id} of this library" in said(capsys, "show ckpt.pt")


def test_a_library_that_was_named_has_to_be_there(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["show", "ckpt.pt", "--library", "elsewhere"]) == 1
    assert "no library here" in capsys.readouterr().err
    with opened(tmp_path / "elsewhere", make=True):
        pass
    assert told(capsys, "show ckpt.pt --library elsewhere")["run"] is None


def test_export_writes_and_says_how_to_use_it(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, "export ckpt.pt -o exported")
    assert 'timm.create_model("local-dir:exported", pretrained=True)' in out
    assert sorted(path.name for path in (tmp_path / "exported").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    values = told(capsys, "export ckpt.pt --out exported")
    assert (values["kind"], values["calibrated"]) == ("timm", True)
    assert values["digest"] == model.digest
    assert values["largest_difference"] < 1e-5


def test_export_to_onnx(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    save(replace(model, throw_away=True), tmp_path / "thrown.pt")
    out = said(capsys, "export thrown.pt -o model.onnx")
    assert "Wrote model.onnx" in out
    assert "A throw-away model" in out
    assert (tmp_path / "model.onnx").stat().st_size > 100_000


def test_export_needs_the_names_of_a_foreign_file(
    model: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(dict(model.weights), tmp_path / "x.pth")
    assert answer(["export", "x.pth", "--arch", "test_resnet", "-o", "exported"]) == 1
    assert "--classes FILE" in capsys.readouterr().err
    assert not (tmp_path / "exported").exists()
    assert answer(["export", "ckpt.pt"]) == 2
