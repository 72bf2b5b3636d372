"""Bad input: a clear error (value, rule, remedy), the status 1, and nothing changed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import torch

from curate.cli.main import answer
from curate.models.arch import build, preprocessing
from curate.models.checkpoint import Checkpoint, save
from tests.conftest import MakePhoto


def _checkpoint(path: Path, *classes: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = build("test_resnet", len(classes)).state_dict()
    small = preprocessing("test_resnet").at_size(32)
    save(Checkpoint("test_resnet", classes, small, weights), path)


@pytest.fixture
def work(tmp_path: Path, photo: MakePhoto, capsys: pytest.CaptureFixture[str]) -> Path:
    """A library of eight photos in two classes, and things that are wrong."""
    for number in range(8):
        photo(f"photos/{'cat' if number % 2 else 'dog'}/{number}.jpg", seed=number)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    _checkpoint(tmp_path / "other.pt", "cat", "dogg", "okapi")
    (tmp_path / "manifest.csv").write_text(
        "path,lable,photographer\ncat/1.jpg,cat,ann\n", encoding="utf-8"
    )
    (tmp_path / "faults.csv").write_text(
        "path,label\ncat/1.jpg,cat\ncat/1.jpg,dog\ncat/99.jpg,cat\n../x.jpg,cat\ndog/0.jpg,con\n",
        encoding="utf-8",
    )
    (tmp_path / "answers.csv").write_text("image_id,label\nffff,cat\n", encoding="utf-8")
    assert answer(["scan", "photos", "--labels", "folder"]) == 0
    capsys.readouterr()
    return tmp_path


def fingerprint(work: Path) -> dict[str, str]:
    """Digest of everything in the folder, less the locks, which only say who held them."""
    return {
        str(path.relative_to(work)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("scan missing", ["missing: no such file", "Give a folder"]),
        ("scan empty", ["empty: there is no file in it", "is its disk mounted?"]),
        ("scan empty --labels folder", ["empty: there is no file in it"]),
        ("scan photos --labels folders", ["folders: is not a manifest", "`folder`"]),
        ("scan photos --origin stages", ["'stages'", "real, staged, synthetic"]),
        (
            "scan photos --labels manifest.csv",
            [
                "line 1: the column 'label' is missing",
                "unknown column 'lable'; did you mean 'label'?",
                "unknown column 'photographer'",
                "group_photographer",
            ],
        ),
        (
            "scan photos --labels faults.csv",
            [
                "4 faults, nothing was changed",
                "line 3: path 'cat/1.jpg' is there twice, first in line 2",
                "line 4: path 'cat/99.jpg': no such file",
                "line 5: path '../x.jpg' leads out of",
                "line 6: 'con' cannot name a class",
            ],
        ),
        ("split --min-count 50", ["50", "has 4", "--min-count"]),
        ("split --min-count 2 --val 0.6 --test 0.5", ["val 0.6", "test 0.5"]),
        ("split --min-count 9 --max-count 3", ["max-count 3", "min-count of 9"]),
        ("split --min-count 2 --explain nobody.jpg", ["nobody.jpg", "neither the id"]),
        ("train -o x.pt", ["there is no split yet", "curate split"]),
        ("bulk-id photos --model missing.pt", ["missing.pt"]),
        ("bulk-id photos --model notes.pt", ["notes.pt"]),
        ("bulk-id empty --model other.pt", ["empty: there is no file in it"]),
        (
            "bulk-id photos --model other.pt",
            ["2 of its 3 classes", "'dogg', 'okapi'", "is 'dog'", "--other-classes"],
        ),
        ("queue low-score", ["no predictions", "curate bulk-id"]),
        ("queue lowscore", ["lowscore", "low-score"]),
        ("scan photos --csv nowhere/x.csv", ["nowhere/x.csv", "there is no folder nowhere"]),
        ("queue low-score --min-score 0.9 --max-score 0.1", ["min-score 0.9"]),
        ("label import missing.csv", ["missing.csv"]),
        ("label import answers.csv", ["line 2", "ffff"]),
        ("status --library elsewhere", ["no library here", "curate scan"]),
    ],
)
def test_it_is_said_clearly_and_nothing_changes(
    work: Path, capsys: pytest.CaptureFixture[str], command: str, said: list[str]
) -> None:
    before = fingerprint(work)
    assert answer(command.split()) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("curate: ")
    for part in said:
        assert part in shown
    after = fingerprint(work)
    # A stage that got as far as its heart has recorded its failed run, and nothing else.
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= {".curate/library.db"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[split]\nmin_cuont = 40\n", "split.min_cuont: unknown key; did you mean 'min_count'?"),
        ("[spilt]\nmin_count = 40\n", "spilt: unknown key; did you mean 'split'?"),
        ('[split]\nmin_count = "many"\n', "split.min_count: "),
        ("[split\n", "curate.toml"),
    ],
)
@pytest.mark.parametrize("command", ["status", "split", "train -o x.pt"])
def test_a_wrong_setting_stops_every_command(
    work: Path, capsys: pytest.CaptureFixture[str], command: str, line: str, said: str
) -> None:
    (work / "curate.toml").write_text(line)
    before = fingerprint(work)
    assert answer(command.split()) == 1
    assert said in capsys.readouterr().err
    assert fingerprint(work) == before


def test_other_classes_are_taken_when_asked_for(work: Path) -> None:
    assert answer(["bulk-id", "photos", "--model", "other.pt", "--other-classes"]) == 0


def test_failed_runs_leave_no_rows(work: Path) -> None:
    """Whatever was refused, the tables that matter are those of the first scan."""
    from curate.store.library import opened

    for command in ("split --min-count 50", "queue low-score", "scan photos --labels faults.csv"):
        assert answer(command.split()) == 1
    with opened(work) as library, library.reading() as connection:
        for table, rows in (("files", 8), ("images", 8), ("decisions", 8)):
            count = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            assert count == rows
