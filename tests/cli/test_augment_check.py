"""`curate augment check`: what is printed, written and proposed."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest

from curate.augment.checks.proposal import proposed
from curate.augment.checks.rows import row, rows_table
from curate.augment.checks.verb import Checked
from curate.augment.policy import DEFAULT
from curate.cli.main import answer
from curate.core import config
from curate.store.library import opened

VERB = "curate.augment.checks.verb.check_library"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    with opened(tmp_path, make=True):
        pass
    return tmp_path


@pytest.fixture
def checked() -> Checked:
    rows = [
        row("class", "", "left", "flip", "unsafe", "27 of 30 become right", 0.9),
        row("class", "", "ball", "flip", "unknown", "about 14 images would tell", 0.0),
        row("image", "i1", "ball", "zoom out", "unsafe", "its subject is small already", 0.2),
    ]
    table = rows_table(rows)
    images = pd.DataFrame(
        [("i1", "photos/ball/1.jpg", "ball", "train", "")],
        columns=["image_id", "path", "class", "split", "bbox"],
    )
    placed = table.assign(path=["", "", "photos/ball/1.jpg"], split=["", "", "train"])
    failures = pd.DataFrame([], columns=["image_id", "path", "stage", "reason"])
    return Checked(placed, proposed(table, DEFAULT), images, failures, "flip(p=0.5)")


def test_options_reach_the_verb(library: Path, checked: Checked) -> None:
    line = "augment check --model m.pt --recipe flip(p=1) --device cpu --batch-size 3 --workers 2"
    with patch(VERB, return_value=checked) as called:
        assert answer(line.split()) == 0
    (place, recipe, model), options = called.call_args
    assert (place.root, recipe, model) == (library, "flip(p=1)", Path("m.pt"))
    assert options == {"device": "cpu", "batch_size": 3, "workers": 2}


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ("", [], DEFAULT),
        ('[train]\naugment = "flip(p=0.2)"\n', [], "flip(p=0.2)"),
        ('[train]\naugment = "flip(p=0.2)"\n', ["--recipe", ""], ""),
    ],
)
def test_which_recipe_is_checked(
    library: Path, checked: Checked, settings: str, given: list[str], expected: str
) -> None:
    (library / "curate.toml").write_text(settings)
    with patch(VERB, return_value=checked) as called:
        assert answer(["augment", "check", *given]) == 0
    assert called.call_args.args[1] == expected


def test_what_is_printed(
    library: Path, checked: Checked, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch(VERB, return_value=checked):
        assert answer(["augment", "check", "--model", "m.pt"]) == 0
    said = capsys.readouterr().out
    for words in (
        "Checked 1 image against",
        "1 unsafe, 1 unknown, 0 safe",
        "27 of 30 become right",
        "about 14 images would tell",
        "1 image would not survive",
        "Proposed, for you to take over into curate.toml",
        '"left" = "rotate(limit=10)',
    ):
        assert words in said
    assert not (library / "curate.toml").exists()


def test_without_a_model_it_says_what_was_not_checked(
    library: Path, checked: Checked, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch(VERB, return_value=checked):
        assert answer(["augment", "check"]) == 0
    assert "were not checked: --model CKPT" in capsys.readouterr().out


def test_json_is_all_that_is_printed(
    library: Path, checked: Checked, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch(VERB, return_value=checked):
        assert answer(["augment", "check", "--model", "m.pt", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in said["verdicts"]] == ["unsafe", "unknown", "unsafe"]
    assert set(said["proposed"]["augment_classes"]) == {"left"}
    assert said["unsafe_images"] == 1


def test_files_are_written(library: Path, checked: Checked) -> None:
    line = "augment check --csv v.csv --policy p.toml --sheet s.jpg"
    drawn = patch("curate.augment.checks.verb.sheet", return_value=b"jpeg")
    with patch(VERB, return_value=checked), drawn:
        assert answer(line.split()) == 0
    assert list(pd.read_csv("v.csv")["scope"]) == ["class", "class", "image"]
    assert set(tomllib.loads(Path("p.toml").read_text())["train"]["augment_classes"]) == {"left"}
    assert Path("s.jpg").read_bytes() == b"jpeg"


def test_the_policy_that_was_written_is_what_training_takes(
    library: Path, checked: Checked, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch(VERB, return_value=checked):
        assert answer(["augment", "check", "--policy", "my policy.toml"]) == 0
        assert (
            "Next: curate train --augment 'my policy.toml' -o model.pt" in capsys.readouterr().out
        )
        # It stands in curate.toml as it is.
        (library / "curate.toml").write_bytes(Path("my policy.toml").read_bytes())
        assert answer(["augment", "check"]) == 0
    assert config.load(library).train.augment_classes == checked.proposal.augment_classes
    assert "Next:" not in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_refused_first(library: Path) -> None:
    with patch(VERB) as called:
        assert answer(["augment", "check", "--policy", "no/p.toml"]) == 1
    called.assert_not_called()
