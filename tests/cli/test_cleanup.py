"""`curate cleanup plan|approve`: rules of curate.toml, what is shown, and how a stop ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import curate
from curate.cleanup import plans
from curate.cleanup.policy import Rule
from curate.cleanup.recipes import RECIPES
from curate.cli.cleanup import STOPPED
from curate.cli.cleanup_output import written
from curate.cli.cleanup_rules import ask_of, check, filters_of
from curate.cli.main import DONE, EXPECTED, answer
from curate.core.errors import ConfigError
from curate.queues import RECIPES as QUEUES
from curate.store.library import Library, opened

from ..cleanup.rows import BLANK, FINE, labelled, pool, predicted
from ..store.made import decide, said

TOML = """
[cleanup]
max_share = 1.0
[cleanup.rules.blank]
recipe = "blank"
[cleanup.rules.low]
recipe = "low-score"
max_score = 0.2
"""


@pytest.fixture
def place(library: Library, tmp_path: Path) -> Library:
    """Two blank images, two with a low score, of which one may stay, and a good one."""
    labelled(library, tmp_path / "labelled")
    pool(library, tmp_path / "pool", {"b1": BLANK, "b2": BLANK, "low": FINE, "fine": FINE})
    predicted(library, {"b1": 0.05, "low": 0.1, "fine": 0.9})
    (tmp_path / "curate.toml").write_text(TOML)
    return library


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    status = answer(["cleanup", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_plan_is_shown_written_and_kept(
    place: Library, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, told = asked(capsys, "plan", "-o", "plan.json", "--sheet", "sheet.jpg")
    assert status == DONE
    assert (told["images"], told["files"], told["bytes"], told["pool"]) == (3, 3, 300, 4)
    assert [(row["rule"], row["images"]) for row in told["rules"]] == [("blank", 2), ("low", 1)]
    assert told["stopped"] == []
    assert told["next"] == "curate cleanup apply plan.json"
    assert [row["basis"] for row in told["costs"]] == ["nobody knows", "nobody knows"]
    plan = plans.read(place, tmp_path / "plan.json")
    assert (plan.digest, plan.run_id) == (told["plan"], told["run_id"])
    assert list(plan.table["image_id"]) == ["b1", "b2", "low"]
    for name in ("sheet.jpg", "sheet-riskiest.jpg"):
        assert (tmp_path / name).read_bytes().startswith(b"\xff\xd8")


def test_people_read_counts_classes_reasons_and_the_next_command(
    place: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(place, said("apart", "b2", "apart", field="b1", actor="person"))
    assert answer(["cleanup", "plan"]) == DONE
    decide(place, said("label", "low", "kudu"))
    assert answer(["cleanup", "plan"]) == DONE
    said_first, _, said_then = capsys.readouterr().out.partition("restore puts everything back)")
    assert "2 files (2 images of 4 images in the pool, 200 bytes) would go" in said_first
    assert "person said that it is no duplicate" in said_first
    assert "only a person at a terminal can apply this plan" in said_first
    assert "+0 −1" in said_then
    assert "the same" in said_then


def test_a_stop_has_a_status_of_its_own_and_keeps_nothing(
    place: Library, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "curate.toml").write_text(TOML.replace("1.0", "0.1"))
    status, told = asked(capsys, "plan", "-o", "plan.json")
    assert status == STOPPED == 4
    assert [stop["limit"] for stop in told["stopped"]] == ["max_share"]
    assert told["plan"] is None
    assert not (tmp_path / "plan.json").exists()
    assert told["next"] == "curate cleanup plan --yes"
    status, told = asked(capsys, "plan", "--yes", "-o", "plan.json")
    assert (status, told["stopped"]) == (DONE, [])
    assert (tmp_path / "plan.json").exists()


@pytest.mark.parametrize(("typed", "status"), [("y", DONE), ("n", STOPPED)])
def test_whoever_sits_at_the_terminal_is_asked(
    place: Library,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    status: int,
) -> None:
    (tmp_path / "curate.toml").write_text(TOML.replace("1.0", "0.1"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text: typed == "y")
    assert answer(["cleanup", "plan"]) == status
    assert "Stopped: 3 of 4 images of the pool would go in one run" in capsys.readouterr().out


def test_where_nobody_watches_only_the_approved_policy_is_followed(
    place: Library, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked(capsys, "plan")
    assert answer(["cleanup", "apply"]) == EXPECTED
    assert "not the one that was approved last" in capsys.readouterr().err
    asked(capsys, "approve")
    status, told = asked(capsys, "apply")
    assert (status, told["run_id"] > 0) == (DONE, True)


def test_a_policy_is_approved_as_people_read_it(
    place: Library, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, told = asked(capsys, "approve", "--by", "ann")
    assert (status, told["new"], told["by"]) == (DONE, True, "ann")
    assert told["said"][1] == "low: the queue low-score; max_score 0.2; into quarantine"
    assert asked(capsys, "approve")[1]["new"] is False
    assert asked(capsys, "plan")[1]["approved"] is True
    (tmp_path / "curate.toml").write_text(TOML.replace("0.2", "0.3"))
    assert asked(capsys, "plan")[1]["approved"] is False


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[cleanup.rules.a]\nrecipe = 'blnk'", "Did you mean blank?"),
        ("[cleanup.rules.a]\nrecipe = 'low-scor'", "Did you mean low-score?"),
        ("[cleanup.rules.a]\nrecipe = 'blank'\nolder_then = '3d'", "Did you mean older_than?"),
        ("[cleanup.rules.a]\nrecipe = 'blank'\nmax_scor = 0.1", "Did you mean max_score?"),
        ("[cleanup.rules.a]\nrecipe = 'low-score'\nmax_score = 3", "max-score 3"),
        ("[cleanup.rules.a]\nrecipe = 'low-score'\nwhere = 'nothing > 3'", "cleanup.rules.a"),
        ("[cleanup.rules.a]\nrecipe = 'blank'\nsort = 'score'", "decides every image alone"),
        ("[cleanup.rules.a]\nrecipe = 'wrong-label'", "labelled images, which never go"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "approve"])
def test_faults_of_a_rule_are_told_with_the_nearest(
    place: Library,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    fault: str,
    command: str,
) -> None:
    (tmp_path / "curate.toml").write_text(text)
    assert answer(["cleanup", command]) == EXPECTED
    said_then = capsys.readouterr().err
    assert fault in said_then
    assert "cleanup.rules.a" in said_then


def test_a_file_that_no_plan_can_be_written_to_is_refused_before_the_work(
    place: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["cleanup", "plan", "-o", "plan.xlsx"]) == EXPECTED
    assert "Name it .json or .csv or .parquet" in capsys.readouterr().err
    with pytest.raises(curate.CurateError):
        plans.read(place)


def test_filters_are_those_of_queues() -> None:
    rule = Rule("a", "low-score", {"class": "kudu", "class_count": "3-5", "labelled": "also"})
    filters = filters_of(rule)
    assert (filters.classes, filters.class_count, filters.labelled) == (("kudu",), (3, 5), True)
    # Of images that look alike all may go, and the limit counts what is left of them.
    assert (filters.one_per_group, filters.limit) == (False, sys.maxsize)
    with pytest.raises(ConfigError, match="a filter has a value of its own kind"):
        filters_of(Rule("a", "low-score", {"max_score": "low"}))


def test_one_name_alone_is_both_a_recipe_of_cleanup_and_a_queue() -> None:
    """The queue brings the looks that the rule of its name waits for."""
    assert RECIPES.keys() & QUEUES.keys() == {"like-rejected"}
    for name in RECIPES:
        check(Rule("a", name))


def test_filters_narrow_the_recipes_of_cleanup_too(place: Library, tmp_path: Path) -> None:
    def going(rules: str) -> list[str]:
        (tmp_path / "curate.toml").write_text(f"[cleanup]\nmax_share = 1.0\n{rules}")
        made = curate.plan_cleanup(place)
        return list(made.table["image_id"])

    blank = "[cleanup.rules.a]\nrecipe = 'blank'\n"
    assert going(blank) == ["b1", "b2"]
    assert going(f"{blank}max_score = 0.1") == ["b1"]
    assert going(f"{blank}where = \"path LIKE '%b2.jpg'\"") == ["b2"]
    assert going(f"{blank}max_score = 0.01") == []


def test_the_lowest_scores_go_first_and_what_is_decided_tells_the_cost(place: Library) -> None:
    named, decided = ask_of(place).queue(Rule("low", "low-score", {"max_score": 0.95}))
    assert list(named["image_id"]) == ["b1", "low", "fine"]
    assert list(named["risk"]) == [0.05, 0.1, 0.9]
    assert {"score", "answer", "recipe"} <= set(decided)
    other, _ = ask_of(place).queue(Rule("any", "random"))
    assert list(other["risk"]) == [0.0, 1.0, 2.0]


def test_a_queue_of_a_rule_is_not_remembered_as_shown(place: Library, tmp_path: Path) -> None:
    curate.plan_cleanup(place)
    with opened(tmp_path) as again:
        assert not (again.folder / "tables" / "offered").exists()


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (2_340_000, "2.3 MB")]
)
def test_sizes_are_written_in_the_unit_that_suits(size: int, text: str) -> None:
    assert written(size) == text
