"""`curate cleanup apply|restore|purge|log`: what they say, to people and to programs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from curate.cleanup import plans
from curate.cli import cleanup_moves
from curate.cli.main import DONE, EXPECTED, answer
from curate.core.identity import image_id
from curate.store.library import Library
from curate.store.runs import running

from ..cleanup.moved import filled, plan_of


@pytest.fixture
def found(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Plan that three files of four go; the plan lies in plan.json."""
    # Plans of one's own are applied at a terminal; nobody answers what `purge` asks there.
    monkeypatch.setattr(cleanup_moves, "watched", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda _: False)
    (library.root / "curate.toml").write_text("[cleanup]\nmax_share = 1.0\n")
    made = filled(library, library.root / "photos", {f"{n}.jpg": b"%d" % n for n in range(3)})
    plans.write(plan_of(made), Path("plan.json"))
    return made


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert answer(["cleanup", *arguments, "--json"]) == DONE
    return json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert answer(["cleanup", *arguments]) == DONE
    return capsys.readouterr().out


def test_there_and_back(found: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    Path(os.fsdecode(found[0])).write_bytes(b"changed")
    applied = asked(capsys, "apply", "plan.json")
    assert applied["counts"]["moved"] == 2
    assert applied["reasons"] == {"changed since the plan: it has another content": 1}
    assert [row["path"] for row in applied["stayed"]] == [os.fsdecode(found[0])]
    assert applied["next"] == f"curate cleanup restore --run {applied['run_id']}"
    assert asked(capsys, "log")["files"] == 2
    back = asked(capsys, "restore", "--run", str(applied["run_id"]), "--where", "rule = 'blank'")
    assert back["counts"]["restored"] == 2
    assert asked(capsys, "log")["files"] == 0


def test_a_plan_of_ones_own_is_applied_at_a_terminal_only(
    found: list[bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cleanup_moves, "watched", lambda: False)
    assert answer(["cleanup", "apply", "plan.json"]) == EXPECTED
    assert "made or changed by hand" in capsys.readouterr().err
    assert all(Path(os.fsdecode(path)).exists() for path in found)


def test_people_read_what_was_done_and_what_comes_next(
    found: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, "apply", "plan.json")
    assert re.search(r"3 files moved to quarantine, [\d.,]+ (bytes|kB) \(run 3\)", said)
    assert "Next: curate cleanup restore --run 3" in said
    assert "3 were there already" in told(capsys, "apply", "plan.json")
    said = told(capsys, "log", os.fsdecode(found[1]))
    assert "went to quarantine" in said
    assert "shows nothing" in said
    assert "3 files in quarantine" in told(capsys, "log")
    said = told(capsys, "restore", "--all", "--csv", "stayed.csv")
    assert "3 files put back" in said
    assert Path("stayed.csv").read_text().startswith("item,")
    assert asked(capsys, "log", image_id(b"1"))["story"][-1]["what"] == "was put back"


def test_purge_only_looks_until_it_is_told_to_delete(
    library: Library, found: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, "apply", "plan.json")
    held = list((library.folder / "quarantine").rglob("*.jpg"))
    looked = asked(capsys, "purge")
    assert (looked["files"], looked["staying"]) == (0, {"has not been in quarantine for 30d": 3})
    for _ in range(2):
        with running(library, "scan", {}):
            pass
    looked = asked(capsys, "purge", "--grace", "0d")
    assert (looked["files"], looked["next"]) == (3, "curate cleanup purge --yes --grace 0d")
    assert all(path.exists() for path in held)
    assert "3 files in quarantine may be deleted" in told(capsys, "purge", "--grace", "0d")
    assert asked(capsys, "purge", "--grace", "0d", "--yes")["counts"]["purged"] == 3
    assert not any(path.exists() for path in held)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["restore"], "needs to know what to put back"),
        (["restore", "--all", "--run", "3"], "needs to know what to put back"),
        (["restore", "--where", "rule ="], "cannot be asked"),
        (["purge", "--grace", "soon"], "is no length of time"),
        (["log", "nothing.jpg"], "knows no such file"),
        (["apply", "none.json"], "no such file"),
    ],
)
def test_what_cannot_be_done_is_one_error(
    found: list[bytes], capsys: pytest.CaptureFixture[str], arguments: list[str], rule: str
) -> None:
    assert answer(["cleanup", *arguments]) == EXPECTED
    assert rule in capsys.readouterr().err
    assert all(os.path.exists(path) for path in found)


def test_check_says_what_an_interruption_left(
    library: Library, found: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, "apply", "plan.json")
    (held, *_) = (library.folder / "quarantine").rglob("*.jpg")
    held.unlink()
    assert answer(["check"]) == EXPECTED
    assert "is not there (it was" in capsys.readouterr().out


def test_a_retired_disk_is_forgotten_by_name(
    library: Library, found: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    photos = library.root / "photos"
    assert answer(["cleanup", "forget", str(photos), "--yes"]) == EXPECTED
    assert "is there, with files in it" in capsys.readouterr().err
    photos.rename(library.root / "in a drawer")
    assert answer(["cleanup", "plan"]) == EXPECTED
    assert f"curate cleanup forget {photos}" in " ".join(capsys.readouterr().err.split())
    text = told(capsys, "forget", str(photos))
    assert "4 files" in text
    assert "would be forgotten" in text
    assert "1 labelled image" in text
    assert f"curate cleanup forget {photos} --yes" in " ".join(text.split())
    assert asked(capsys, "forget", str(photos), "--yes")["run_id"]
    assert asked(capsys, "log")["runs"][0]["action"] == "forget"
    told(capsys, "plan")
