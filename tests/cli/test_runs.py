"""`curate runs`: what was recorded is listed, shown, compared and noted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curate.cli.main import EXPECTED, answer
from curate.store import runs
from curate.store.library import opened

USAGE = 2


def history(best: float) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "loss": 2 / epoch, "val_accuracy": best * epoch / 30}
        for epoch in range(1, 31)
    ]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Run 1 scans; run 2 trains; run 3 trains from that, throw-away; run 4 trains and fails."""
    with opened(tmp_path, make=True) as place:
        with runs.running(place, "scan", {"root": "photos"}) as run:
            run.summary.update(files=12345, failed=0)
        asked = {"arch": "resnet18", "lr": 0.1, "mix": "", "out": "a.pt", "throw_away": False}
        with runs.running(place, "train", asked) as run:
            run.summary.update(
                digest="aaa",
                path="a.pt",
                metrics={"val_accuracy": 0.5, "test_accuracy": 0.625, "test_loss": 1.5},
                history=history(0.5),
            )
        again = asked | {"lr": 0.2, "out": "b.pt", "throw_away": True, "from": "aaa"}
        with runs.running(place, "train", again) as run:
            run.summary.update(
                digest="bbb",
                path="b.pt",
                metrics={"val_accuracy": 0.75, "test_accuracy": 0.5, "test_loss": 1.25},
                history=history(0.75),
            )
        with pytest.raises(ZeroDivisionError), runs.running(place, "train", asked) as run:
            raise ZeroDivisionError("the disk is full")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert answer(["runs", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert answer(["runs", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = EXPECTED) -> str:
    assert answer(["runs", *arguments]) == status
    return capsys.readouterr().err


@pytest.mark.usefixtures("library")
def test_runs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys)["runs"]
    assert [(row["run_id"], row["stage"], row["status"]) for row in rows] == [
        (4, "train", "failed"),
        (3, "train", "done"),
        (2, "train", "done"),
        (1, "scan", "done"),
    ]
    assert [row["made"] for row in rows] == ["the disk is full", "b.pt", "a.pt", "12,345 files"]
    assert [row["throw_away"] for row in rows] == [False, True, False, None]
    assert [row["test_accuracy"] for row in rows] == [None, 0.5, 0.625, None]
    shown = [line for line in said(capsys).splitlines() if re.match(r" +\d", line)]
    assert len(shown) == 4
    assert re.search(r"3 +train +done .* 0\.750 +0\.500 +b\.pt *", shown[1])
    assert "(throw-away)" in shown[1]
    assert "throw-away" not in shown[0] + shown[2]


@pytest.mark.usefixtures("library")
def test_runs_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    def numbers(*arguments: str) -> list[int]:
        return [row["run_id"] for row in told(capsys, *arguments)["runs"]]

    assert numbers("--stage", "train") == [4, 3, 2]
    assert numbers("--stage", "train", "--limit", "1") == [4]
    assert numbers("--limit", "2") == [4, 3]
    error = refused(capsys, "--stage", "trian")
    assert "stage 'trian'" in error
    assert "scan, train" in error
    assert refused(capsys, "--limit", "0", status=USAGE)


def test_the_list_goes_to_files(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "--csv", "runs.csv", "--parquet", "runs.parquet")
    csv, parquet = pd.read_csv("runs.csv"), pd.read_parquet("runs.parquet")
    assert csv["run_id"].tolist() == parquet["run_id"].tolist() == [4, 3, 2, 1]
    assert parquet["seconds"].ge(0).all()
    assert list(csv.columns) == list(parquet.columns)


def test_a_long_list_is_cut_on_the_screen_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path, make=True) as place:
        for _ in range(23):
            with runs.running(place, "scan", {}):
                pass
    shown = said(capsys)
    assert len(shown.splitlines()) == 1 + 20 + 1
    assert "… and 3 earlier runs" in shown
    assert len(told(capsys)["runs"]) == 23


def test_a_new_library_has_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(tmp_path, make=True):
        pass
    assert "No run yet" in said(capsys)
    assert told(capsys) == {"runs": []}
    assert "There is no run yet" in refused(capsys, "--stage", "train")


def test_without_a_library_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["show", "1"], ["compare", "1", "2"], ["note", "1", "x"]):
        assert "no library here" in refused(capsys, *arguments)


@pytest.mark.usefixtures("library")
def test_a_run_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "show", "3")
    for words in (
        "Run 3: train, done",
        "Made: b.pt (bbb)",
        "A throw-away model",
        "From: aaa (run 2)",
    ):
        assert words in shown
    for line in (r"lr +0\.2", r"throw_away +true", r"test_loss +1\.25", r"python +3\.", r"host +."):
        assert re.search(rf"^{line}", shown, flags=re.M), line
    # Thirty epochs are shown as fifteen, and as two curves.
    assert re.search(r"^ +30 +0\.067 +0\.750", shown, flags=re.M)
    assert not re.search(r"^ +29 +0\.069", shown, flags=re.M)
    assert shown.count(" └") == 2


@pytest.mark.usefixtures("library")
def test_a_run_is_shown_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "show", "3")
    assert (found["run_id"], found["parent"], found["parent_run"]) == (3, "aaa", 2)
    assert found["parameters"]["lr"] == 0.2
    assert found["summary"]["metrics"]["test_loss"] == 1.25
    assert found["history"] == history(0.75)
    assert found["versions"]["torch"]
    assert found["environment"]["host"]
    scan = told(capsys, "show", "1")
    assert (scan["history"], scan["parent"], scan["parent_run"]) == ([], None, None)


@pytest.mark.usefixtures("library")
def test_a_history_goes_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "show", "2", "--csv", "history.csv")
    assert pd.read_csv("history.csv").to_dict("records") == history(0.5)


@pytest.mark.usefixtures("library")
def test_a_run_that_failed_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "show", "4")
    assert "Run 4: train, failed" in shown
    assert "Made: " not in shown
    assert "Failed: the disk is full" in shown


@pytest.mark.usefixtures("library")
def test_runs_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "compare", "2", "3")
    assert re.search(r"^lr +0\.1 +0\.2", shown, flags=re.M)
    assert re.search(r"^throw_away +false +true", shown, flags=re.M)
    assert re.search(r"^from +– +aaa", shown, flags=re.M)
    assert re.search(r"^test_accuracy +0\.625 ★ +0\.5 *$", shown, flags=re.M)
    assert re.search(r"^test_loss +1\.5 +1\.25 ★", shown, flags=re.M)
    assert "arch" not in shown
    assert "No version differs." in shown
    assert shown.count(" └") == 2
    assert "run 2  • run 3" in shown


@pytest.mark.usefixtures("library")
def test_runs_are_compared_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "compare", "3", "2")
    assert [row["run_id"] for row in found["runs"]] == [3, 2]
    named = {row["name"]: row for row in found["compared"]}
    assert named["test_loss"] == {
        "kind": "metric", "name": "test_loss", "run 3": 1.25, "run 2": 1.5, "best": "3",
    }  # fmt: skip
    assert (named["from"]["run 3"], named["from"]["run 2"]) == ("aaa", None)
    assert found["curves"]["loss"]["run 3"] == {
        "epoch": list(range(1, 31)),
        "value": [2 / epoch for epoch in range(1, 31)],
    }


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".html", b"<!DOCTYPE html>"), (".svg", b"<?xml")]
)
def test_curves_are_drawn_into_files(
    capsys: pytest.CaptureFixture[str], suffix: str, start: bytes
) -> None:
    shown = said(capsys, "compare", "2", "3", "--plot", f"c{suffix}")
    for name in (f"c{suffix}", f"c.loss{suffix}"):
        assert Path(name).read_bytes().startswith(start)
        assert name in shown
    assert Path(f"c{suffix}").read_bytes() != Path(f"c.loss{suffix}").read_bytes()


@pytest.mark.usefixtures("library")
def test_runs_without_a_history_have_no_curve(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "compare", "1", "4", "--plot", "c.png")
    assert "No curve to draw" in shown
    assert "No metric was measured." in shown
    assert " └" not in shown
    assert not Path("c.png").exists()


@pytest.mark.usefixtures("library")
def test_a_comparison_goes_to_files(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "compare", "2", "3", "--csv", "c.csv", "--parquet", "c.parquet")
    for table in (pd.read_csv("c.csv"), pd.read_parquet("c.parquet")):
        assert list(table.columns) == ["kind", "name", "run 2", "run 3", "best"]
        rows = {row["name"]: row for row in table.astype(object).fillna("none").to_dict("records")}
        assert (rows["lr"]["run 2"], rows["lr"]["run 3"]) == ("0.1", "0.2")
        assert (rows["from"]["run 2"], rows["from"]["run 3"]) == ("none", "aaa")


@pytest.mark.usefixtures("library")
def test_what_cannot_be_compared_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "run 2 alone" in refused(capsys, "compare", "2", "2")
    assert "run 9: the library has no such run" in refused(capsys, "compare", "2", "9")
    assert "a plot ends in" in refused(capsys, "compare", "2", "3", "--plot", "c.bmp")
    assert "no folder" in refused(capsys, "compare", "2", "3", "--plot", "away/c.png")
    assert refused(capsys, "compare", "2", "x", status=USAGE)
    assert refused(capsys, "show", str(2**63), status=USAGE)


@pytest.mark.usefixtures("library")
def test_a_note_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Noted." in said(capsys, "note", "3", "the lamp was off", "--by", "ann")
    assert "noted before" in said(capsys, "note", "3", "the lamp was off", "--by", "ann")
    assert told(capsys, "note", "3", "and on again")["new"] is True
    notes = told(capsys, "show", "3")["notes"]
    assert [note["text"] for note in notes] == ["the lamp was off", "and on again"]
    assert notes[0]["by"] == "ann"
    assert notes[1]["by"]
    assert re.search(
        r"Note of ann, \d{4}-\d\d-\d\d \d\d:\d\d: the lamp was off", said(capsys, "show", "3")
    )
    assert told(capsys)["runs"][1]["notes"] == "the lamp was off\nand on again"
    assert re.search(r"\(throw-away,\s+noted\)", said(capsys))
    assert "run 9" in refused(capsys, "note", "9", "x")
    assert "says nothing" in refused(capsys, "note", "3", " ")


@pytest.mark.usefixtures("library")
def test_an_option_before_the_command_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--json"], ["--library", "."], ["--limit", "2"], ["--csv", "x.csv"]):
        error = refused(capsys, *option, "show", "3", status=USAGE)
        assert "Options of `show` stand behind it." in error


def test_a_library_elsewhere(
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    assert told(capsys, "show", "3", "--library", str(library))["run_id"] == 3
