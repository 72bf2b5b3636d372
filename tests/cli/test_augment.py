"""`curate augment preview` and `curate augment write`, as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from curate.augment.policy import DEFAULT
from curate.cli.main import EXPECTED, answer
from tests.conftest import MakePhoto


@pytest.fixture
def cats(photo: MakePhoto, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        photo(f"photos/cat/{number}.jpg", number)
        photo(f"photos/dog/{number}.jpg", 100 + number)
    assert answer(["scan", "photos", "--labels", "folder"]) == 0
    capsys.readouterr()


def told(capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, Any]:
    assert answer(["augment", *command, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("cats")
def test_a_preview_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "preview", "-o", "sheet.html", "--per-class", "3")
    assert (said["images"], said["classes"], said["recipe"]) == (6, 2, DEFAULT)
    assert (tmp_path / "sheet.html").read_text().startswith("<!doctype html>")
    assert answer(["augment", "preview", "-o", "sheet.jpg", "--class", "cat"]) == 0
    assert "2 images of 1 class, each with 6 variants" in capsys.readouterr().out
    assert (tmp_path / "sheet.jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.usefixtures("cats")
def test_a_check_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "check.csv").write_text(
        "scope,image_id,class,transform,verdict,reason,figure\nclass,,cat,flip,unsafe,text,0.5\n"
    )
    said = told(capsys, "preview", "-o", "sheet.html", "--check", "check.csv")
    assert said["unsafe"] == 2
    assert "flip: text" in (tmp_path / "sheet.html").read_text()


@pytest.mark.usefixtures("cats")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("preview -o sheet.pdf", "one of .html"),
        ("preview -o no/sheet.html", "there is no folder no"),
        ("preview -o sheet.html --recipe spin(p=1)", "known are flip"),
        ("preview -o sheet.html --class cow", "no usable image"),
        ("preview -o sheet.html --check none.csv", "none.csv"),
        ("write --class cow --to 9 -o made", "no usable image"),
        ("write --class cat --to 9 -o made --recipe spin(p=1)", "known are flip"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    command: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["augment", *command.split()]) == EXPECTED
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("sheet*"))
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("cats")
def test_a_class_is_topped_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "write", "--class", "cat", "--to", "9", "-o", "made")
    assert (said["lacking"], said["parents"], len(said["rows"])) == (3, 6, 3)
    assert len(list((tmp_path / "made").rglob("*.jpg"))) == 3
    assert answer(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert "synthetic" in json.dumps(status)
    assert answer(["augment", "write", "--class", "cat", "--to", "9", "-o", "made"]) == 0
    assert "cat has 9 usable images or more: nothing is written" in capsys.readouterr().out


@pytest.mark.usefixtures("cats")
def test_it_warns_where_nothing_is_split(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["augment", "write", "--class", "cat", "--to", "7", "-o", "a"]) == 0
    assert "split before writing" in capsys.readouterr().out
    assert answer(["split", "--min-count", "3", "--val", "1", "--test", "1"]) == 0
    capsys.readouterr()
    assert answer(["augment", "write", "--class", "dog", "--to", "7", "-o", "b"]) == 0
    assert "split before writing" not in capsys.readouterr().out


@pytest.mark.usefixtures("cats")
def test_what_was_made_is_scanned_by_its_manifest(tmp_path: Path) -> None:
    with patch("curate.scan.scan") as scan:
        assert answer(["augment", "write", "--class", "cat", "--to", "8", "-o", "made"]) == 0
    (_, folder), keywords = scan.call_args
    assert folder == Path("made")
    assert keywords == {"labels": "made/synthetic.csv"}
