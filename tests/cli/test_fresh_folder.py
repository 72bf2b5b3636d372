"""A command that fails in a fresh folder leaves the folder as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.cli.main import answer
from tests.conftest import MakePhoto


@pytest.fixture
def fresh(tmp_path: Path, photo: MakePhoto) -> Path:
    """A folder with a photo and an empty folder, and no library."""
    photo("photos/cat/1.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    (tmp_path / "bad.csv").write_text("path,label\ncat/9.jpg,cat\n")
    (tmp_path / "semicolons.csv").write_text("path;label\ncat/1.jpg;cat\n")
    return tmp_path


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("scan missing", "missing: no such file"),
        ("scan empty", "there is no file in it"),
        ("scan photos --labels nope.csv", "nope.csv"),
        ("scan photos --labels bad.csv", "line 2: path 'cat/9.jpg': no such file"),
        ("scan photos --labels semicolons.csv", "separated by semicolons"),
        ("scan photos --origin stages", "stages"),
        ("bulk-id photos --model nope.pt", "nope.pt"),
        ("bulk-id photos --model notes.pt", "notes.pt"),
        ("scan missing --library a/b/c/typo", "missing: no such file"),
        ("bulk-id photos --model nope.pt --library empty", "nope.pt"),
        ("status --library a/b/c/typo", "(a folder .curate)"),
        ("status --library photos/.curate", "photos: no library here"),
    ],
)
def test_bad_input_leaves_no_library(
    fresh: Path, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    before = content(fresh)
    assert answer(command.split()) == 1
    assert said in capsys.readouterr().err
    assert content(fresh) == before


def test_what_works_leaves_one(fresh: Path) -> None:
    assert answer(["scan", "photos", "--labels", "folder", "--library", "a/b/.curate"]) == 0
    assert answer(["status", "--library", "a/b"]) == 0
    assert [path.name for path in (fresh / "a/b").iterdir()] == [".curate"]
